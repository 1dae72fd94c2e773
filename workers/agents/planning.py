"""The plan that an agent makes before it looks anything up: short, typed, written down, and shown to people.

Asked for once a round by the pipeline's draft, where the model can use tools. It binds nobody: the inbox shows it beside
what was really done. It is a model's text and is trusted with nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from integrations.models.base import Material, ModelRequest, Tool
from workers.agents.library import prompt

MOST_STEPS = 8


class PlanStep(BaseModel):
    """One thing to find out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str = Field(max_length=300, description="What to find out or to settle")
    tool: str | None = Field(None, max_length=60, description="The look-up that tells it; null where none is needed")
    why: str = Field(max_length=300, description="What depends on it")


class Plan(BaseModel):
    """How the agent means to go about a case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    goal: str = Field(max_length=400, description="What a good end of this case is")
    steps: list[PlanStep] = Field(max_length=MOST_STEPS)
    would_change: str = Field(max_length=400, description="What, if it turned up, would change your mind")


def ask_plan(draft: ModelRequest[Any], tools: Sequence[Tool]) -> ModelRequest[Plan]:
    """The request for a plan of what `draft` will ask for: the same material, and what can be looked up."""
    listed = [{"name": tool.name, "description": tool.description, "arguments": _arguments(tool)} for tool in tools]
    return ModelRequest(
        domain=draft.domain,
        task="plan",
        instructions=f"{draft.instructions}\n\n{prompt('loop', 'plan')}",
        material=(*draft.material, Material("tools", "tools", trusted=True, data=listed)),
        output=Plan,
        max_output_tokens=1024,
        about=draft.about,
    )


def ask_with_plan(
    draft: ModelRequest[Any], plan: Plan | None, tools: Sequence[Tool], *, asking: bool
) -> ModelRequest[Any]:
    """`draft` with the look-ups that may be asked for, and the plan among its material."""
    planned = () if plan is None else (Material("plan", "plan", trusted=False, data=plan.model_dump(mode="json")),)
    return replace(
        draft,
        instructions="\n\n".join(
            [draft.instructions, prompt("loop", "tools"), *([prompt("loop", "asking")] if asking else [])]
        ),
        material=(*draft.material, *planned),
        tools=tuple(tools),
    )


def _arguments(tool: Tool) -> dict[str, str]:
    fields = tool.arguments.model_fields
    return {name: field.description or "" for name, field in fields.items()}

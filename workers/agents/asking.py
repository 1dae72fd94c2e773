"""Asking another agent: the call that a model makes for it, and the typed answer that comes back.

A question is worked on as a case of its own, by the other domain's agent or by a colleague of the same desk (a role: its own
instructions over the same look-ups). What comes back is a finding with the facts that it rests on, and no actions. The
finding is a model's text, made from text that may be hostile: it is never trusted. The facts keep their own trust.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from integrations.base import Record
from integrations.models.base import ModelRequest, Tool
from workers.agents.base import Agent, EventView, FactView, Share
from workers.agents.library import prompt
from workers.agents.tools import ASK, Arguments

__all__ = ["ASK", "Answer", "Question", "ask_answer", "ask_tool", "records_of"]


class Question(Arguments):
    """What is asked of whom, about which record."""

    agent: str = Field(max_length=80)
    question: str = Field(max_length=2000, description="Everything that the other needs to know, in a few sentences")
    subject: str | None = Field(
        None, max_length=300, description="The ref of the record that it is about; null for the case's own subject"
    )


class Answer(BaseModel):
    """What an agent found out for another."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    finding: str = Field(max_length=4000)
    confidence: Share
    citations: list[str] = Field(default_factory=list, max_length=40)
    unsure: str | None = Field(default=None, max_length=1000)


@cache
def ask_tool(agents: tuple[str, ...]) -> Tool:
    """The call by which a model asks one of these."""
    fields: dict[str, Any] = {"agent": (Literal[agents], ...)}
    arguments = create_model("Question", __base__=Question, **fields)
    described = "; ".join(f"{name}: {_described(name)}" for name in agents)
    return Tool(
        ASK,
        f"Asks another agent and waits for its answer: a finding with the facts it rests on. Several may be asked at once. {described}",
        arguments,
    )


def ask_answer(
    agent: Agent,
    name: str,
    events: Sequence[EventView],
    triage: Mapping[str, Any],
    facts: Sequence[FactView],
) -> ModelRequest[Answer]:
    """The request for an answer by `agent`, in the role that `name` gives it (``content/writer``) or in its own."""
    draft = agent.ask_draft(events, triage, facts, None, [])
    _, _, role = name.partition("/")
    own = prompt("roles", role) if role else f"{prompt('loop', 'answer-domain')}\n\n{prompt(agent.domain, 'draft')}"
    return ModelRequest(
        domain=agent.domain,
        task="draft",
        instructions=f"{prompt('loop', 'answer')}\n\n{own}",
        material=draft.material,
        output=Answer,
        max_output_tokens=2048,
    )


def records_of(child_id: str, name: str, answer: Answer, cited: Sequence[Record]) -> list[Record]:
    """An answer as the asking case's evidence: the finding, which nobody vouches for, and the records that it cites."""
    data = {"agent": name, "finding": answer.finding, "confidence": answer.confidence, "unsure": answer.unsure}
    finding = Record(f"caseworker:answer:{child_id}", "answer", f"Answer of {name}", data, "", trusted=False)
    return [finding, *cited]


def _described(name: str) -> str:
    domain, _, role = name.partition("/")
    section = prompt("roles", role) if role else prompt(domain, "draft")
    return " ".join(section.split("\n\n", 1)[0].split()).split(". ", 1)[0][:200]

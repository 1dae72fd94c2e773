"""What an agent planned beside what it really looked up, for the page of a case. Reads steps alone; serves `timeline`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workers.agents import recollection
from workers.store.records import Step


@dataclass(frozen=True, slots=True)
class Done:
    """One call that was really made, or why it was not."""

    tool: str
    arguments: Mapping[str, Any]
    result: str


@dataclass(frozen=True, slots=True)
class Planned:
    what: str
    tool: str
    why: str
    done: tuple[Done, ...]


@dataclass(frozen=True, slots=True)
class PlanView:
    """The newest plan. `besides` was looked up though no step of the plan named it."""

    goal: str
    would_change: str
    steps: tuple[Planned, ...]
    besides: tuple[Done, ...]
    round: int


def plan_of(steps: Sequence[Step]) -> PlanView | None:
    """The plan of the newest round that has one. A call stands beside the first step that names its look-up."""
    plan = next((step for step in reversed(steps) if step.name == recollection.PLAN), None)
    if plan is None:
        return None
    of_round = [step for step in steps if step.round == plan.round and recollection.is_look_up(step.name)]
    made = [_done(step) for step in sorted(of_round, key=lambda step: recollection.place_of(step.name))]
    planned, taken = [], set()
    for item in plan.output.get("steps", ()):
        tool = str(item.get("tool") or "")
        own = tuple(done for done in made if tool and tool not in taken and done.tool == tool)
        taken.add(tool)
        planned.append(Planned(str(item.get("what", "")), tool, str(item.get("why", "")), own))
    return PlanView(
        goal=str(plan.output.get("goal", "")),
        would_change=str(plan.output.get("would_change", "")),
        steps=tuple(planned),
        besides=tuple(done for done in made if done.tool not in taken),
        round=plan.round,
    )


def title_of(step: Step) -> str | None:
    """What a step of the loop is called on the timeline; None for any other step."""
    if step.name == recollection.PLAN:
        return "Planned"
    if recollection.is_look_up(step.name):
        done = _done(step)
        return f"Looked up: {_words(done.tool)}, {done.result}"
    if recollection.is_of_loop(step.name):
        names = [_words(str(call.get("name", ""))) for call in step.output.get("calls", ())]
        return f"Asked for {', '.join(names)}" if names else "Asked for nothing"
    return None


def text_of(step: Step) -> str:
    return str(step.output.get("goal") or step.output.get("text") or "")


def shown(step: Step) -> dict[str, Any]:
    """A step's output without the provider's own blocks, which say nothing to people."""
    return {key: value for key, value in step.output.items() if key != "native"}


def _done(step: Step) -> Done:
    call, kind = step.output.get("call", {}), step.output.get("kind")
    found = len(step.output.get("facts", ()))
    results = {
        "found": f"{found} {'record' if found == 1 else 'records'}" if found else "nothing found",
        "same": "as before",
        "page": f"page {step.output.get('page', 1)}",
        "summary": "summarised",
    }
    problem = str((step.output.get("content") or {}).get("problem", "")) if step.output.get("failed") else ""
    return Done(str(call.get("name", "")), call.get("arguments", {}), problem or results.get(str(kind), "not made"))


def _words(name: str) -> str:
    return name.replace("_", " ")

"""Turns and observations as plain JSON, and back: what `workers.deliberation` writes down, and goes on from after a crash.

Records are not written twice: an observation names the facts that they became. Pure; must give back what the model was
given, or a resumed conversation would not be the one that was paid for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from integrations.base import Record
from integrations.models.base import ToolCall, ToolUse
from workers.agents.observations import Exchange, Observation, found, page_of, written

PLAN = "plan"
_TURN = re.compile(r"turn-(\d+)")
_LOOK_UP = re.compile(r"turn-((\d+)\.(\d+))")


def turn_name(number: int) -> str:
    return f"turn-{number}"


def look_up_name(number: str) -> str:
    return f"turn-{number}"


def is_of_loop(name: str) -> bool:
    """Whether a step of this name was written by the loop."""
    return name == PLAN or name.startswith("turn-")


def is_look_up(name: str) -> bool:
    return _LOOK_UP.fullmatch(name) is not None


def place_of(name: str) -> tuple[int, ...]:
    """``turn-2.1`` as (2, 1), for sorting."""
    return tuple(int(number) for number in re.findall(r"\d+", name))


def turn_as_json(use: ToolUse) -> dict[str, Any]:
    return {"calls": [_call_as_json(call) for call in use.calls], "text": use.text, "native": dict(use.native)}


def observation_as_json(seen: Observation, facts: Sequence[str]) -> dict[str, Any]:
    """`facts` are the ids of those that its records became."""
    said: dict[str, Any] = {"call": _call_as_json(seen.call), "kind": seen.kind, "facts": list(facts)}
    if seen.failed:
        said["failed"] = True
    if seen.of:
        said |= {"of": seen.of, "page": seen.page}
    if (seen.kind == "found" and seen.failed) or seen.kind in ("told", "summary"):
        said |= {"content": seen.content, "trusted": seen.trusted}
    return said


def exchanges(outputs: Mapping[str, Mapping[str, Any]], facts: Mapping[str, Record], page: int) -> list[Exchange]:
    """The conversation so far from its steps' outputs by name; `facts` are the case's as records, by fact id."""
    turns: dict[int, Exchange] = {}
    for name, output in outputs.items():
        if match := _TURN.fullmatch(name):
            number = int(match[1])
            calls = tuple(_call(item) for item in output["calls"])
            turns[number] = Exchange(number, calls, str(output["text"]), dict(output["native"]))
    seen: dict[str, Observation] = {}
    numbered = [(int(m[2]), int(m[3]), m[1], name) for name in outputs if (m := _LOOK_UP.fullmatch(name))]
    for turn, _, place, name in sorted(numbered):
        seen[place] = _observation(place, outputs[name], seen, facts, page)
        turns[turn].observed[place] = seen[place]
    return [turns[number] for number in sorted(turns)]


def _observation(
    number: str,
    output: Mapping[str, Any],
    earlier: Mapping[str, Observation],
    facts: Mapping[str, Record],
    page: int,
) -> Observation:
    call, kind = _call(output["call"]), output["kind"]
    failed, of, part = bool(output.get("failed")), str(output.get("of", "")), int(output.get("page", 1))
    if kind == "found" and not failed:
        return found(number, call, [facts[fact] for fact in output["facts"] if fact in facts])
    if kind == "same":
        first = earlier[of]
        return Observation(number, call, kind, first.content, first.trusted, first.failed, of)
    if kind == "page":
        source = earlier[of]
        content = page_of(of, written(source.content), part, page)
        return Observation(number, call, kind, content, source.trusted, of=of, page=part)
    return Observation(number, call, kind, output["content"], bool(output["trusted"]), failed, of, part)


def _call_as_json(call: ToolCall) -> dict[str, Any]:
    said = {"id": call.id, "name": call.name, "arguments": dict(call.arguments)}
    return said if call.flaw is None else {**said, "flaw": call.flaw}


def _call(said: Mapping[str, Any]) -> ToolCall:
    return ToolCall(said["id"], said["name"], said["arguments"], said.get("flaw"))

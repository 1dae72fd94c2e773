"""What came of the calls that a model asked for, and how it is put before the model: whole, in pages, or as a word to it.

The loop makes these, `recollection` writes them down and reads them back. Nothing is cut without saying how much there is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from integrations.base import Record
from integrations.models.base import ToolCall, Usage
from workers.agents.tools import content_of


class Summary(BaseModel):
    """A long record, shortened."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(max_length=6000)


@dataclass(frozen=True, slots=True)
class Observation:
    """What came of one call: records that were found, the same as before, a part of a long result, or a word to the model.

    `number` is its place, ``2.1`` the first call of the second turn; `of` names the earlier one that it repeats or reads on
    in. `content` is whole; a long one is paged when it is given.
    """

    number: str
    call: ToolCall
    kind: Literal["found", "same", "page", "summary", "told"]
    content: Any
    trusted: bool
    failed: bool = False
    of: str = ""
    page: int = 1
    records: tuple[Record, ...] = ()
    usage: tuple[Usage, ...] = ()
    seconds: float = 0.0


@dataclass(slots=True)
class Exchange:
    """One turn: what the model asked for, and what is known of it yet."""

    number: int
    calls: tuple[ToolCall, ...]
    text: str = ""
    native: Mapping[str, Any] = field(default_factory=dict)
    observed: dict[str, Observation] = field(default_factory=dict)

    @property
    def numbered(self) -> list[tuple[str, ToolCall]]:
        return [(f"{self.number}.{place}", call) for place, call in enumerate(self.calls, start=1)]


def found(number: str, call: ToolCall, records: Sequence[Record], *, seconds: float = 0.0) -> Observation:
    """Records as an observation. It is trusted only if all of them are."""
    return Observation(
        number,
        call,
        "found",
        content_of(records),
        trusted=all(record.trusted for record in records),
        records=tuple(records),
        seconds=seconds,
    )


def page_of(name: str, text: str, number: int, size: int) -> dict[str, Any]:
    """One page of a long result, with how much there is."""
    return {
        "result": name,
        "page": number,
        "pages": -(-len(text) // size),
        "characters": len(text),
        "text": text[(number - 1) * size : number * size],
    }


def written(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, default=str)


def told(number: str, call: ToolCall, message: str) -> Observation:
    """Why a call was not made, for the model to act on."""
    return Observation(number, call, "told", {"problem": message}, trusted=False, failed=True)


def again(number: str, call: ToolCall, earlier: Observation) -> Observation:
    """What was asked for before is answered with what it gave then."""
    return replace(earlier, number=number, call=call, kind="same", of=earlier.number, records=(), usage=(), seconds=0.0)


def key_of(call: ToolCall) -> tuple[str, str]:
    """What makes two calls the same question."""
    return call.name, json.dumps(call.arguments, sort_keys=True, ensure_ascii=False, default=str)

"""Requests and answers in the words of the Messages API, as plain JSON: what is sent, and what an answer says.

`client` and `batches` call it; nothing here speaks to anybody. An answer's blocks are kept as they came, so that those
which must be sent back unchanged (signed thinking, and kinds that nobody here has heard of) are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from pydantic import BaseModel

from integrations.models import prompt
from integrations.models.base import Material, Tool, Turn
from integrations.models.conversation import Asked, Counts, Reply, Stop, arguments
from integrations.models.unbroken import unbroken, unbroken_in

PROVIDER: Final = "anthropic"

CACHED: Final = {"type": "ephemeral"}

_STOPS: Final[Mapping[str | None, Stop]] = {
    "max_tokens": "cut",
    "refusal": "refused",
    "pause_turn": "paused",
    "model_context_window_exceeded": "full",
}

#: blocks that our own words can say again
_PLAIN: Final = frozenset({"text", "tool_use"})

_NOT_IN_AN_ID: Final = re.compile(r"[^a-zA-Z0-9_-]")


class _Counts(BaseModel):
    input_tokens: int | None = 0
    output_tokens: int | None = 0
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None

    def counts(self) -> Counts:
        told = self.input_tokens, self.output_tokens, self.cache_read_input_tokens, self.cache_creation_input_tokens
        # A gateway that does not count may say so by null, or by -1.
        return Counts(*(max(0, tokens or 0) for tokens in told))


class Message(BaseModel):
    """A message as far as it is read here. What is no message (a proxy's page, an empty object) does not fit."""

    model: str
    content: list[dict[str, Any]]
    usage: _Counts
    stop_reason: str | None = None

    def reply(self, request_id: str | None) -> Reply:
        """Raise `ValueError` where a block is none."""
        text, calls, plain = [], [], True
        for block in self.content:
            kind = str(block.get("type"))
            plain = plain and kind in _PLAIN
            if kind == "text":
                text.append(_string(block, "text"))
            elif kind == "tool_use":
                calls.append(Asked(_string(block, "id"), _string(block, "name"), arguments(block.get("input"))))
        return Reply(
            model=self.model,
            text=unbroken("".join(text)),
            stop=_STOPS.get(self.stop_reason, "done"),
            stop_reason=str(self.stop_reason),
            counts=self.usage.counts(),
            request_id=request_id,
            calls=tuple(calls),
            native=self.content,
            kept=None if plain else {PROVIDER: unbroken_in(self.content)},
        )


def conversation(material: Sequence[Material], turns: Sequence[Turn], *, cached: bool) -> list[dict[str, Any]]:
    """The case and the finished turns. `cached` marks the end for the prompt cache: the next turn begins with all of it."""
    told = prompt.material_part(material)
    if not turns and not cached:
        return [{"role": "user", "content": told}]
    messages: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "text", "text": told}]}]
    for turn in turns:
        messages.append({"role": "assistant", "content": _said(turn)})
        messages.append({"role": "user", "content": _came_of_it(turn)})
    if cached:
        messages[-1]["content"][-1]["cache_control"] = CACHED
    return messages


def corrected(reply: Reply, words: str) -> list[dict[str, Any]]:
    """A call that nobody makes is left out: the service wants a result behind each."""
    blocks = reply.native if reply.kept and not reply.calls else None
    said = blocks or reply.text.strip() or "(nothing)"
    return [{"role": "assistant", "content": said}, {"role": "user", "content": words}]


def tools(offered: Sequence[Tool], turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """What is offered, and the names of what was asked earlier: the service refuses calls of tools that it was not told."""
    names = {tool.name for tool in offered}
    earlier = dict.fromkeys(call.name for turn in turns for call in turn.calls if call.name not in names)
    return [
        *(
            {"name": tool.name, "description": tool.description, "input_schema": _tool_schema(tool.arguments)}
            for tool in offered
        ),
        *(
            {"name": name, "description": "Not offered any more.", "input_schema": {"type": "object"}}
            for name in earlier
        ),
    ]


@cache
def _tool_schema(arguments_type: type[BaseModel]) -> dict[str, Any]:
    return arguments_type.model_json_schema()


def thought(turn: Turn) -> bool:
    """Whether the turn will be told as one that began with a thought."""
    return _said(turn)[0].get("type") in ("thinking", "redacted_thinking")


def _said(turn: Turn) -> list[dict[str, Any]]:
    """The model's own blocks where they are whole and ours, else the same in our words."""
    native = turn.native.get(PROVIDER)
    if isinstance(native, list):
        asked = [block.get("id") for block in native if block.get("type") == "tool_use"]
        if asked == [call.id for call in turn.calls]:
            return [_whole(block) for block in native]
    text = [{"type": "text", "text": turn.text}] if turn.text.strip() else []
    calls = [
        {"type": "tool_use", "id": _id(call.id), "name": call.name, "input": dict(call.arguments)}
        for call in turn.calls
    ]
    return [*text, *calls] or [{"type": "text", "text": "(nothing)"}]


def _whole(block: Mapping[str, Any]) -> dict[str, Any]:
    """A call whose arguments could not be read is sent back without them; what came of it says so."""
    unread = block.get("type") == "tool_use" and not isinstance(block.get("input"), dict)
    return {**block, "input": {}} if unread else dict(block)


def _came_of_it(turn: Turn) -> list[dict[str, Any]]:
    blocks = []
    for result in prompt.results(turn):
        block = {"type": "tool_result", "tool_use_id": _id(result.call_id), "content": prompt.result_part(result)}
        blocks.append({**block, "is_error": True} if result.failed else block)
    return blocks or [{"type": "text", "text": "Go on."}]


def _id(given: str) -> str:
    """Another provider's ids may hold what this one refuses."""
    return _NOT_IN_AN_ID.sub("_", given) or "call"


def _string(block: Mapping[str, Any], key: str) -> str:
    value = block.get(key)
    if isinstance(value, str):
        return value
    raise ValueError(f"a block of type {block.get('type')!r} has no {key}")

"""Requests and answers in the words of OpenAI's chat completions, as plain JSON: what is sent, and what an answer says.

`client` calls it; nothing here speaks to anybody. Fields that nobody here has heard of (a gateway's reasoning, signatures of
thoughts) are kept and sent back unchanged in the next turn, as those who send them want it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from pydantic import BaseModel, Field

from integrations.models import prompt
from integrations.models.base import Material, Tool, ToolResult, Turn
from integrations.models.conversation import Asked, Counts, Reply, Stop, arguments
from integrations.models.unbroken import unbroken, unbroken_in

PROVIDER: Final = "openai"

_STOPS: Final[Mapping[str | None, Stop]] = {"length": "cut", "content_filter": "refused"}

#: fields of a message, and of a call in it, that our own words can say again
_PLAIN: Final = frozenset({"role", "content", "tool_calls", "refusal", "annotations", "audio", "function_call"})
_PLAIN_CALL: Final = frozenset({"id", "type", "function", "index"})
#: fields that say nothing to the service that sent them
_NOT_SENT_BACK: Final = frozenset({"refusal", "annotations", "audio", "function_call"})


class _PromptDetails(BaseModel):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    prompt_tokens_details: _PromptDetails | None = None

    def counts(self) -> Counts:
        """The service counts what came from the cache among the prompt; here each token is counted once."""
        details = self.prompt_tokens_details or _PromptDetails()
        read, written = max(0, details.cached_tokens or 0), max(0, details.cache_write_tokens or 0)
        plain = max(0, (self.prompt_tokens or 0) - read - written)
        # Some say -1 for what they did not count.
        return Counts(plain, max(0, self.completion_tokens or 0), read, written)


class _Function(BaseModel):
    name: str
    arguments: Any = None


class _Call(BaseModel):
    id: str | None = None
    function: _Function


class _Message(BaseModel):
    content: str | list[dict[str, Any]] | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None

    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(str(part.get("text", "")) for part in self.content if part.get("type") == "text")
        return self.content or ""


class _Choice(BaseModel):
    message: dict[str, Any]
    finish_reason: str | None = None


class Completion(BaseModel):
    """A completion as far as it is read here. What is none (a proxy's page, an error told with status 200) does not fit."""

    model: str = ""
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None

    def reply(self, request_id: str | None, asked: str, turn: int) -> Reply:
        """Raise `ValueError` where its message is none. `asked` is the model's name where the answer names none."""
        choice = self.choices[0]
        message = _Message.model_validate(choice.message)
        calls = tuple(
            # Some give their calls no id, which the results need.
            Asked(call.id or f"call_{turn}_{number}", call.function.name, arguments(call.function.arguments))
            for number, call in enumerate(message.tool_calls or ())
        )
        return Reply(
            model=self.model or asked,
            text=unbroken(message.text()),
            stop="refused" if message.refusal else _STOPS.get(choice.finish_reason, "done"),
            stop_reason="refusal" if message.refusal else str(choice.finish_reason),
            counts=(self.usage or _Usage()).counts(),
            request_id=request_id,
            calls=calls,
            native=choice.message,
            kept=_kept(choice.message, message, calls),
        )


def conversation(system: str, material: Sequence[Material], turns: Sequence[Turn]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": system},
        {"role": "user", "content": prompt.material_part(material)},
    ]
    for turn in turns:
        messages.append(_said(turn))
        messages.extend(_came_of_it(result) for result in prompt.results(turn))
    return messages


def corrected(reply: Reply, words: str) -> list[dict[str, Any]]:
    """Calls that nobody makes are left out: services want a result behind each."""
    return [
        {"role": "assistant", "content": reply.text.strip() or "(nothing)"},
        {"role": "user", "content": words},
    ]


def tools(offered: Sequence[Tool]) -> list[dict[str, Any]]:
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": _parameters(tool.arguments),
            },
        }
        for tool in offered
    ]


@cache
def _parameters(arguments_type: type[BaseModel]) -> dict[str, Any]:
    return arguments_type.model_json_schema()


def _kept(raw: Mapping[str, Any], message: _Message, calls: Sequence[Asked]) -> dict[str, Any] | None:
    """The message for the next turn, where it holds more than our words can say again."""
    given = {name: value for name, value in raw.items() if value is not None and name not in _NOT_SENT_BACK}
    of_calls = {name for call in raw.get("tool_calls") or () for name, value in call.items() if value is not None}
    plain = given.keys() <= _PLAIN and of_calls <= _PLAIN_CALL
    whole = all(call.id for call in message.tool_calls or ()) and all(call.arguments is not None for call in calls)
    return {PROVIDER: {"role": "assistant", **unbroken_in(given)}} if whole and not plain else None


def _said(turn: Turn) -> dict[str, Any]:
    native = turn.native.get(PROVIDER)
    if isinstance(native, dict):
        asked = [call.get("id") for call in native.get("tool_calls") or ()]
        if asked == [call.id for call in turn.calls]:
            return dict(native)
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(dict(call.arguments), ensure_ascii=False)},
        }
        for call in turn.calls
    ]
    if not calls:
        return {"role": "assistant", "content": turn.text or "(nothing)"}
    return {"role": "assistant", "content": turn.text or None, "tool_calls": calls}


def _came_of_it(result: ToolResult) -> dict[str, Any]:
    said = prompt.result_part(result)
    told = f"The look-up failed.\n{said}" if result.failed else said
    return {"role": "tool", "tool_call_id": result.call_id, "content": told}

"""One question to a large model, from first ask to usable answer: the paths that are the same for every provider.

`converse` asks, gives an answer that was cut off more room once, sends one that does not fit back once with what is wrong,
lets a paused one go on, and adds up what all of it used. The providers' clients call it and translate; what they raise is
passed on together with what had been paid for by then. It reads answers and calls nothing that they ask for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final, Generic, Literal, Protocol

from pydantic import ValidationError

from integrations.errors import Permanent, Temporary
from integrations.models import prompt, reply_text
from integrations.models.base import (
    Interrupted,
    InvalidOutput,
    ModelAnswer,
    ModelRequest,
    Refused,
    T,
    Tool,
    ToolCall,
    TooLong,
    ToolUse,
    Unanswered,
    Usage,
)
from integrations.models.unbroken import unbroken_in

#: An answer that was cut off is asked for once more, with so many times the room.
MORE_ROOM: Final = 4
#: So often a paused answer goes on.
MOST_PAUSES: Final = 4

#: why the model stopped: it was done, ran out of room, declined, paused, or the conversation fills its window
Stop = Literal["done", "cut", "refused", "paused", "full"]


@dataclass(frozen=True, slots=True)
class Counts:
    """Tokens of one reply, each counted once: `plain` is what of the input came neither from the cache nor went into it."""

    plain: int = 0
    output: int = 0
    read: int = 0
    written: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """A call as the model made it; `arguments` is None where they could not be read at all."""

    id: str
    name: str
    arguments: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of a provider, in our words. `native` is the same in the provider's."""

    model: str
    text: str
    stop: Stop
    stop_reason: str
    counts: Counts
    request_id: str | None
    calls: tuple[Asked, ...] = ()
    native: Any = None
    #: what must be sent back unchanged in the next turn, by provider; empty where our words are enough
    kept: Mapping[str, Any] | None = None


class Broken(Temporary):
    """An answer that broke off on its way. `reply` is as much of it as came, which is paid for."""

    def __init__(self, message: str, *, reply: Reply, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.reply = reply


class Seller(Protocol):
    """Who answered, and what that costs."""

    @property
    def provider(self) -> str: ...

    def price(self, model: str, counts: Counts) -> Decimal | None: ...


class Speaker(Seller, Protocol):
    """A provider's client, as `converse` needs it. Messages are in the provider's own form."""

    def ask(self, request: ModelRequest[Any], more: Sequence[Any], room: int, *, calling: bool) -> Reply:
        """Send the request with the messages of `more` behind it. Raise `Temporary` or `Permanent`."""

    def corrected(self, request: ModelRequest[Any], reply: Reply, words: str) -> list[Any]:
        """The reply as the model's own message, and what is wrong with it as ours."""

    def resumed(self, reply: Reply) -> list[Any]:
        """The reply as it is, for the model to go on from."""


def converse(speaker: Speaker, request: ModelRequest[T], *, calling: bool) -> ModelAnswer[T] | ToolUse:
    """Ask until there is an answer, or calls where `calling` allows them. Raise as `base.Model.answer` says."""
    talk = _Talk(speaker, request, calling=calling)
    while True:
        made = talk.made_of(talk.ask())
        if made is not None:
            return made


def finished(seller: Seller, request: ModelRequest[T], reply: Reply, *, calling: bool) -> ModelAnswer[T] | ToolUse:
    """What one reply comes to where nobody can be asked again (a batch). Raise `Unanswered`."""
    reading = _Reading(seller, request, calling=calling)
    made = reading.made_of(reply)
    if made is None:
        raise InvalidOutput("The model stopped before it had answered.", usage=reading.used())
    return made


class _Reading(Generic[T]):
    """What a request's replies come to, and what they used. Nobody is asked."""

    def __init__(self, seller: Seller, request: ModelRequest[T], *, calling: bool) -> None:
        self._seller = seller
        self._request = request
        self._calling = calling
        self._replies: list[Reply] = []
        self._began = time.perf_counter()

    def made_of(self, reply: Reply) -> ModelAnswer[T] | ToolUse | None:
        """What the reply comes to; None where the model has to be asked again."""
        self._replies.append(reply)
        if reply.stop == "refused":
            raise Refused("The model declined to answer this. A person must look.", usage=self.used())
        if reply.stop == "full":
            raise TooLong("The case does not fit into the model's window.", usage=self.used())
        if reply.stop == "paused":
            self._go_on(reply)
            return None
        if reply.calls and self._calling and reply.stop != "cut":
            # One that was cut off may end in the middle of a call: what it would have asked for is unknown.
            calls = tuple(checked(self._request.tools, asked) for asked in reply.calls)
            return ToolUse(calls, self.used(), text=reply.text, native=reply.kept or {})
        try:
            return ModelAnswer(reply_text.read(self._request.output, reply.text), self.used())
        except ValidationError as error:
            self._mend(reply, error)
            return None

    def _go_on(self, reply: Reply) -> None:
        """A paused reply, which may go on."""

    def _mend(self, reply: Reply, error: ValidationError) -> None:
        """A reply that does not fit, which may be asked for again. Raise where it may not."""
        what = "was cut off." if reply.stop == "cut" else f"does not fit: {prompt.wrong(error)}"
        raise InvalidOutput(f"The model's answer {what}", usage=self.used()) from error

    def used(self) -> Usage:
        """What all replies together used."""
        last = self._replies[-1]
        counts = last.counts
        if len(self._replies) > 1:
            every = [reply.counts for reply in self._replies]
            counts = Counts(
                plain=sum(one.plain for one in every),
                output=sum(one.output for one in every),
                read=sum(one.read for one in every),
                written=sum(one.written for one in every),
            )
        return Usage(
            provider=self._seller.provider,
            model=last.model,
            input_tokens=counts.plain,
            output_tokens=counts.output,
            cache_read_tokens=counts.read,
            cache_write_tokens=counts.written,
            latency_ms=round((time.perf_counter() - self._began) * 1000),
            cost_usd=self._seller.price(last.model, counts),
            request_id=last.request_id,
            stop_reason=last.stop_reason,
        )


class _Talk(_Reading[T]):
    """The asking of one request until there is an answer."""

    def __init__(self, speaker: Speaker, request: ModelRequest[T], *, calling: bool) -> None:
        super().__init__(speaker, request, calling=calling)
        self._speaker = speaker
        self._more: list[Any] = []
        self._room = request.max_output_tokens
        self._widened = self._repaired = False

    def ask(self) -> Reply:
        try:
            return self._speaker.ask(self._request, self._more, self._room, calling=self._calling)
        except (Temporary, Permanent) as error:
            if isinstance(error, Broken):
                self._replies.append(replace(error.reply, stop_reason="interrupted"))
            if not self._replies:
                raise
            raise self._paid(error) from error

    def _go_on(self, reply: Reply) -> None:
        if sum(one.stop == "paused" for one in self._replies) > MOST_PAUSES:
            raise InvalidOutput("The model paused again and again without an answer.", usage=self.used())
        self._more += self._speaker.resumed(reply)

    def _mend(self, reply: Reply, error: ValidationError) -> None:
        """More room, or the error: each once."""
        if reply.stop == "cut" and not self._widened:
            self._widened = True
            self._room *= MORE_ROOM
        elif reply.stop != "cut" and not self._repaired:
            self._repaired = True
            self._more += self._speaker.corrected(self._request, reply, prompt.repair(error))
        elif reply.stop == "cut":
            raise InvalidOutput("The model's answer was cut off, also with more room.", usage=self.used()) from error
        else:
            raise InvalidOutput(
                f"The model's answer does not fit, also after one repair: {prompt.wrong(error)}", usage=self.used()
            ) from error

    def _paid(self, error: Temporary | Permanent) -> Temporary | Permanent:
        """The error, with what had been paid for when it came."""
        if isinstance(error, Temporary):
            return Interrupted(str(error), usage=self.used(), retry_after=error.retry_after)
        if isinstance(error, Unanswered):
            return type(error)(str(error), usage=self.used())
        return Unanswered(str(error), usage=self.used())


def checked(tools: Sequence[Tool], asked: Asked) -> ToolCall:
    """The call with its flaw, if it has one: told back to the model, it can ask again as it should."""
    tool = next((tool for tool in tools if tool.name == asked.name), None)
    given = asked.arguments
    if tool is None:
        names = ", ".join(tool.name for tool in tools)
        return ToolCall(asked.id, asked.name, given or {}, f"There is no tool {asked.name!r}. There are: {names}.")
    if given is None:
        return ToolCall(asked.id, asked.name, {}, "The arguments are no JSON object.")
    try:
        tool.arguments.model_validate(given)
    except ValidationError as error:
        return ToolCall(asked.id, asked.name, given, f"The arguments do not fit. {prompt.wrong(error)}")
    return ToolCall(asked.id, asked.name, given)


def arguments(said: Any) -> Mapping[str, Any] | None:
    """A call's arguments, which some providers send as an object and some as its text. None where they are neither."""
    try:
        given = json.loads(said or "{}") if isinstance(said, str) else said
        return unbroken_in(given) if isinstance(given, dict) else None
    except (ValueError, RecursionError):
        return None

"""Anthropic's Messages API behind `base.Model`, through the official SDK. The only file that imports `anthropic`.

The output type travels as a JSON schema (structured output) and the answer is validated by it here: a model that obeys a
stranger can still only fill in the form. An answer that does not fit is sent back once with what is wrong. The SDK's own
retries are off: waiting is the pipeline's business, which survives a restart. Whatever the other side sends, only what
`base.Model.answer` names is raised.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, Final

import anthropic
import genai_prices
from anthropic.types import MessageParam
from pydantic import BaseModel, ValidationError

from integrations.errors import Permanent, Temporary
from integrations.models import prompt
from integrations.models.base import InvalidOutput, ModelAnswer, ModelRequest, Refused, T, Usage

PROVIDER: Final = "anthropic"
#: An answer that was cut off is asked for once more, with so many times the room.
MORE_ROOM: Final = 4
#: Of the service's own explanation as much as fits a line; it speaks of the request's form, never repeats the material.
_LONGEST_REASON: Final = 200


class _Offer(BaseModel):
    """One entry of the Models API, as far as the choice needs it."""

    id: str
    created_at: datetime
    lifecycle: str = "active"
    capabilities: dict[str, Any] | None = None

    def fits(self) -> bool:
        """In use, and not known to be without structured output."""
        structured = (self.capabilities or {}).get("structured_outputs") or {}
        return self.lifecycle not in {"deprecated", "retired"} and structured.get("supported") is not False


class _Offers(BaseModel):
    data: list[_Offer]


class _Block(BaseModel):
    """A piece of an answer. Other kinds than text have other fields, which nobody here reads."""

    type: str
    text: str = ""


class _Counts(BaseModel):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _Reply(BaseModel):
    """A message as far as it is read here. What is no message (a proxy's page, an empty object) does not fit."""

    model: str
    content: list[_Block]
    usage: _Counts
    stop_reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Turn:
    """One answer with what it used."""

    message: _Reply
    request_id: str | None


class AnthropicModel:
    """`integrations.models.base.Model` over the Messages API. Safe to share between threads."""

    provider = PROVIDER
    uses_tools = False

    def __init__(
        self, api_key: str, *, model: str | None = None, base_url: str | None = None, timeout: float = 60.0
    ) -> None:
        self._client = anthropic.Anthropic(api_key=api_key, base_url=base_url or None, max_retries=0)
        self._model = model or None
        self._timeout = timeout
        self._choosing = threading.Lock()
        self._stable = prompt.Stable()

    @property
    def name(self) -> str:
        return self._model or "newest"

    def answer(self, request: ModelRequest[T]) -> ModelAnswer[T]:
        """Ask, repair once, validate. Raises as `base.Model.answer` says."""
        began = time.perf_counter()
        messages: list[MessageParam] = [{"role": "user", "content": prompt.material_part(request.material)}]
        turns: list[_Turn] = []
        room = request.max_output_tokens
        while True:
            turn = self._ask(request, messages, room)
            turns.append(turn)
            if turn.message.stop_reason == "refusal":
                used = self._usage(turns, began)
                raise Refused("The model declined to answer this. A person must look.", usage=used)
            text = "".join(block.text for block in turn.message.content if block.type == "text")
            try:
                return ModelAnswer(request.output.model_validate_json(text), self._usage(turns, began))
            except ValidationError as error:
                if len(turns) > 1:
                    raise InvalidOutput(
                        f"The model's answer does not fit, also after one repair: {prompt.wrong(error)}",
                        usage=self._usage(turns, began),
                    ) from error
                if turn.message.stop_reason == "max_tokens":
                    room *= MORE_ROOM
                    continue
                messages += [
                    {"role": "assistant", "content": text.strip() or "(nothing)"},
                    {"role": "user", "content": prompt.repair(error)},
                ]

    def turn(self, request: ModelRequest[T]) -> ModelAnswer[T]:
        return self.answer(request)

    def _ask(self, request: ModelRequest[T], messages: Sequence[MessageParam], room: int) -> _Turn:
        stable = self._stable.part(request.instructions, request.macros)
        timeout = request.timeout or self._timeout
        try:
            raw = self._client.messages.with_raw_response.create(
                model=self._named(timeout),
                max_tokens=room,
                system=[{"type": "text", "text": stable, "cache_control": {"type": "ephemeral"}}],
                messages=list(messages),
                output_config={"format": {"type": "json_schema", "schema": _schema(request.output)}},
                timeout=timeout,
            )
            # Not the SDK's own message, which takes anything for an answer.
            return _Turn(_Reply.model_validate_json(raw.http_response.content), raw.headers.get("request-id"))
        except anthropic.APITimeoutError as error:
            raise Temporary(f"The model did not answer within {timeout:g} s.") from error
        except anthropic.APIConnectionError as error:
            raise Temporary("The model cannot be reached, or the connection was lost.") from error
        except anthropic.APIStatusError as error:
            raise _by_consequence(error) from error
        except (ValueError, anthropic.APIResponseValidationError) as error:
            raise Temporary("The model's service sent something that is no answer.") from error

    def _named(self, timeout: float) -> str:
        """The model's name: the setting, or the newest one that fits, asked for once."""
        if self._model is not None:
            return self._model
        # One asks and the others wait for it, but not one after the other while the service does not answer.
        if not self._choosing.acquire(timeout=timeout):
            raise Temporary(f"The model did not answer within {timeout:g} s.")
        try:
            if self._model is None:
                offers = _Offers.model_validate_json(
                    self._client.models.with_raw_response.list(limit=100, timeout=timeout).text()
                )
                fitting = [offer for offer in offers.data if offer.fits()]
                if not fitting:
                    raise Permanent(
                        "The account offers no model that fits. Set ANTHROPIC_MODEL to one that it may use."
                    )
                self._model = max(fitting, key=lambda offer: offer.created_at).id
            return self._model
        finally:
            self._choosing.release()

    def _usage(self, turns: Sequence[_Turn], began: float) -> Usage:
        last = turns[-1]
        counts = [turn.message.usage for turn in turns]
        read = sum(count.cache_read_input_tokens or 0 for count in counts)
        written = sum(count.cache_creation_input_tokens or 0 for count in counts)
        plain = sum(count.input_tokens for count in counts)
        output = sum(count.output_tokens for count in counts)
        return Usage(
            provider=self.provider,
            model=last.message.model,
            input_tokens=plain,
            output_tokens=output,
            cache_read_tokens=read,
            cache_write_tokens=written,
            latency_ms=round((time.perf_counter() - began) * 1000),
            cost_usd=price(last.message.model, plain=plain, output=output, read=read, written=written),
            request_id=last.request_id,
            stop_reason=str(last.message.stop_reason),
        )


@cache
def _schema(output: type[BaseModel]) -> dict[str, Any]:
    """The schema as the service takes it, made once for each output type."""
    return anthropic.transform_schema(output.model_json_schema())


def price(model: str, *, plain: int, output: int, read: int, written: int) -> Decimal | None:
    """US dollars by the price list of `genai_prices`, which counts cached tokens among the input; None if unlisted."""
    usage = genai_prices.Usage(
        input_tokens=plain + read + written,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
    )
    try:
        return genai_prices.calc_price(usage, model, provider_id=PROVIDER).total_price
    except LookupError:
        return None


def _by_consequence(error: anthropic.APIStatusError) -> Temporary | Permanent:
    status = error.status_code
    if status == 401:
        return Permanent("The model's service refused our key: check ANTHROPIC_API_KEY.")
    if status == 402:
        return Permanent("The model's service asks for payment: check the account's balance.")
    if status == 403:
        return Permanent("Our key may not use this model: check ANTHROPIC_MODEL and the account's rights.")
    if status == 404:
        return Permanent("The model is not known to the service: check ANTHROPIC_MODEL and ANTHROPIC_BASE_URL.")
    if status == 413:
        return Permanent("The material of this case is too long for the model.")
    if status == 429:
        return Temporary("The model's service asks us to slow down.", retry_after=_wait(error))
    if status in (408, 409) or status >= 500:
        return Temporary(f"The model's service is not available ({status}).", retry_after=_wait(error))
    said = " ".join((error.api_message or "").split())[:_LONGEST_REASON]
    return Permanent(f"The model's service refused the request ({status}){f': {said}' if said else ''}.")


def _wait(error: anthropic.APIStatusError) -> float | None:
    """The seconds of a retry-after header, where it holds seconds."""
    try:
        asked = float(error.response.headers.get("retry-after", ""))
    except ValueError:
        return None
    return asked if 0 <= asked < float("inf") else None

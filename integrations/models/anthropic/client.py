"""Anthropic's Messages API behind `base.Model`, through the official SDK. Only this folder imports `anthropic`.

The output type travels as a JSON schema (structured output) and the answer is validated by it here: a model that obeys a
stranger can still only fill in the form, or ask for a look-up. The SDK's own retries are off: waiting is the pipeline's
business, which survives a restart. Whatever the other side sends, only what `base.Model.answer` names is raised.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, Final, TypeVar, cast

import anthropic
import httpx2
from pydantic import BaseModel
from pydantic_core import to_json

from integrations.errors import Permanent, Temporary
from integrations.models import conversation, pricing, prompt
from integrations.models.anthropic import messages
from integrations.models.anthropic.options import Options
from integrations.models.anthropic.shortcut import MESSAGES, WHOLE, Shortcut
from integrations.models.anthropic.stream import Assembly
from integrations.models.base import ModelAnswer, ModelRequest, T, ToolUse
from integrations.models.chosen import Chosen
from integrations.models.connections import Shared
from integrations.models.conversation import Broken, Counts, Reply
from integrations.models.statuses import Names, consequence
from integrations.models.wire import Wire

NAMES: Final = Names("ANTHROPIC_API_KEY", "ANTHROPIC_MODEL", "ANTHROPIC_BASE_URL")

#: what the service's errors come to inside a stream, where no status is told any more
STATUSES: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}

R = TypeVar("R")


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


class _Counted(BaseModel):
    input_tokens: int


def _client(key: str, address: str | None, http: httpx2.Client, wire: Wire | None) -> anthropic.Anthropic:
    short = () if wire is None else (Shortcut(wire),)
    return anthropic.Anthropic(api_key=key, base_url=address, max_retries=0, http_client=http, middleware=short)


_CLIENTS: Final = Shared(_client, anthropic.DefaultHttpxClient)


class AnthropicModel:
    """`integrations.models.base.Model` over the Messages API. Safe to share between threads."""

    provider = messages.PROVIDER
    uses_tools = True

    def __init__(
        self,
        api_key: str,
        *,
        model: str | None = None,
        base_url: str | None = None,
        timeout: float = 60.0,
        options: Options | None = None,
    ) -> None:
        self.client = _CLIENTS.get(api_key, base_url or None)
        self._model = Chosen(model, self._newest)
        self._timeout = timeout
        self._options = options or Options()
        self._stable = prompt.Stable()

    @property
    def name(self) -> str:
        return self._model.known or "newest"

    def answer(self, request: ModelRequest[T]) -> ModelAnswer[T]:
        """Ask, repair once, validate. Raises as `base.Model.answer` says."""
        # No calls come of it where none are allowed.
        return cast(ModelAnswer[T], conversation.converse(self, request, calling=False))

    def turn(self, request: ModelRequest[T]) -> ModelAnswer[T] | ToolUse:
        """The final answer, or calls of the request's tools. Raises as `base.Model.answer` says."""
        return conversation.converse(self, request, calling=bool(request.tools))

    def count(self, request: ModelRequest[Any]) -> int:
        """The tokens that the request would put in, as the service counts them. Free of charge."""
        sent = self.params(request, [], request.max_output_tokens, calling=bool(request.tools))
        counted = {name: value for name, value in sent.items() if name != "max_tokens"}
        timeout = request.timeout or self._timeout
        raw = self.spoken(
            timeout, lambda: self.client.messages.with_raw_response.count_tokens(**counted, timeout=timeout)
        )
        return self.spoken(timeout, lambda: _Counted.model_validate_json(raw.http_response.content).input_tokens)

    # ── what `conversation` needs ──

    def ask(self, request: ModelRequest[Any], more: Sequence[Any], room: int, *, calling: bool) -> Reply:
        timeout = request.timeout or self._timeout
        sent = self.params(request, more, room, calling=calling)
        if self._options.stream:
            return self._streamed(sent, timeout)

        def asked() -> Reply:
            # Not `messages.create`: it walks the whole request twice before it writes it, and what it gives takes anything
            # for an answer. Ours is plain JSON on the way there, and read by its own type on the way back.
            answer = self.client.post(
                MESSAGES, cast_to=WHOLE, content=_written(sent), options={"timeout": timeout, "max_retries": 0}
            )
            message = messages.Message.model_validate_json(answer.read())
            return message.reply(answer.headers.get("request-id"))

        return self.spoken(timeout, asked)

    def corrected(self, request: ModelRequest[Any], reply: Reply, words: str) -> list[Any]:  # noqa: ARG002 - others need it
        return messages.corrected(reply, words)

    def resumed(self, reply: Reply) -> list[Any]:
        return [{"role": "assistant", "content": reply.native}]

    def price(self, model: str, counts: Counts) -> Decimal | None:
        return pricing.price(model, counts, provider=self.provider)

    # ── what `batches` needs too ──

    def params(self, request: ModelRequest[Any], more: Sequence[Any], room: int, *, calling: bool) -> dict[str, Any]:
        """The body of a request, the same whether it is asked now, counted or put into a batch."""
        thinking = self._options.thinking_for(request.task)
        budgeted = thinking is not None and thinking["type"] == "enabled"
        if budgeted and request.turns and not messages.thought(request.turns[-1]):
            # The service refuses a budget for a turn that began without a thought, at another provider for instance.
            thinking, budgeted = None, False
        offered = messages.tools(request.tools, request.turns) if calling or request.turns else []
        sent: dict[str, Any] = {
            "model": self._model.name(request.timeout or self._timeout),
            # What thinking takes comes out of the room for the answer, so that it gets as much more.
            "max_tokens": room + thinking["budget_tokens"] if thinking and budgeted else room,
            "system": _system(self._stable.part(request.instructions, request.macros, tools=bool(offered))),
            "messages": [
                *messages.conversation(request.material, request.turns, cached=bool(offered)),
                *more,
            ],
            "output_config": _form(cast(type[BaseModel], request.output)),
        }
        if offered:
            sent["tools"] = offered
            if not calling:
                sent["tool_choice"] = {"type": "none"}
        if thinking is not None:
            sent["thinking"] = thinking
        return sent

    def spoken(self, timeout: float, call: Callable[[], R]) -> R:
        """What `call` gives, with everything that the SDK raises named by its consequence."""
        try:
            return call()
        except anthropic.APITimeoutError as error:
            raise Temporary(f"The model did not answer within {timeout:g} s.") from error
        except anthropic.APIConnectionError as error:
            raise Temporary("The model cannot be reached, or the connection was lost.") from error
        except anthropic.APIStatusError as error:
            said = error.api_message if isinstance(error.api_message, str) else ""
            raise consequence(error.status_code, said, error.response.headers, NAMES) from error
        except (ValueError, RecursionError, anthropic.APIResponseValidationError) as error:
            raise Temporary("The model's service sent something that is no answer.") from error

    def _streamed(self, sent: Mapping[str, Any], timeout: float) -> Reply:
        """The same answer, taken as it is written. The time-out is for all of it: a stream never falls silent."""
        until = time.monotonic() + timeout
        raw = self.spoken(
            timeout, lambda: self.client.messages.with_raw_response.create(**sent, stream=True, timeout=timeout)
        )
        built, request_id = Assembly(), raw.headers.get("request-id")
        try:
            for event in _events(raw.http_response):
                built.take(event)
                if time.monotonic() > until:
                    built.late = True
                    break
            return _taken(built, request_id, timeout)
        except httpx2.TimeoutException as error:
            raise _broken(built, request_id, Temporary(f"The model did not answer within {timeout:g} s.")) from error
        except httpx2.HTTPError as error:
            raise _broken(built, request_id, Temporary("The connection to the model was lost.")) from error
        except Temporary as error:
            raise _broken(built, request_id, error) from error
        except (ValueError, RecursionError) as error:
            what = Temporary("The model's service sent something that is no answer.")
            raise _broken(built, request_id, what) from error
        finally:
            raw.http_response.close()

    def _newest(self, timeout: float) -> str:
        raw = self.spoken(timeout, lambda: self.client.models.with_raw_response.list(limit=100, timeout=timeout))
        offers = self.spoken(timeout, lambda: _Offers.model_validate_json(raw.text()))
        fitting = [offer for offer in offers.data if offer.fits()]
        if not fitting:
            raise Permanent("The account offers no model that fits. Set ANTHROPIC_MODEL to one that it may use.")
        return max(fitting, key=lambda offer: offer.created_at).id


@cache
def _form(output: type[BaseModel]) -> dict[str, Any]:
    """The form to be filled in, as the service takes it; made once for each output type, like its JSON."""
    return {
        "format": {"type": "json_schema", "schema": anthropic.transform_schema(output.model_json_schema())},
    }


@lru_cache(maxsize=prompt.MOST_STABLE)
def _system(text: str) -> list[dict[str, Any]]:
    """The stable part of a question; the same one for the same text."""
    return [{"type": "text", "text": text, "cache_control": messages.CACHED}]


#: the JSON of the two above, by their identity: most of a question is always the same
_JSON: Final[dict[int, tuple[Any, bytes]]] = {}


def _written(sent: Mapping[str, Any]) -> bytes:
    """A question's body."""
    parts = [
        b'"%b":%b' % (name.encode(), _constant(value) if name in ("system", "output_config") else to_json(value))
        for name, value in sent.items()
    ]
    return b"{%b}" % b",".join(parts)


def _constant(value: Any) -> bytes:
    known = _JSON.get(id(value))
    if known is None or known[0] is not value:
        if len(_JSON) >= 2 * prompt.MOST_STABLE:
            _JSON.clear()
        known = _JSON[id(value)] = value, to_json(value)
    return known[1]


def _events(response: httpx2.Response) -> Iterator[Mapping[str, Any]]:
    """The stream's events. Raise what an error in the middle of it means."""
    for event in anthropic.Stream.raw_events(response):
        said = event.json() if event.data else None
        if event.event == "error":
            error = said.get("error") if isinstance(said, dict) else None
            kind, words = (error.get("type"), error.get("message")) if isinstance(error, dict) else (None, None)
            raise consequence(STATUSES.get(str(kind), 500), str(words or ""), {}, NAMES)
        if isinstance(said, dict):
            yield said


def _taken(built: Assembly, request_id: str | None, timeout: float) -> Reply:
    if not built.whole and built.late:
        raise Temporary(f"The model did not answer within {timeout:g} s.")
    if not built.whole:
        raise Temporary("The model's answer broke off.")
    return messages.Message.model_validate(built.message).reply(request_id)


def _broken(built: Assembly, request_id: str | None, error: Temporary) -> Temporary:
    """The error, with what had come by then: it is paid for."""
    try:
        reply = messages.Message.model_validate(built.message).reply(request_id)
    except ValueError:
        return error
    return Broken(str(error), reply=reply, retry_after=error.retry_after)

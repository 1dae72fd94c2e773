"""Chat completions behind `base.Model`, through the official SDK. Only this folder imports `openai`.

Services that speak this API differ: what one refuses is asked for otherwise, and remembered. The answer is validated by the
output type here, whatever the service promises about it. The SDK's own retries are off: waiting is the pipeline's business,
which survives a restart. Whatever the other side sends, only what `base.Model.answer` names is raised.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar, cast

import httpx2
import openai
from pydantic import BaseModel

from integrations.errors import IntegrationError, Permanent, Temporary
from integrations.models import conversation, pricing, prompt
from integrations.models.base import ModelAnswer, ModelRequest, Refused, T, TooLong, ToolUse
from integrations.models.chosen import Chosen
from integrations.models.connections import Shared
from integrations.models.conversation import Broken, Counts, Reply
from integrations.models.openai import chat, schema
from integrations.models.openai.options import Dialect, Options
from integrations.models.openai.stream import Assembly
from integrations.models.statuses import Names, consequence
from integrations.models.wire import Wire

NAMES: Final = Names("OPENAI_API_KEY", "OPENAI_MODEL", "OPENAI_BASE_URL")

#: models that are offered beside those that answer in text
_OTHERS: Final = re.compile(
    r"embed|bge-|e5-|whisper|tts|audio|realtime|transcri|image|dall-e|sora|moderation|rerank|guard|ocr|"
    r"instruct-beta|babbage|davinci",
    re.IGNORECASE,
)

#: so often a request is put otherwise: each form of answer, the room's name, the counts in streams
_MOST_FORMS: Final = 5

R = TypeVar("R")


class _Offer(BaseModel):
    id: str


class _Offers(BaseModel):
    data: list[_Offer]


class Refusal(Exception):
    """A refusal, before anybody decided what it means."""

    def __init__(self, status: int, body: object, headers: Mapping[str, str]) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        told = body if isinstance(body, dict) else {}
        self.code = str(told.get("code") or told.get("type") or "")
        self.said = told["message"] if isinstance(told.get("message"), str) else ""
        self.all = json.dumps(told or str(body), default=str)[:4000]

    def meaning(self) -> IntegrationError:
        if self.code == "insufficient_quota":
            return consequence(402, self.said, self.headers, NAMES)
        if self.code == "content_filter":
            return Refused("The model's service declined to have this answered. A person must look.")
        if self.code == "context_length_exceeded":
            return TooLong("The material of this case is too long for the model.")
        return consequence(self.status, self.said, self.headers, NAMES)


def connected(key: str, address: str | None, http: httpx2.Client, _wire: Wire | None) -> openai.OpenAI:
    return openai.OpenAI(api_key=key, base_url=address, max_retries=0, http_client=http)


CLIENTS: Final = Shared(connected, openai.DefaultHttpxClient)


class OpenAIModel:
    """`integrations.models.base.Model` over chat completions. Safe to share between threads."""

    provider = chat.PROVIDER

    def __init__(
        self,
        api_key: str,
        *,
        model: str | None = None,
        base_url: str | None = None,
        timeout: float = 60.0,
        options: Options | None = None,
    ) -> None:
        self._client = CLIENTS.get(api_key, base_url or None)
        self._model = Chosen(model, self._first)
        self._timeout = timeout
        self._options = options or Options()
        self._address = base_url or None
        self._dialect = Dialect(self._options, own=not base_url or "//api.openai.com" in base_url)
        self._stable = prompt.Stable()

    @property
    def name(self) -> str:
        return self._model.known or "first"

    @property
    def uses_tools(self) -> bool:
        """Until the service says that this model has none."""
        return self._dialect.tools

    def answer(self, request: ModelRequest[T]) -> ModelAnswer[T]:
        """Ask, repair once, validate. Raises as `base.Model.answer` says."""
        # No calls come of it where none are allowed.
        return cast(ModelAnswer[T], conversation.converse(self, request, calling=False))

    def turn(self, request: ModelRequest[T]) -> ModelAnswer[T] | ToolUse:
        """The final answer, or calls of the request's tools. Raises as `base.Model.answer` says."""
        return conversation.converse(self, request, calling=bool(request.tools))

    # ── what `conversation` needs ──

    def ask(self, request: ModelRequest[Any], more: Sequence[Any], room: int, *, calling: bool) -> Reply:
        timeout = request.timeout or self._timeout
        turn = len(request.turns)
        for _ in range(_MOST_FORMS):
            sent = self._params(request, more, room, calling=calling)
            try:
                return self._streamed(sent, timeout, turn) if self._options.stream else self._asked(sent, timeout, turn)
            except Refusal as refused:
                if refused.status in (400, 422) and self._dialect.learn(refused.all, sent, calling=calling):
                    continue
                raise refused.meaning() from refused
        raise Permanent("The model's service takes the request in no form that we know.")

    def corrected(self, request: ModelRequest[Any], reply: Reply, words: str) -> list[Any]:
        calling = bool(request.tools) and self._dialect.tools
        if self._dialect.structured(calling=calling) == "json_schema":
            # A service that passes over what it does not know has not told the model of the schema.
            words = f"{words}\n\n{_told(request.output)}"
        return chat.corrected(reply, words)

    def resumed(self, reply: Reply) -> list[Any]:
        return [{"role": "assistant", "content": reply.text}]

    def price(self, model: str, counts: Counts) -> Decimal | None:
        if self._address is None:
            return pricing.price(model, counts, provider=self.provider)
        return pricing.price(model, counts, address=self._address)

    def _params(self, request: ModelRequest[Any], more: Sequence[Any], room: int, *, calling: bool) -> dict[str, Any]:
        calling = calling and self._dialect.tools
        level = self._dialect.structured(calling=calling)
        system = self._stable.part(request.instructions, request.macros, tools=calling)
        if level != "json_schema":
            system = f"{system}\n\n{_told(request.output)}"
        sent: dict[str, Any] = {
            "model": self._model.name(request.timeout or self._timeout),
            "messages": [*chat.conversation(system, request.material, request.turns), *more],
            self._dialect.room: room,
        }
        if level == "json_schema":
            sent["response_format"] = schema.response_format(cast(Any, request.output))
        elif level == "json_object":
            sent["response_format"] = {"type": "json_object"}
        if calling:
            sent["tools"] = chat.tools(request.tools)
        if self._options.stream and self._dialect.counts_in_streams:
            sent["stream_options"] = {"include_usage": True}
        return sent

    def _asked(self, sent: Mapping[str, Any], timeout: float, turn: int) -> Reply:
        def asked() -> Reply:
            raw = self._client.chat.completions.with_raw_response.create(**sent, timeout=timeout)
            content = raw.http_response.content
            try:
                completion = chat.Completion.model_validate_json(content)
            except ValueError:
                _refuse_if_told(_json(content))
                raise
            return completion.reply(raw.headers.get("x-request-id"), str(sent["model"]), turn)

        return spoken(timeout, asked)

    def _streamed(self, sent: Mapping[str, Any], timeout: float, turn: int) -> Reply:
        """The same answer, taken as it is written. The time-out is for all of it."""
        until = time.monotonic() + timeout
        built = Assembly()
        raw = spoken(
            timeout,
            lambda: self._client.chat.completions.with_raw_response.create(**sent, stream=True, timeout=timeout),
        )

        def put_together() -> Reply:
            completion = chat.Completion.model_validate(built.completion())
            return completion.reply(raw.headers.get("x-request-id"), str(sent["model"]), turn)

        try:
            spoken(timeout, lambda: _hear(raw.parse(to=openai.Stream[object]), built, until))
            _end(built, timeout)
            return spoken(timeout, put_together)
        except (Temporary, Refusal) as error:
            meaning = error.meaning() if isinstance(error, Refusal) else error
            if isinstance(meaning, Temporary) and built.begun:
                meaning = _broken(meaning, put_together)
            raise meaning from error.__cause__
        finally:
            raw.http_response.close()

    def _first(self, timeout: float) -> str:
        try:
            raw = spoken(timeout, lambda: self._client.models.with_raw_response.list(timeout=timeout))
        except Refusal as refused:
            raise refused.meaning() from refused
        offers = spoken(timeout, lambda: _Offers.model_validate_json(raw.http_response.content))
        name = next((offer.id for offer in offers.data if not _OTHERS.search(offer.id)), None)
        if name is None:
            raise Permanent("The service offers no model that answers in text. Set OPENAI_MODEL.")
        return name


def spoken(timeout: float, call: Callable[[], R]) -> R:
    """What `call` gives. What the SDK raises is named by its consequence, but for refusals, which come as `Refusal`."""
    try:
        return call()
    except openai.APITimeoutError as error:
        raise Temporary(f"The model did not answer within {timeout:g} s.") from error
    except openai.APIConnectionError as error:
        raise Temporary("The model cannot be reached, or the connection was lost.") from error
    except openai.APIStatusError as error:
        raise Refusal(error.status_code, error.body, error.response.headers) from error
    except (ValueError, RecursionError, openai.APIResponseValidationError) as error:
        raise Temporary("The model's service sent something that is no answer.") from error
    except openai.APIError as error:
        # An error in the middle of a stream, whose status was told long before.
        raise Refusal(_status_of(error.body), error.body, {}) from error


def _hear(chunks: Iterable[object], built: Assembly, until: float) -> None:
    for chunk in chunks:
        if isinstance(chunk, dict):
            built.take(chunk)
        if time.monotonic() > until:
            built.late = True
            break


def _end(built: Assembly, timeout: float) -> None:
    if not built.whole:
        raise Temporary(
            f"The model did not answer within {timeout:g} s." if built.late else "The model's answer broke off."
        )


def _broken(error: Temporary, put_together: Callable[[], Reply]) -> Temporary:
    """The error, with what had come by then: it is paid for."""
    try:
        return Broken(str(error), reply=put_together(), retry_after=error.retry_after)
    except ValueError:
        return error


def _told(output: type[BaseModel]) -> str:
    return f"The JSON schema of the answer:\n{json.dumps(output.model_json_schema(), ensure_ascii=False)}"


def _refuse_if_told(body: Any) -> None:
    """Some gateways tell an error with status 200."""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        raise Refusal(_status_of(error), error, {})


def _status_of(error: object) -> int:
    """The status in an error's body; one that says nothing of it is the service's own trouble."""
    code = error.get("code") if isinstance(error, dict) else None
    number = int(code) if isinstance(code, int | str) and str(code).isdecimal() else 500
    return number if 400 <= number < 600 else 500


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None

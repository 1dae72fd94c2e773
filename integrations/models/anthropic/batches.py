"""Questions that can wait, many at once and at the batch price: submitted now, collected within a day.

Evaluations and what runs at night use it. Nobody is asked twice here: an answer that does not fit is told as such, and
whoever submitted it may ask the model directly. A batch is collected whole or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Literal, cast

import anthropic
import httpx2
from pydantic import BaseModel

from integrations.errors import IntegrationError, Temporary
from integrations.models import pricing
from integrations.models.anthropic.client import NAMES, STATUSES, AnthropicModel
from integrations.models.anthropic.messages import Message
from integrations.models.base import ModelAnswer, ModelRequest, ToolUse
from integrations.models.conversation import Counts, finished
from integrations.models.statuses import consequence

#: what the service takes as the name of a request
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")

#: answers by which the service says that it has taken nothing; any other may come after it has
_NOT_TAKEN: Final = frozenset({408, 425, 429, 503, 529})

#: What became of one request: its answer, or why there is none. An `Unanswered` says what it cost.
Result = ModelAnswer[Any] | ToolUse | IntegrationError


class _Batch(BaseModel):
    id: str
    processing_status: Literal["in_progress", "canceling", "ended"]


class _Error(BaseModel):
    type: str = ""
    message: str = ""


class _Errored(BaseModel):
    error: _Error


class _Outcome(BaseModel):
    type: Literal["succeeded", "errored", "canceled", "expired"]
    message: dict[str, Any] | None = None
    error: _Errored | _Error | None = None


class _Line(BaseModel):
    custom_id: str
    result: _Outcome


class _AtBatchPrice:
    provider = AnthropicModel.provider

    def price(self, model: str, counts: Counts) -> Decimal | None:
        return pricing.price(model, counts, provider=self.provider, batch=True)


class Batches:
    """Batches of one model. Safe to share between threads."""

    def __init__(self, model: AnthropicModel, *, timeout: float = 60.0) -> None:
        self._model = model
        self._timeout = timeout

    def submit(self, requests: Mapping[str, ModelRequest[Any]]) -> str:
        """Hand in requests by names of one's own; the batch's id comes back. Raise `Temporary` or `Permanent`.

        After a `Temporary` that says `maybe_done` the batch may have been taken, and will be paid for.
        """
        wrong = [name for name in requests if not _NAME.fullmatch(name)]
        if wrong or not requests:
            raise ValueError(f"requests need names of up to 64 letters, digits, _ and -: {wrong[:3]}")
        asked = [
            {
                "custom_id": name,
                "params": self._model.params(request, [], request.max_output_tokens, calling=bool(request.tools)),
            }
            for name, request in requests.items()
        ]

        def submitted() -> str:
            raw = self._model.client.messages.batches.with_raw_response.create(
                requests=cast(Any, asked), timeout=self._timeout
            )
            return _Batch.model_validate_json(raw.http_response.content).id

        try:
            return self._model.spoken(self._timeout, submitted)
        except Temporary as error:
            told = error.__cause__
            error.maybe_done = not isinstance(told, anthropic.APIStatusError) or told.status_code not in _NOT_TAKEN
            raise

    def poll(self, batch: str, requests: Mapping[str, ModelRequest[Any]]) -> Mapping[str, Result] | None:
        """What became of each request, by its name; None while the batch is worked on. Raise `Temporary` or `Permanent`.

        `requests` are those that were submitted: their output types read the answers. One that the service lost is a
        `Temporary`: ask it again.
        """
        raw = self._model.spoken(
            self._timeout,
            lambda: self._model.client.messages.batches.with_raw_response.retrieve(batch, timeout=self._timeout),
        )
        state = self._model.spoken(self._timeout, lambda: _Batch.model_validate_json(raw.http_response.content))
        if state.processing_status != "ended":
            return None
        lines = self._lines(batch)
        return {name: _result(request, lines.get(name)) for name, request in requests.items()}

    def cancel(self, batch: str) -> None:
        """Stop what was not begun; `poll` tells which. Raise `Temporary` or `Permanent`."""
        self._model.spoken(
            self._timeout, lambda: self._model.client.messages.batches.cancel(batch, timeout=self._timeout)
        )

    def _lines(self, batch: str) -> dict[str, _Outcome]:
        # By our own address, not by the one in the answer: the key goes nowhere else, and a gateway stays in between.
        response = self._model.spoken(
            self._timeout,
            lambda: self._model.client.get(
                f"/v1/messages/batches/{batch}/results",
                cast_to=httpx2.Response,
                options={"timeout": self._timeout},
            ),
        )
        lines = self._model.spoken(
            self._timeout,
            lambda: [_Line.model_validate_json(line) for line in response.content.splitlines() if line.strip()],
        )
        return {line.custom_id: line.result for line in lines}


def _result(request: ModelRequest[Any], outcome: _Outcome | None) -> Result:
    try:
        return _read(request, outcome)
    except IntegrationError as error:
        return error


def _read(request: ModelRequest[Any], outcome: _Outcome | None) -> ModelAnswer[Any] | ToolUse:
    if outcome is None:
        raise Temporary("The batch lost this request.")
    if outcome.type == "errored":
        told = outcome.error.error if isinstance(outcome.error, _Errored) else outcome.error or _Error()
        raise consequence(STATUSES.get(told.type, 500), told.message, {}, NAMES)
    if outcome.type != "succeeded":
        raise Temporary("The batch ended before this request was begun.")
    try:
        reply = Message.model_validate(outcome.message).reply(None)
    except ValueError as error:
        raise Temporary("The model's service sent something that is no answer.") from error
    return finished(_AtBatchPrice(), request, reply, calling=bool(request.tools))

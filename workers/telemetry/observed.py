"""A model that is watched: each call is a span and is counted, whichever model serves. Wired once per process."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel

from integrations.errors import IntegrationError
from integrations.models.base import Model, ModelAnswer, ModelRequest, Unanswered
from workers.telemetry import metrics, traces

T = TypeVar("T", bound=BaseModel)


class ObservedModel:
    """Speaks `Model` and passes everything on as it is."""

    def __init__(self, model: Model) -> None:
        self._model = model

    @property
    def provider(self) -> str:
        return self._model.provider

    @property
    def name(self) -> str:
        return self._model.name

    def answer(self, request: ModelRequest[T]) -> ModelAnswer[T]:
        with traces.model(request.task, self.provider, self.name) as span:
            try:
                answer = self._model.answer(request)
            except Unanswered as error:
                if error.usage is None:
                    metrics.model_failed(self.provider, self.name, type(error).__name__)
                else:
                    metrics.model_call(error.usage, type(error).__name__)
                    traces.used(span, error.usage)
                raise
            except IntegrationError as error:
                metrics.model_failed(self.provider, self.name, type(error).__name__)
                raise
            metrics.model_call(answer.usage)
            traces.used(span, answer.usage)
            return answer

"""What is watched as a whole: a model, each call a span and counted, whichever model serves; and a step of a case.

`wiring` puts `ObservedModel` around the model, once per process; the pipeline runs each step inside of `step`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, TypeVar

from pydantic import BaseModel

from integrations.errors import IntegrationError
from integrations.models.base import Model, ModelAnswer, ModelRequest, ToolUse, Usage
from integrations.models.failures import paid
from workers.telemetry import metrics, traces

T = TypeVar("T", bound=BaseModel)
A = TypeVar("A", bound=ModelAnswer[Any] | ToolUse)


class ObservedModel:
    """Speaks `Model` and passes everything on as it is. With `failures` false they are counted by the model itself, which
    knows who of many failed (`metrics.model_gave_nothing`)."""

    def __init__(self, model: Model, *, failures: bool = True) -> None:
        self._model = model
        self._failures = failures

    @property
    def provider(self) -> str:
        return self._model.provider

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def uses_tools(self) -> bool:
        return self._model.uses_tools

    def answer(self, request: ModelRequest[T]) -> ModelAnswer[T]:
        return self._watched(request, self._model.answer)

    def turn(self, request: ModelRequest[T]) -> ModelAnswer[T] | ToolUse:
        return self._watched(request, self._model.turn)

    def _watched(self, request: ModelRequest[T], ask: Callable[[ModelRequest[T]], A]) -> A:
        with traces.model(request.task, self.provider, self.name) as span:
            try:
                answer = ask(request)
            except IntegrationError as error:
                used = paid(error)
                if self._failures:
                    self._count(used, type(error).__name__)
                if used:
                    traces.used(span, used[-1])
                raise
            metrics.model_call(answer.usage)
            traces.used(span, answer.usage)
            return answer

    def _count(self, used: Sequence[Usage], outcome: str) -> None:
        for usage in used:
            metrics.model_call(usage, outcome)
        if not used:
            metrics.model_failed(self.provider, self.name, outcome)


class step:  # noqa: N801 - used as a function: `with observed.step(case.domain, case.step, case.id, case.round):`
    """A step of a case: a span of its trace, and counted with its time once it was committed."""

    __slots__ = ("_began", "_domain", "_name", "_span")

    def __init__(self, domain: str, name: str, case_id: str, number: int) -> None:
        self._domain = domain
        self._name = name
        self._span = traces.span(name, case_id=case_id, round=number)
        self._began = time.perf_counter()

    def __enter__(self) -> None:
        self._span.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._span.__exit__(kind, error, trace)
        if kind is None:
            metrics.step(self._domain, self._name, time.perf_counter() - self._began)

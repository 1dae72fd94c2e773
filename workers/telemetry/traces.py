"""Traces from the webhook to the effect, off unless `CASEWORKER_TRACES` turns them on.

A message of the queue holds an id and nothing else, so no trace context travels with it. Instead the trace's id is made
from the case's id, the same in every process: whatever is done for a case joins its trace. Called by every stage; off, a
span costs a fraction of a microsecond. A span holds ids, names, kinds and counts, never what somebody wrote.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import import_module
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from integrations.models.base import Usage

Value = str | int | float | bool
Mode = Literal["off", "otlp", "console"]


class Span(Protocol):
    """What a `with` block may say of itself."""

    def note(self, attributes: Mapping[str, Value]) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Exporter(Protocol):
    """The part that knows OpenTelemetry (`workers.telemetry.otel`), loaded when traces are on."""

    def span(self, name: str, case_id: str, kind: str, attributes: Mapping[str, Value]) -> Span: ...

    def received(self, case_id: str, began_ns: int, *, opened: bool, attributes: Mapping[str, Value]) -> None: ...

    def close(self) -> None: ...


class _Off:
    """The span of a system without traces: one object, used again and again."""

    __slots__ = ()

    def note(self, attributes: Mapping[str, Value]) -> None:
        """Nobody listens."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


_OFF = _Off()
_exporter: Exporter | None = None


def configure(mode: Mode, *, process: str, worker: str) -> None:
    """Turn traces on or off for this process. The exporter's address and headers are OpenTelemetry's own variables."""
    global _exporter  # noqa: PLW0603 - once per process, at its start
    close()
    if mode == "off":
        return
    otel: Any = import_module("workers.telemetry.otel")
    _exporter = otel.exporter(mode, process=process, worker=worker)


def close() -> None:
    """Send what waits, and be off."""
    global _exporter
    closing, _exporter = _exporter, None
    if closing is not None:
        closing.close()


def on() -> bool:
    """Whether it is worth preparing what a span would say."""
    return _exporter is not None


def span(name: str, *, case_id: str = "", **attributes: Value) -> Span:
    """A block of work. With a case's id it joins the case's trace, inside of another span it is its child."""
    if _exporter is None:
        return _OFF
    return _exporter.span(name, case_id, "internal", _ours(attributes))


def outside(name: str, **attributes: Value) -> Span:
    """A call to a connected system, inside of the span that makes it."""
    if _exporter is None:
        return _OFF
    return _exporter.span(name, "", "client", _ours(attributes))


def model(task: str, provider: str, model_name: str) -> Span:
    """A call to a model, in the words of OpenTelemetry for generative models. `used` adds what it cost."""
    if _exporter is None:
        return _OFF
    known: dict[str, Value] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model_name,
        "caseworker.task": task,
    }
    return _exporter.span(f"chat {model_name}", "", "client", known)


def used(span: Span, usage: Usage) -> None:
    """What a model's answer used, onto the span of the call."""
    if _exporter is None:
        return
    found: dict[str, Value] = {
        "gen_ai.response.model": usage.model,
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read_tokens,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
        "gen_ai.response.finish_reasons": usage.stop_reason,
    }
    if usage.request_id:
        found["gen_ai.response.id"] = usage.request_id
    if usage.cost_usd is not None:
        found["caseworker.cost_usd"] = float(usage.cost_usd)
    span.note(found)


def received(case_id: str, began_ns: int, *, opened: bool, **attributes: Value) -> None:
    """An event came in and is committed; only now is it known for which case. The first one is its trace's root.

    `began_ns` is `time.time_ns()` from when the request came.
    """
    if _exporter is not None:
        _exporter.received(case_id, began_ns, opened=opened, attributes=_ours(attributes))


def identifiers(case_id: str) -> tuple[int, int]:
    """The trace's id and that of its root span: the same for a case in every process, and never zero."""
    digest = hashlib.sha256(case_id.encode()).digest()
    return int.from_bytes(digest[:16]) or 1, int.from_bytes(digest[16:24]) or 1


def _ours(attributes: Mapping[str, Value]) -> dict[str, Value]:
    return {f"caseworker.{name}": value for name, value in attributes.items()}

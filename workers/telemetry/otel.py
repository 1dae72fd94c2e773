"""Traces by OpenTelemetry: the one importer of its SDK. Loaded by `traces.configure`, only where traces are on.

Where spans go is said by OpenTelemetry's own variables (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_TRACES_SAMPLER`, …). Exceptions are
named by their class: their text may quote what a stranger wrote.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from types import TracebackType
from typing import Self

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from workers.telemetry.traces import Value, identifiers

_KINDS = {"internal": SpanKind.INTERNAL, "client": SpanKind.CLIENT, "server": SpanKind.SERVER}
_LONGEST = 200
#: the span of an event that came in; the first one of a case is the root of its trace
ROOT = "receive"

#: the ids that the next root span takes: those of its case
_root: ContextVar[tuple[int, int] | None] = ContextVar("caseworker_root", default=None)


def exporter(mode: str, *, process: str, worker: str) -> Tracing:
    """Spans to an OTLP collector, or to the error output as JSON."""
    if mode == "otlp":
        return Tracing(OTLPSpanExporter(), process=process, worker=worker)
    return Tracing(ConsoleSpanExporter(out=sys.stderr), process=process, worker=worker, batched=False)


class Tracing:
    """What `workers.telemetry.traces` hands spans to."""

    def __init__(self, exporter: SpanExporter, *, process: str, worker: str, batched: bool = True) -> None:
        about = {"service.instance.id": worker, "caseworker.process": process}
        if "OTEL_SERVICE_NAME" not in os.environ:
            about["service.name"] = "caseworker"
        self._provider = TracerProvider(resource=Resource.create(about), id_generator=_CaseIds())
        self._provider.add_span_processor(BatchSpanProcessor(exporter) if batched else SimpleSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("caseworker")

    def span(self, name: str, case_id: str, kind: str, attributes: Mapping[str, Value]) -> _Block:
        known = {**attributes, "caseworker.case_id": case_id} if case_id else attributes
        return _Block(
            self._tracer.start_as_current_span(
                name,
                context=self._context(case_id),
                kind=_KINDS[kind],
                attributes=_short(known),
                record_exception=False,
                set_status_on_exception=False,
            )
        )

    def received(self, case_id: str, began_ns: int, *, opened: bool, attributes: Mapping[str, Value]) -> None:
        token = _root.set(identifiers(case_id) if opened else None)
        try:
            span = self._tracer.start_span(
                ROOT,
                context=Context() if opened else self._context(case_id),
                kind=SpanKind.SERVER,
                attributes=_short({**attributes, "caseworker.case_id": case_id}),
                start_time=began_ns,
            )
        finally:
            _root.reset(token)
        span.end()

    def close(self) -> None:
        self._provider.shutdown()

    def _context(self, case_id: str) -> Context | None:
        """Below the span that is open here, if it is of the same case; else right below the case's first one."""
        if not case_id:
            return None
        trace_id, span_id = identifiers(case_id)
        if trace.get_current_span().get_span_context().trace_id == trace_id:
            return None
        # No message tells whether the first one was sampled, and a sampler may go by that: it says the same again.
        said = self._provider.sampler.should_sample(Context(), trace_id, ROOT)
        flags = TraceFlags.SAMPLED if said.decision is Decision.RECORD_AND_SAMPLE else TraceFlags.DEFAULT
        root = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
        return trace.set_span_in_context(NonRecordingSpan(root), Context())


class _Block:
    """A span as a `with` block."""

    def __init__(self, span: AbstractContextManager[trace.Span]) -> None:
        self._entering = span
        self._span: trace.Span = trace.INVALID_SPAN

    def __enter__(self) -> Self:
        self._span = self._entering.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._span.set_attribute("error.type", kind.__name__)
            self._span.set_status(Status(StatusCode.ERROR))
        self._entering.__exit__(kind, error, trace)

    def note(self, attributes: Mapping[str, Value]) -> None:
        self._span.set_attributes(_short(attributes))


class _CaseIds(RandomIdGenerator):
    """Random ids, but for the first span of a case."""

    def generate_trace_id(self) -> int:
        given = _root.get()
        return given[0] if given else super().generate_trace_id()

    def generate_span_id(self) -> int:
        given = _root.get()
        return given[1] if given else super().generate_span_id()


def _short(attributes: Mapping[str, Value]) -> dict[str, Value]:
    return {name: value[:_LONGEST] if isinstance(value, str) else value for name, value in attributes.items()}

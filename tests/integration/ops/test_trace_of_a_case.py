"""One trace from the webhook to the effect, over every stage, with nothing in it that a person wrote."""

from __future__ import annotations

from dataclasses import replace

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.kit.engine import make_engine
from workers.store.records import ActionState
from workers.telemetry import metrics, otel, traces
from workers.telemetry.observed import ObservedModel

TEXT = "My kettle broke and my name is Wilhelmina Featherstonehaugh"


@pytest.fixture
def spans(monkeypatch):
    kept = InMemorySpanExporter()
    tracing = otel.Tracing(kept, process="worker", worker="host:1", batched=False)
    monkeypatch.setattr(traces, "_exporter", tracing)

    yield kept.get_finished_spans

    tracing.close()


@pytest.fixture
def engine(tmp_path):
    made = make_engine(tmp_path)
    made.system = replace(made.system, model=ObservedModel(made.system.model))
    yield made
    made.system.close()


def approve_all(engine):
    for action in engine.actions():
        if action.state == ActionState.PENDING:
            engine.decide(action)


def test_a_case_is_one_trace_from_the_webhook_to_the_effect(engine, spans):
    engine.person("ana")
    (case_id,) = engine.event(text=TEXT).cases
    engine.drain()
    approve_all(engine)
    engine.drain()

    found = spans()
    names = [span.name for span in found]
    trace_id, root = traces.identifiers(case_id)
    assert {span.context.trace_id for span in found} == {trace_id}
    assert {"receive", "advance", "triage", "gather", "read ticket", "draft", "policy", "execute", "write"} <= set(
        names
    )
    assert names.count("chat script-1") == 2
    known = {span.context.span_id for span in found}
    assert all(span.parent is None or span.parent.span_id in known for span in found)
    assert [span.context.span_id for span in found if span.parent is None] == [root]
    assert "Featherstonehaugh" not in "".join(span.to_json() for span in found)


def test_what_was_done_for_a_case_is_counted(engine):
    done = {"kind": "refund_payment", "outcome": "done"}
    step = {"domain": "support", "step": "draft"}
    came = {"door": "test", "result": "duplicate"}

    def counted():
        value = metrics.REGISTRY.get_sample_value
        return [
            value("caseworker_actions_total", done) or 0,
            value("caseworker_step_seconds_count", step) or 0,
            value("caseworker_events_total", came) or 0,
        ]

    before = counted()
    engine.person("ana")
    engine.event()
    engine.event()
    engine.drain()
    approve_all(engine)
    engine.drain()

    assert [after - earlier for after, earlier in zip(counted(), before, strict=True)] == [1, 1, 1]

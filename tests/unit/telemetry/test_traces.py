"""All that is done for a case is one trace, in whatever process; off, nothing is made; no stranger's word is in it."""

from __future__ import annotations

import time

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from integrations.errors import Permanent
from integrations.models.base import ModelAnswer
from tests.unit.telemetry.model_calls import REQUEST, Model, usage
from workers.telemetry import metrics, otel, traces
from workers.telemetry.observed import ObservedModel, step


@pytest.fixture
def spans(monkeypatch):
    """Traces on, to a list; `spans()` gives those that ended, by name."""
    kept = InMemorySpanExporter()
    tracing = otel.Tracing(kept, process="worker", worker="host:1", batched=False)
    monkeypatch.setattr(traces, "_exporter", tracing)

    yield lambda: {span.name: span for span in kept.get_finished_spans()}

    tracing.close()


@pytest.mark.parametrize("sampler", ["traceidratio", "parentbased_traceidratio"])
def test_a_share_is_of_whole_cases(monkeypatch, sampler):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.3")
    kept = InMemorySpanExporter()
    door, worker = (otel.Tracing(kept, process=name, worker="host:1", batched=False) for name in ("web", "worker"))

    for number in range(50):
        door.received(f"case_{number}", time.time_ns(), opened=True, attributes={})
        with worker.span("triage", f"case_{number}", "internal", {}):
            pass
    door.close()
    worker.close()

    cases = {
        name: {span.context.trace_id for span in kept.get_finished_spans() if span.name == name}
        for name in ("receive", "triage")
    }
    assert cases["receive"] == cases["triage"]
    assert 0 < len(cases["receive"]) < 50


def test_off_a_span_is_one_object_that_does_nothing():
    assert not traces.on()
    with traces.span("triage", case_id="case_1", round=1) as span:
        span.note({"a": 1})

    assert traces.span("draft", case_id="case_2") is span
    assert traces.outside("read") is span


def test_two_processes_make_the_same_trace_of_a_case(spans):
    traces.received("case_1", time.time_ns(), opened=True, event_id="evt_1")
    with traces.span("triage", case_id="case_1", round=1):
        pass
    # another worker, later
    with traces.span("draft", case_id="case_1", round=1):
        pass

    found = spans()
    trace_id, root = traces.identifiers("case_1")
    assert {span.context.trace_id for span in found.values()} == {trace_id}
    assert found["receive"].context.span_id == root
    assert found["receive"].parent is None
    assert found["triage"].parent.span_id == found["draft"].parent.span_id == root


def test_a_second_event_joins_the_trace_of_its_case(spans):
    traces.received("case_1", time.time_ns(), opened=False, event_id="evt_2")

    assert spans()["receive"].parent.span_id == traces.identifiers("case_1")[1]
    assert spans()["receive"].context.span_id != traces.identifiers("case_1")[1]


def test_what_is_done_inside_of_a_step_is_below_it(spans):
    with traces.span("gather", case_id="case_1"), traces.outside("read orders", system="shop"):
        pass
    with traces.span("execute", case_id="case_1"), traces.span("policy", case_id="case_1"):
        pass

    found = spans()
    assert found["read orders"].parent.span_id == found["gather"].context.span_id
    assert found["policy"].parent.span_id == found["execute"].context.span_id


def test_work_for_another_case_is_not_put_below_this_one(spans):
    with traces.span("advance", case_id="case_1"), traces.span("policy", case_id="case_2"):
        pass

    assert spans()["policy"].context.trace_id == traces.identifiers("case_2")[0]


def test_a_model_call_speaks_the_words_for_generative_models(spans):
    with traces.span("triage", case_id="case_1"):
        ObservedModel(Model(ModelAnswer(output=object(), usage=usage(model="m-2-0101", request_id="req_1")))).answer(
            REQUEST
        )

    call = spans()["chat m-2"]
    assert call.parent.span_id == spans()["triage"].context.span_id
    assert dict(call.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "m-2",
        "gen_ai.response.model": "m-2-0101",
        "gen_ai.response.id": "req_1",
        "gen_ai.response.finish_reasons": "end_turn",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.usage.cache_creation.input_tokens": 0,
        "caseworker.task": "triage",
        "caseworker.cost_usd": 0.0125,
    }


def test_an_error_is_named_by_its_class_and_its_words_stay_out(spans):
    with pytest.raises(Permanent), traces.span("draft", case_id="case_1"):
        raise Permanent("Ana wrote: my card number is 4242")

    failed = spans()["draft"]
    assert failed.attributes["error.type"] == "Permanent"
    assert "4242" not in failed.to_json()


def test_a_long_name_is_cut(spans):
    with traces.span("gather", case_id="case_1", subject="x" * 10_000):
        pass

    assert len(spans()["gather"].attributes["caseworker.subject"]) == 200


def test_configuring_turns_it_on_and_closing_off_again(capfd, monkeypatch):
    monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)
    traces.configure("console", process="worker", worker="host:1")
    assert traces.on()
    with traces.span("triage", case_id="case_1"):
        pass
    traces.close()

    assert not traces.on()
    said = capfd.readouterr().err
    assert '"service.name": "caseworker"' in said
    assert '"caseworker.case_id": "case_1"' in said


def test_a_step_is_a_span_and_is_counted_only_if_it_was_committed(spans):
    def counted():
        return metrics.REGISTRY.get_sample_value(
            "caseworker_step_seconds_count", {"domain": "support", "step": "gather"}
        )

    with step("support", "gather", "case_1", 2):
        pass
    before = counted()
    with pytest.raises(Permanent), step("support", "gather", "case_1", 3):
        raise Permanent("refused")

    assert before >= 1
    assert counted() == before
    assert spans()["gather"].attributes["caseworker.round"] == 3

"""What happens is counted under names of ours, and the text is what Prometheus reads."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from integrations.errors import Temporary
from integrations.models.base import InvalidOutput, ModelAnswer
from tests.unit.telemetry.model_calls import REQUEST, Model, usage
from workers.telemetry import metrics, serving
from workers.telemetry.observed import ObservedModel
from workers.telemetry.requests import Measured, door_of
from workers.telemetry.serving import Numbers, Spread


def value(name, **labels):
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.fixture
def gained():
    """By how much a number has grown since the test began."""
    before = {}

    def gain(name, **labels):
        return value(name, **labels) - before.get((name, *sorted(labels.items())), 0.0)

    def remember(name, **labels):
        before[(name, *sorted(labels.items()))] = value(name, **labels)

    gain.since = remember
    return gain


def test_a_model_call_counts_its_tokens_its_time_and_its_cost(gained):
    who = {"provider": "anthropic", "model": "m-1"}
    gained.since("caseworker_model_calls_total", **who, outcome="ok")
    gained.since("caseworker_model_cost_usd_total", **who)
    gained.since("caseworker_model_tokens_total", **who, kind="input")
    gained.since("caseworker_model_call_seconds_sum", **who)

    metrics.model_call(usage())

    assert gained("caseworker_model_calls_total", **who, outcome="ok") == 1
    assert gained("caseworker_model_cost_usd_total", **who) == pytest.approx(0.0125)
    assert gained("caseworker_model_tokens_total", **who, kind="input") == 100
    assert gained("caseworker_model_call_seconds_sum", **who) == pytest.approx(0.25)


def test_an_unknown_price_is_no_price_of_zero():
    metrics.model_call(usage(model="unpriced", cost_usd=None))

    assert (
        metrics.REGISTRY.get_sample_value(
            "caseworker_model_cost_usd_total", {"provider": "anthropic", "model": "unpriced"}
        )
        is None
    )


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Temporary("overloaded"), "Temporary"),
        (InvalidOutput("no JSON", usage=usage(model="m-2")), "InvalidOutput"),
        (InvalidOutput("no JSON"), "InvalidOutput"),
    ],
)
def test_a_watched_model_fails_as_it_did_and_the_failure_is_counted(gained, error, outcome):
    labels = {"provider": "anthropic", "model": "m-2", "outcome": outcome}
    gained.since("caseworker_model_calls_total", **labels)

    with pytest.raises(type(error)) as raised:
        ObservedModel(Model(error)).answer(REQUEST)

    assert raised.value is error
    assert gained("caseworker_model_calls_total", **labels) == 1


def test_a_watched_model_answers_as_it_did():
    answer = ModelAnswer(output=object(), usage=usage(model="m-2"))

    assert ObservedModel(Model(answer)).answer(REQUEST) is answer


def test_a_call_outside_is_timed_under_how_it_ended(gained):
    fine = {"system": "stripe", "call": "refund", "outcome": "ok"}
    failed = {**fine, "outcome": "Temporary"}
    gained.since("caseworker_outside_call_seconds_count", **fine)
    gained.since("caseworker_outside_call_seconds_count", **failed)

    with metrics.outside("stripe", "refund"):
        pass
    with pytest.raises(Temporary), metrics.outside("stripe", "refund"):
        raise Temporary("away")

    assert gained("caseworker_outside_call_seconds_count", **fine) == 1
    assert gained("caseworker_outside_call_seconds_count", **failed) == 1


def test_what_is_counted_can_be_read_by_prometheus():
    metrics.answered("hooks", 200, 0.003)
    metrics.received("webhook", accepted=2, duplicates=1, refused=1)
    metrics.step("support", "triage", 0.2)
    metrics.action_ended("refund_payment", "done")
    metrics.hints("published", 3)
    metrics.claim_lost()

    def asked():
        yield Numbers("caseworker_queue_depth", "Due.", ("queue",), [(("support",), 4.0)])
        yield Spread("caseworker_recent_step_seconds", "Lately.", ("step",), (0.1, 1.0), [(("draft",), (1, 2, 3), 5.5)])

    text = serving.render(asked).decode()
    found = {sample.name: sample for family in text_string_to_metric_families(text) for sample in family.samples}

    assert found["caseworker_queue_depth"].value == 4
    assert found["caseworker_recent_step_seconds_bucket"].labels == {"step": "draft", "le": "+Inf"}
    assert {"caseworker_request_seconds_bucket", "caseworker_hints_total", "process_resident_memory_bytes"} <= set(
        found
    )


@pytest.mark.parametrize(
    ("path", "door"),
    [
        ("/hooks/stripe", "hooks"),
        ("/events", "events"),
        ("/api/v1/cases/case_1", "api"),
        ("/", "pages"),
        ("/anything/somebody/invents", "pages"),
        ("*", "pages"),
    ],
)
def test_an_address_is_counted_under_a_door_and_never_by_its_name(path, door):
    assert door_of(path) == door


def ask(app, path):
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(Measured(app)({"type": "http", "path": path}, receive, send))
    return sent


async def answers(_scope, _receive, send):
    await send({"type": "http.response.start", "status": 202, "headers": []})
    await send({"type": "http.response.body", "body": b"x"})


async def breaks(_scope, _receive, _send):
    raise ZeroDivisionError


def test_an_answer_is_timed_with_its_status(gained):
    gained.since("caseworker_request_seconds_count", door="events", status="202")

    sent = ask(answers, "/events")

    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert gained("caseworker_request_seconds_count", door="events", status="202") == 1


def test_a_request_that_broke_counts_as_500_and_still_breaks(gained):
    gained.since("caseworker_request_seconds_count", door="events", status="500")

    with pytest.raises(ZeroDivisionError):
        ask(breaks, "/events")

    assert gained("caseworker_request_seconds_count", door="events", status="500") == 1

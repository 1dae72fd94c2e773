"""The drill: the first provider is down, over true HTTP and with the official SDKs. No case is lost, and each says so."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal

import pytest

from integrations import registry
from integrations.models.base import About, ModelRequest
from tests.kit.engine import AGENT, SURE, TinyTriage, make_engine, refund, reply
from tests.kit.patience import until
from tests.servers import chat_api, messages_api
from tests.servers.chat_api import ChatApi
from tests.servers.messages_api import MessagesApi
from tests.servers.ports import free_port
from workers.agents import support
from workers.bill.budgets import Budgets, Limits
from workers.bill.late import Late
from workers.guards import Guards
from workers.pipeline import DECIDED
from workers.store import audit, bill, steps
from workers.store.records import CaseState
from workers.telemetry import metrics
from workers.telemetry.observed import ObservedModel

DRAFT = {"summary": "A refund.", "actions": [refund(), reply()], "unsure": None}
CASES = 3
ONLY_LARGE = "version: 1\ntasks:\n  triage: [{provider: anthropic}]\n  draft: [{provider: anthropic}]\n"


def said(request):
    """What either service answers: a draft where the form asks for actions, else a triage."""
    return DRAFT if "actions" in json.dumps(request.get("output_config") or request.get("response_format")) else SURE


@pytest.fixture
def servers():
    with ExitStack() as stack:
        first, second = stack.enter_context(MessagesApi()), stack.enter_context(ChatApi())
        first.answer(said)
        second.answer(said)
        yield first, second


@pytest.fixture
def engine(tmp_path):
    made = make_engine(tmp_path)
    yield made
    made.system.close()


def nobody():
    """An address at which nobody listens."""
    return f"http://127.0.0.1:{free_port()}"


def routed(engine, tmp_path, *, first, second=None, timeout=60.0, routing=registry.SHIPPED, budget=None):
    """The engine with the models that are reached there, guarded and counted as `wiring` does it."""
    env = {"ANTHROPIC_API_KEY": "key", "ANTHROPIC_MODEL": "model-a", "ANTHROPIC_BASE_URL": first}
    if second is not None:
        env |= {"OPENAI_API_KEY": "key", "OPENAI_MODEL": "model-o", "OPENAI_BASE_URL": second}
    model = registry.models(
        env,
        data=tmp_path,
        timeout=timeout,
        routing=routing,
        wrap=Guards().wrap,
        notice=metrics.model_gave_nothing,
        budget=None if budget is None else Budgets(Limits(day=budget), engine.system.db, engine.clock),
    )
    engine.system = replace(engine.system, model=ObservedModel(model, failures=False))
    return engine


def remarks(engine, case_id):
    with engine.system.db.read() as tx:
        return [said for entry in audit.of_chain(tx, case_id) for said in entry.data.get("remarks", ())]


def used(engine, case_id):
    with engine.system.db.read() as tx:
        return [(row.provider, row.task, row.outcome) for row in steps.usage_of(tx, case_id)]


FAULTS = {
    "nobody listens": None,
    "529": messages_api.Fault(529),
    "500": messages_api.Fault(500),
    "cut off": messages_api.Fault(0),
    "no answer in time": messages_api.Fault(529, wait=4.0),
    "no JSON": messages_api.Fault(200, body=b"<html>gateway</html>", content_type="text/html"),
    "bad key": messages_api.Fault(401),
    "come back in an hour": messages_api.Fault(429, retry_after=3600),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_with_the_first_provider_down_every_case_goes_on_with_the_next_and_says_so(engine, servers, tmp_path, kind):
    first, second = servers
    if FAULTS[kind] is not None:
        first.faults += [FAULTS[kind]] * 50
    address = nobody() if FAULTS[kind] is None else first.url
    routed(engine, tmp_path, first=address, second=second.url, timeout=1.5 if "in time" in kind else 60.0)

    found = []
    for number in range(CASES):
        engine.event(delivery=f"d{number}", ticket=str(number))
        engine.drain()
        found.append(engine.case())

    assert len({case.id for case in found}) == CASES
    for case in found:
        assert case.state == CaseState.INBOX
        assert case.attention is None
        assert used(engine, case.id) == [("openai", "triage", bill.OK), ("openai", "draft", bill.OK)]
        assert len(remarks(engine, case.id)) == 2
        assert all(text.startswith("anthropic ") for text in remarks(engine, case.id))
        assert all(text.endswith("openai/model-o answered instead.") for text in remarks(engine, case.id))
    assert engine.actions("refund_payment")


def test_when_the_first_provider_is_back_it_is_asked_again(engine, servers, tmp_path):
    first, second = servers
    first.faults += [messages_api.Fault(529)] * 2
    routed(engine, tmp_path, first=first.url, second=second.url)

    engine.event()
    engine.drain()

    assert [provider for provider, _, _ in used(engine, engine.case().id)] == ["openai", "anthropic"]


def test_an_answer_that_does_not_fit_is_on_the_bill_beside_the_one_that_did(engine, servers, tmp_path):
    first, second = servers
    first.answer(lambda _: {"nothing": "that fits"})
    routed(engine, tmp_path, first=first.url, second=second.url)

    engine.event()
    engine.drain()

    assert sorted(used(engine, engine.case().id)) == [
        ("anthropic", "draft", bill.FAILED),
        ("anthropic", "triage", bill.FAILED),
        ("openai", "draft", bill.OK),
        ("openai", "triage", bill.OK),
    ]


def test_with_every_service_down_the_local_model_keeps_cases_going_and_says_so(engine, servers, tmp_path):
    _, second = servers
    second.faults += [chat_api.Fault(503)] * 50
    routed(engine, tmp_path, first=nobody(), second=second.url)

    engine.event(text="Please refund my order, the rain cover arrived torn.")
    engine.drain()

    case = engine.case()
    assert case.step == DECIDED
    assert {provider for provider, _, _ in used(engine, case.id)} == {"local"}
    told = remarks(engine, case.id)
    assert any(text.startswith("anthropic") for text in told)
    assert any(text.startswith("openai") for text in told)


def test_where_only_one_may_serve_cases_wait_for_it_and_none_is_lost(engine, servers, tmp_path):
    first, _ = servers
    first.faults += [messages_api.Fault(529)] * 4
    own = tmp_path / "models.yaml"
    own.write_text(ONLY_LARGE)
    routed(engine, tmp_path, first=first.url, routing=own)

    for number in range(2):
        engine.event(delivery=f"d{number}", ticket=str(number))
    engine.drain()
    waiting = engine.case()
    engine.clock.on(minutes=1)
    engine.sweep()

    assert waiting.state == CaseState.WAITING
    assert "529" in waiting.waiting_for
    assert engine.case().state == CaseState.INBOX
    assert engine.case().attention is None


def test_a_service_that_asks_for_patience_is_waited_for_before_the_local_model_serves(engine, servers, tmp_path):
    first, _ = servers
    first.faults.append(messages_api.Fault(429, retry_after=20))
    routed(engine, tmp_path, first=first.url)

    engine.event()
    engine.drain()

    assert engine.case().state == CaseState.WAITING
    assert used(engine, engine.case().id) == []


def test_answers_that_came_from_another_are_counted_under_both_names(engine, servers, tmp_path):
    _, second = servers
    labels = {"provider": "anthropic", "instead": "openai"}
    before = metrics.REGISTRY.get_sample_value("caseworker_model_fallbacks_total", labels) or 0.0
    routed(engine, tmp_path, first=nobody(), second=second.url)

    engine.event()
    engine.drain()

    assert metrics.REGISTRY.get_sample_value("caseworker_model_fallbacks_total", labels) == before + 2
    answered = {"provider": "openai", "model": "model-o", "outcome": "ok"}
    assert metrics.REGISTRY.get_sample_value("caseworker_model_calls_total", answered)


def test_an_urgent_case_does_not_wait_for_a_service_that_is_slow_and_both_are_on_the_bill(engine, servers, tmp_path):
    first, second = servers
    first.delay = 1.0
    own = tmp_path / "models.yaml"
    own.write_text("version: 1\ntasks:\n  triage: [{provider: anthropic, hedge_after: 0.1}, {provider: openai}]\n")
    engine.event()
    engine.drain()
    case = engine.case()
    model = registry.models(both(first, second), data=tmp_path, routing=own, late=Late(engine.system.db, engine.clock))
    about = About(case_id=case.id, urgent=True)
    asked = ModelRequest("support", "triage", "Sort it.", (), TinyTriage, about=about)

    answer = model.answer(asked)

    assert answer.usage.provider == "openai"
    assert answer.remarks == ("anthropic took longer than 0.1 s for an urgent case. openai/model-o answered instead.",)
    until(lambda: ("anthropic", "triage", bill.HEDGED) in used(engine, case.id), "the late answer was never billed")


@pytest.mark.parametrize("budget", [None, Decimal(0)], ids=["nobody listens", "the budget is used up"])
def test_an_agent_that_would_plan_and_look_things_up_drafts_without_where_nobody_plans(engine, tmp_path, budget):
    """Only the local model is left, which can do neither."""
    routed(engine, tmp_path, first=nobody(), budget=budget)
    engine.system = replace(engine.system, agents={"support": replace(AGENT, tools=support.AGENT.tools)})
    assert engine.system.model.uses_tools

    engine.event(text="Please refund my order, the rain cover arrived torn.")
    engine.drain()
    # Before it is left alone a service may as well be back in a second: until then the case waits.
    engine.clock.on(minutes=1)
    engine.sweep()

    case = engine.case()
    assert case.step == DECIDED
    assert {provider for provider, _, _ in used(engine, case.id)} == {"local"}
    assert all(text.endswith("local/tfidf-linear-1 answered instead.") for text in remarks(engine, case.id))
    assert len(remarks(engine, case.id)) == 2


def both(first, second):
    """The environment in which both services have a key."""
    return {
        "ANTHROPIC_API_KEY": "key",
        "ANTHROPIC_MODEL": "model-a",
        "ANTHROPIC_BASE_URL": first.url,
        "OPENAI_API_KEY": "key",
        "OPENAI_MODEL": "model-o",
        "OPENAI_BASE_URL": second.url,
    }

"""What models have cost, as the command line tells it; and which model does what."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import insert

from integrations.base import EventType
from integrations.models.base import Usage
from workers.store import bill
from workers.store.tables import model_usage


def used(provider="alpha", model="large", cost="0.02", **tokens):
    counts = {"input_tokens": 100, "output_tokens": 20, "cache_read_tokens": 40, "cache_write_tokens": 5} | tokens
    return Usage(
        provider,
        model,
        **counts,
        latency_ms=500,
        cost_usd=None if cost is None else Decimal(cost),
        request_id=None,
        stop_reason="end",
    )


@pytest.fixture
def billed(waiting):
    """Two cases of two domains: paid for yesterday and today, once in vain, once without a price."""
    now = waiting.clock()
    first = waiting.case()
    waiting.event(delivery="d2", type=EventType.CHARGE_FLAGGED, ticket="9")
    waiting.drain()
    second = waiting.case()
    rows = [
        *bill.entries(first, "plan", "plan", [used(cost="0.05"), used("beta", "small", "0.01")], now),
        *bill.entries(first, "turn-1", "draft", [used(cost="0.10")], now - timedelta(days=1)),
        *bill.entries(second, "draft", "draft", [used("beta", "small", None)], now, answered=False),
    ]
    with waiting.system.db.write() as tx:
        tx.execute(insert(model_usage), rows)
        bill.add_late(tx, second.id, second.domain, "triage", [used("beta", "small", "0.03")], now)
    return waiting


def told(caseworker, *arguments):
    ran = caseworker("cost", *arguments, "--json").json
    return {line["key"]: line for line in ran["lines"]}, ran["total"]


def test_the_bill_is_told_by_domain_model_task_and_case(caseworker, billed):
    by_domain, total = told(caseworker)
    by_model, _ = told(caseworker, "--by", "model")
    by_task, _ = told(caseworker, "--by", "task")
    by_case, _ = told(caseworker, "--by", "case")

    assert {key: line["cost_usd"] for key, line in by_domain.items()} == {
        "support": "0.160000",
        "transactions": "0.030000",
    }
    assert (total["cost_usd"], total["calls"]) == ("0.190000", 9)
    assert by_model["alpha/large"]["cost_usd"] == "0.150000"
    assert by_model["beta/small"]["unpriced"] == 1
    assert by_task["plan"]["cost_usd"] == "0.060000"
    assert by_task["draft"]["cost_usd"] == "0.100000"
    assert sum(line["calls"] for line in by_case.values()) == 9


def test_what_was_paid_for_in_vain_is_counted_apart_and_so_is_what_came_from_a_cache(caseworker, billed):
    by_model, total = told(caseworker, "--by", "model")

    assert (by_model["alpha/large"]["failed"], by_model["beta/small"]["failed"]) == (1, 1)
    assert by_model["beta/small"]["hedged"] == 1
    assert by_model["alpha/large"]["cached_tokens"] == 80
    assert total["unpriced"] == 5


def test_days_are_told_in_their_order_and_only_since_when_asked(caseworker, billed):
    now = billed.clock()

    both, _ = told(caseworker, "--by", "day", "--since", f"{now - timedelta(days=1):%Y-%m-%d}")
    today, total = told(caseworker, "--by", "day", "--since", f"{now:%Y-%m-%d}")

    assert list(both) == [f"{now - timedelta(days=1):%Y-%m-%d}", f"{now:%Y-%m-%d}"]
    assert both[f"{now - timedelta(days=1):%Y-%m-%d}"]["cost_usd"] == "0.100000"
    assert list(today) == [f"{now:%Y-%m-%d}"]
    assert total["cost_usd"] == "0.090000"


@pytest.mark.parametrize("ever", ["1970-01-01", "0001-01-01", "9999w"])
def test_since_ever_is_all_there_is(caseworker, billed, ever):
    _, lately = told(caseworker)

    assert told(caseworker, "--since", ever)[1] == lately


def test_of_more_days_than_a_screen_holds_the_latest_are_there(caseworker, billed):
    first, now = billed.case(), billed.clock()
    rows = [bill.entries(first, "draft", "draft", [used()], now - timedelta(days=day))[0] for day in range(2, 250)]
    with billed.system.db.write() as tx:
        # Ids are made by the machine's clock, and all of these were made just now.
        tx.execute(insert(model_usage), rows)

    by_day, total = told(caseworker, "--by", "day", "--since", "52w")

    assert (len(by_day), f"{now:%Y-%m-%d}" in by_day) == (250, True)
    assert sum(line["calls"] for line in by_day.values()) == total["calls"]


def test_people_get_a_table_with_its_sum_and_what_has_no_price(caseworker, billed):
    out = caseworker("cost", "--by", "model", "--since", "2d").out

    assert "alpha/large" in out
    assert "0.1900" in out
    assert "5 calls have no known price and count as nothing." in out


def test_a_time_that_cannot_be_read_is_refused_with_how_to_write_it(caseworker, waiting):
    ran = caseworker("cost", "--since", "yesterday")

    assert ran.status == 2
    assert "write a day as 2026-11-01, or how far back as 12h, 7d, 4w" in ran.err


def test_without_a_call_it_says_so(caseworker, engine):
    assert "No model was paid for anything." in caseworker("cost").out


def test_routes_are_shown_with_what_keeps_them_from_serving(caseworker, folder):
    ran = caseworker("models", "--json")
    shown = {(route["task"], route["provider"]): route for route in ran.json["routes"]}

    assert ran.status == 0
    assert shown["draft", "local"]["usable"]
    assert shown["draft", "anthropic"]["why"] == "ANTHROPIC_API_KEY is not set"
    assert shown["embed", "openai"]["why"] == "OPENAI_EMBEDDING_MODEL is not set"
    assert "No model for: extract, plan, judge, summarise, embed." in caseworker("models").out


def test_a_file_of_ones_own_takes_the_place_of_the_shipped_one(caseworker, folder, monkeypatch):
    own = folder / "models.yaml"
    own.write_text(
        "version: 1\ntasks:\n  triage: [{provider: local}]\n"
        "  draft:\n    - {provider: anthropic, model: '${SMALL_MODEL}', when: {language: [en, de]}}\n    - provider: anthropic\n"
    )
    monkeypatch.setenv("CASEWORKER_MODELS_FILE", str(own))

    ran = caseworker("models")

    assert ran.status == 1
    assert "no: SMALL_MODEL is not set" in ran.out
    assert "language en or de" in ran.out
    doctor = caseworker("doctor", "--json").json["findings"]
    assert [(f["level"], f["told"]) for f in doctor if f["about"] == "model"] == [
        ("problem", "No model that has credentials does draft.")
    ]


def test_a_broken_file_is_refused_with_every_place(caseworker, folder, monkeypatch):
    own = folder / "models.yaml"
    own.write_text("version: 1\ntasks: {triage: [{provider: lokal}], drafts: []}\n")
    monkeypatch.setenv("CASEWORKER_MODELS_FILE", str(own))

    ran = caseworker("models")
    found = [f["told"] for f in caseworker("doctor", "--json").json["findings"] if f["about"] == "model"]

    assert ran.status == 2
    assert "tasks.triage[0].provider: unknown provider 'lokal'" in ran.err
    assert [text.split(":")[0] for text in found] == ["tasks.drafts", "tasks.triage[0].provider"]

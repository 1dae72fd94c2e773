"""The counters that rules may name: what was let through of a kind lately, and what became of a customer's before."""

from __future__ import annotations

from integrations.errors import Permanent
from tests.integration.limits.house import a_day, asked, under, within
from tests.kit.engine import refund
from workers.limits import counters

ANA = "ana@example.com"


def read(engine, kind="refund_payment", domain="support", customer=ANA):
    with engine.system.db.read() as tx:
        return counters.read(tx, domain, kind, customer, engine.clock())


def test_nothing_was_done_and_all_are_nought(engine):
    assert set(read(engine).values()) == {0}
    assert len(read(engine)) == 8


def test_a_day_of_one_kind_in_one_domain(engine):
    under(engine, within(a_day(10_000)))
    for ticket, minor in (("1", 1_000), ("2", 250)):
        asked(engine, minor, ticket)
    engine.drain()

    now = read(engine)

    assert (now["kind_count_24h"], now["kind_minor_24h"]) == (2, 1_250)
    assert (now["customer_kind_count_24h"], now["customer_kind_minor_24h"]) == (2, 1_250)
    assert read(engine, customer="bo@example.com")["customer_kind_count_24h"] == 0
    assert read(engine, customer="")["customer_kind_count_24h"] == 0
    assert read(engine, domain="transactions")["kind_count_24h"] == 0
    assert read(engine, kind="add_tags")["kind_count_24h"] == 0
    engine.clock.on(hours=25)
    assert read(engine)["kind_count_24h"] == 0


def test_a_customer_is_one_however_their_address_is_spelled(engine):
    under(engine, within(a_day(10_000)))
    asked(engine, 1_000, "1")
    engine.model.drafts = [[refund(250, charge="ch_12")]]
    said = {"title": "Broken", "text": "Broken", "ticket_id": "2", "requester_email": "Ana@Example.com"}
    engine.event(delivery="d2", ticket="2", data=said)
    engine.drain()

    assert engine.case().customer == ANA
    assert read(engine)["customer_kind_count_24h"] == 2


def test_what_was_refused_or_failed_is_no_spending(engine):
    under(engine, within(outcome="review"))
    engine.decide(asked(engine, 1_000, "1"), "reject", reason="No.")
    engine.decide(asked(engine, 500, "2"))
    engine.house.before.append(Permanent("No."))
    engine.clock.on(minutes=5)
    engine.sweep()

    now = read(engine)

    assert (now["kind_count_24h"], now["kind_minor_24h"]) == (0, 0)
    assert (now["prior_rejected_90d"], now["prior_failed_90d"]) == (1, 1)


def test_what_people_said_yes_to_as_it_was_is_told_from_what_they_changed(engine):
    under(engine, within(outcome="review"))
    engine.decide(asked(engine, 1_000, "1"))
    second = asked(engine, 500, "2")
    engine.decide(second, arguments={**second.arguments, "amount_minor": 400})

    now = read(engine)

    assert (now["prior_approved_90d"], now["prior_edited_90d"]) == (1, 1)
    engine.clock.on(days=91)
    assert read(engine)["prior_approved_90d"] == 0


def test_what_a_rule_allowed_is_no_approval_by_people(engine):
    under(engine, within(a_day(10_000)))
    asked(engine, 1_000, "1")

    assert read(engine)["prior_approved_90d"] == 0

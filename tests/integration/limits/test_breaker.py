"""A limit that was never meant to be reached stops its kind of action, in the commit that found it; a person lets go on."""

from __future__ import annotations

from tests.integration.limits.house import a_day, asked, fresh, under, within
from workers import switchboard
from workers.store import audit, switches
from workers.store.audit import SYSTEM
from workers.store.records import ActionState


def thrown(engine):
    with engine.system.db.read() as tx:
        return switches.listing(tx)


def test_beyond_it_the_kind_is_stopped_and_what_is_approved_waits(engine):
    under(engine, within(a_day(None, max_count=2, trips=True)))
    before = [asked(engine, 100, ticket) for ticket in "12"]

    beyond = asked(engine, 100, "3")
    engine.drain()

    assert beyond.state == ActionState.PENDING
    assert engine.house.effects == []
    assert [(s.scope, s.actor) for s in thrown(engine)] == [("action:refund_payment", "policy:house/a-day")]
    assert "2 of 2 used" in fresh(engine, before[0]).waiting_for
    with engine.system.db.read() as tx:
        told = [(entry.verb, entry.actor) for entry in audit.of_chain(tx, SYSTEM)]
    assert told == [("switch_thrown", "policy:house/a-day")]


def test_released_by_a_person_what_waited_goes_on(engine):
    under(engine, within(a_day(None, max_count=2, trips=True)))
    for ticket in "123":
        asked(engine, 100, ticket)
    engine.drain()

    with engine.system.db.write() as tx:
        switchboard.release(tx, "action:refund_payment", reason="It was a sale", actor="person:ana", now=engine.clock())
    engine.sweep()

    assert engine.house.done("refund") == [100, 100]


def test_a_limit_that_does_not_trip_stops_nothing(engine):
    under(engine, within(a_day(None, max_count=1)))

    for ticket in "12":
        asked(engine, 100, ticket)

    assert thrown(engine) == []

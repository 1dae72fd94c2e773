"""A first draft within limits is written in one statement on PostgreSQL, once its counters were read, and is what the long way makes of it."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import event, select

from tests.integration.limits.house import a_day, asked, under, within
from tests.kit.engine import refund
from workers import conclusion
from workers.pipeline import advance
from workers.store import actions
from workers.store.limit_tables import limit_holds
from workers.store.records import ActionState
from workers.store.tables import actions as table


@pytest.fixture
def url(on_postgresql):
    """The straight way is PostgreSQL's alone."""
    return on_postgresql


def told(engine, action):
    """What is kept of a decision, but for whose it is and when it was."""
    with engine.system.db.read() as tx:
        record = dict(actions.revisions_of(tx, action.id)[-1].record)
        held = tx.execute(select(limit_holds).where(limit_holds.c.action_id == action.id)).all()
    assert action.approved_digest == action.digest
    return (
        action.state,
        action.decided_by,
        action.verdict,
        sorted(record),
        [(one["limit"], one["held"]) for one in record.get("reserved", ())],
        sorted((row.counter, row.leaves_at - row.at, row.minor) for row in held),
    )


def test_it_makes_what_the_long_way_makes(engine, monkeypatch):
    under(engine, within(a_day(10_000)))
    straight = asked(engine, 3_000, "1")

    monkeypatch.setattr(conclusion, "_store_and_reserve", lambda *_: None)
    long = asked(engine, 3_000, "2")

    assert told(engine, straight) == told(engine, long)


def test_it_asks_for_no_transaction_of_many_statements(engine):
    under(engine, within(a_day(10_000)))
    asked(engine, 1_000, "1")
    said = []
    event.listen(engine.system.db.engine, "before_cursor_execute", lambda *a: said.append(a[2]))

    asked(engine, 1_000, "2")

    assert not [statement for statement in said if "limit_holds" in statement or "INSERT INTO actions" in statement]


def test_what_does_not_fit_is_found_out_by_the_long_way(engine):
    under(engine, within(a_day(10_000)))

    states = [asked(engine, 6_000, ticket).state for ticket in "12"]

    assert states == [ActionState.APPROVED, ActionState.PENDING]


def test_many_at_once_never_have_more_than_there_is(engine):
    under(engine, within(a_day(10_000)))
    engine.model.drafts = [[refund(3_000)]]
    for ticket in "12345678":
        engine.event(delivery=f"d{ticket}", ticket=ticket)
    cases = [row for kind, row in engine.hints.waiting if kind == "case"]

    working = [threading.Thread(target=advance, args=(engine.system, case)) for case in cases]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()

    with engine.system.db.read() as tx:
        states = [action.state for case in cases for action in actions.of_case(tx, case)]
    assert len(states) == len(cases) == 8
    assert states.count(ActionState.APPROVED) == 3
    assert states.count(ActionState.PENDING) == 5


def test_who_takes_the_last_of_it_after_it_was_read_has_it(engine, monkeypatch):
    """Room that was there when the record was made, and is gone in turn: nothing is written, and the long way says what is left."""
    under(engine, within(a_day(10_000)))
    fits, others, quick = conclusion.as_it_fits, iter("2"), []

    def overtaken(*given):
        judged = fits(*given)
        quick.extend(asked(engine, 6_000, ticket).id for ticket in others)
        return judged

    monkeypatch.setattr(conclusion, "as_it_fits", overtaken)
    asked(engine, 6_000, "1")

    with engine.system.db.read() as tx:
        states = tx.execute(select(table.c.id, table.c.state)).all()
        held = tx.execute(select(limit_holds.c.action_id, limit_holds.c.minor)).all()
    assert sorted(state for _, state in states) == [ActionState.APPROVED, ActionState.PENDING]
    assert dict(states)[quick[0]] == ActionState.APPROVED
    assert held == [(quick[0], 6_000)]

"""A yes within limits that is read and written at once holds what the long way holds, and is refused where that would refuse."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from policies.record import uses_of
from tests.integration.limits.house import a_day, asked, fresh, under, within
from tests.integration.limits.reading import read
from tests.kit.engine import make_engine
from workers.inbox.words import NotAllowed
from workers.limits.reserving import holdings, refusing, rooms
from workers.settlement import consequences_of
from workers.store import actions, audit, flow, limits, spending
from workers.store.flow import Consent
from workers.store.records import ActionState

PEOPLE = {"outcome": "review", "approvers": [{"role": "support"}]}


@pytest.fixture
def waiting(engine):
    """An engine in which each refund waits for one person, within 100.00 EUR a day."""
    return under(engine, within(a_day(10_000, "deny"), **PEOPLE))


@pytest.fixture
def far_away(on_postgresql, tmp_path):
    """The same on PostgreSQL: on SQLite there is only the long way."""
    made = make_engine(tmp_path, url=on_postgresql)
    yield under(made, within(a_day(10_000, "deny"), **PEOPLE))
    made.system.close()


def held(engine, action_id=None):
    with engine.system.db.read() as tx:
        rows = read(tx)
    return [(row.counter, row.limit_ref, row.minor, row.at) for row in rows if action_id in (None, row.action_id)]


def consent(engine, snapshot):
    now = engine.clock()
    changes = {"state": "approved", "approved_digest": snapshot.action.digest, "wake_at": now}
    person = engine.person()
    decision = {
        "id": f"dec_{snapshot.action.id[-8:]}",
        "action_id": snapshot.action.id,
        "case_id": snapshot.case.id,
        "revision": snapshot.action.revision,
        "digest": snapshot.action.digest,
        "decision": "approve",
        "person_id": person.id,
        "actor": f"person:{person.email}",
        "channel": "api",
        "decided_at": now,
    }
    consequences = consequences_of(snapshot.case, [*snapshot.others, snapshot.action], now=now)
    return Consent(
        changes, decision, snapshot.case, consequences.case, snapshot.chain, [audit.Note("person", "decided", {})]
    )


def approve_at_once(engine, action):
    db = engine.system.db
    snapshot = flow.snapshot(db, action.id)
    uses = uses_of(snapshot.record)
    held_then = holdings(action.id, uses)
    return spending.approve(
        db, snapshot.action, consent(engine, snapshot), held_then, rooms(refusing(uses)), now=engine.clock()
    )


def test_it_holds_what_the_long_way_holds(waiting):
    """The first goes at once, the second the long way, after a word of somebody else's: they hold the same of the same."""
    first, second = asked(waiting, 3_000, "1"), asked(waiting, 3_000, "2")
    waiting.decide(second, "snooze", until=waiting.clock() + timedelta(minutes=5))

    waiting.decide(first)
    waiting.decide(fresh(waiting, second))

    assert held(waiting, first.id) == held(waiting, second.id)
    assert [row[1:3] for row in held(waiting, first.id)] == [("house/a-day", 3_000)]
    assert {fresh(waiting, one).state for one in (first, second)} == {ActionState.APPROVED}
    waiting.drain()
    assert sorted(waiting.house.done("refund")) == [3_000, 3_000]


def test_what_a_limit_refuses_is_refused_and_nothing_of_it_is_written(waiting):
    first, second = asked(waiting, 6_000, "1"), asked(waiting, 6_000, "2")
    waiting.decide(first)

    with pytest.raises(NotAllowed, match="is reached"):
        waiting.decide(second)

    assert fresh(waiting, second).state == ActionState.PENDING
    assert held(waiting, second.id) == []
    with waiting.system.db.read() as tx:
        assert actions.decisions_of(tx, second.id) == []


def test_a_limit_that_only_asks_for_a_person_has_one(engine):
    under(engine, within(a_day(1_000, "review"), **PEOPLE))
    action = asked(engine, 6_000, "1")

    engine.decide(action)

    assert fresh(engine, action).state == ActionState.APPROVED
    assert [row[2] for row in held(engine, action.id)] == [6_000]


def test_of_many_who_approve_at_once_no_more_are_let_through_than_fit(waiting):
    asked_for = [asked(waiting, 3_000, str(number)) for number in range(8)]
    ana, together = waiting.person(), threading.Barrier(len(asked_for))

    def approve(action):
        together.wait()
        try:
            return waiting.decide(action, by=ana).state
        except NotAllowed:
            return "refused"

    with ThreadPoolExecutor(len(asked_for)) as pool:
        answers = Counter(pool.map(approve, asked_for))

    assert answers == {ActionState.APPROVED: 3, "refused": 5}
    assert len(held(waiting)) == 3


def test_at_once_it_is_one_commit(far_away):
    action = asked(far_away, 3_000, "1")

    assert approve_at_once(far_away, action).state == ActionState.APPROVED

    assert [row[2] for row in held(far_away, action.id)] == [3_000]


def test_at_once_nothing_is_held_where_the_action_changed_since_it_was_read(far_away):
    action, db = asked(far_away, 3_000, "1"), far_away.system.db
    snapshot = flow.snapshot(db, action.id)
    uses = uses_of(flow.snapshot(db, action.id).record)
    with db.write() as tx:
        actions.change(tx, action, now=far_away.clock(), waiting_for="Something")
    given = (consent(far_away, snapshot), holdings(action.id, uses))

    assert spending.approve(db, snapshot.action, *given, [], now=far_away.clock()) is None

    assert held(far_away) == []


def test_at_once_what_is_held_already_is_left_to_the_long_way(far_away):
    action, db = asked(far_away, 3_000, "1"), far_away.system.db
    uses = uses_of(flow.snapshot(db, action.id).record)
    with db.write() as tx:
        limits.hold(tx, holdings(action.id, uses), far_away.clock())

    assert approve_at_once(far_away, action) is None

    assert fresh(far_away, action).state == ActionState.PENDING
    assert flow.snapshot(db, action.id) is not None, "the connection serves on"


def test_at_once_nothing_passes_that_the_long_way_would_not_let_pass(far_away):
    """Of uses in every state that an action can be in, and of those whose action is gone. Until somebody adds up exactly, what
    counts no longer may stand in the way at once; it never makes room."""
    engine, db = far_away, far_away.system.db
    action, now = asked(engine, 100, "1"), engine.clock()
    (own,) = holdings(action.id, uses_of(flow.snapshot(db, action.id).record))
    for number, state in enumerate(ActionState, start=2):
        other = asked(engine, 100, str(number))
        settled = now - timedelta(hours=number)
        with db.write() as tx:
            actions.change(tx, other, now=now, state=state, settled_at=settled, decided_by="ana", decided_at=now)
            limits.hold(tx, [replace(own, action_id=other.id, minor=2**number)], now)
    with db.write() as tx:
        for minor, ago in enumerate([timedelta(hours=1), timedelta(days=2)], start=1):
            limits.hold(tx, [replace(own, action_id=f"act_gone_{minor}", minor=minor * 10**6)], now - ago)
    since = now - timedelta(days=1)
    with db.read() as tx:
        (times, minor), total = limits.used(tx, own.counter, since=since), limits.total(tx, own.counter)
    snapshot = flow.snapshot(db, action.id)
    assert 3 < times < total[0]

    def approved(most: int | None, at_most: int | None) -> bool:
        room = spending.Room(own.counter, most, at_most)
        return spending.approve(db, snapshot.action, consent(engine, snapshot), [own], [room], now=now) is not None

    refused = [approved(total[0], None), approved(None, total[1] - 1), approved(times + 1, minor)]
    with db.write() as tx:
        assert limits.exact(tx, own.counter, since=since, now=now) == (times, minor)
        assert limits.total(tx, own.counter) == (times, minor)
    refused += [approved(times, None), approved(None, minor - 1), approved(times, minor)]

    assert refused == [False] * 6
    assert held(engine, action.id) == []
    assert approved(times + 1, minor)

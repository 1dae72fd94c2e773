"""A database from before there were counters: what was used up counts as it did, and is taken over when it is asked for, when time
goes by, and when its case leaves."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from tests.integration.limits.house import a_day, asked, fresh, under, within
from workers.store import actions, limit_cleanup, limits
from workers.store.limit_tables import limit_counters, limit_holds, limit_uses
from workers.store.records import ActionState

DIGEST = hashlib.sha256(b"house/a-day").hexdigest()
COUNTER = int(DIGEST[:15], 16)


def used_before(engine, action_id, minor, *, ago=timedelta(), done_ago=None):
    """A row as the version before wrote it, and its sweeper after it."""
    now = engine.clock()
    done_at = None if done_ago is None else now - done_ago
    row = {
        "action_id": action_id,
        "counter": DIGEST,
        "limit_ref": "house/a-day",
        "window_minutes": 1440,
        "minor": minor,
        "at": now - ago,
        "done_at": done_at,
        "gone_at": None if done_at is None else done_at + timedelta(days=1),
    }
    with engine.system.db.write() as tx:
        tx.execute(insert(limit_uses).values(row))


def as_it_was(engine, action):
    """What an action holds, put back into the form of before."""
    with engine.system.db.write() as tx:
        (held,) = tx.execute(select(limit_holds).where(limit_holds.c.action_id == action.id)).all()
        limits.drop(tx, action.id)
    used_before(engine, action.id, held.minor, ago=engine.clock() - held.at)


def rows(engine, table):
    with engine.system.db.read() as tx:
        return tx.execute(select(table)).all()


@pytest.fixture
def house(engine):
    return under(engine, within(a_day(10_000)))


def test_what_is_open_counts_on_and_what_is_over_does_not(house):
    as_it_was(house, asked(house, 3_000, "1"))
    used_before(house, "act_done", 4_000, ago=timedelta(days=2), done_ago=timedelta(hours=23))
    used_before(house, "act_over", 9_000, ago=timedelta(days=2), done_ago=timedelta(hours=25))

    second, third = asked(house, 3_000, "2"), asked(house, 3_000, "3")

    assert (second.state, third.state) == (ActionState.APPROVED, ActionState.PENDING)
    assert "100.00 EUR of 100.00 EUR used" in " ".join(third.verdict["reasons"])
    assert rows(house, limit_uses) == []


def test_what_people_said_yes_to_is_sent_without_asking_them_again(engine):
    people = {"outcome": "review", "approvers": [{"role": "support"}]}
    house = under(engine, within(a_day(10_000), **people))
    action = house.decide(asked(house, 3_000, "1"))
    as_it_was(house, action)

    house.drain()

    assert house.house.done("refund") == [3_000]
    assert fresh(house, action).revision == action.revision


def test_the_sweeper_takes_over_all_of_it(house):
    as_it_was(house, asked(house, 3_000, "1"))
    used_before(house, "act_done", 4_000, ago=timedelta(days=2), done_ago=timedelta(hours=23))
    used_before(house, "act_over", 9_000, ago=timedelta(days=2), done_ago=timedelta(hours=25))

    lots = 0
    while True:
        with house.system.db.write() as tx:
            if not limit_cleanup.tidy(tx, house.clock(), 100):
                break
        lots += 1
        assert lots < 10

    assert rows(house, limit_uses) == []
    assert sorted(row.minor for row in rows(house, limit_holds)) == [3_000, 4_000]
    assert [(row.counter, row.times, row.minor) for row in rows(house, limit_counters)] == [(COUNTER, 2, 7_000)]


def test_taken_over_it_leaves_its_window_when_it_would_have(house):
    used_before(house, "act_done", 8_000, ago=timedelta(days=2), done_ago=timedelta(hours=23))
    assert asked(house, 3_000, "1").state == ActionState.PENDING

    house.clock.on(minutes=61)

    assert asked(house, 3_000, "2").state == ActionState.APPROVED


def test_what_a_case_used_up_before_leaves_with_it(house):
    done, failed = asked(house, 3_000, "1"), asked(house, 2_000, "2")
    for action, state in ((done, ActionState.DONE), (failed, ActionState.FAILED)):
        as_it_was(house, action)
        with house.system.db.write() as tx:
            actions.change(tx, action, now=house.clock(), state=state, settled_at=house.clock())
    with house.system.db.read() as tx:
        known = limit_cleanup.count_of(tx, [done.case_id, failed.case_id])

    with house.system.db.write() as tx:
        limit_cleanup.forget(tx, [done.case_id, failed.case_id], house.clock())

    assert known == 2
    assert rows(house, limit_uses) == []
    (left,) = rows(house, limit_holds)
    assert (left.minor, left.action_id.partition("_")[0]) == (3_000, "use")

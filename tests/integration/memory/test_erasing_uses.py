"""Erasing a person and what is kept beside their cases: what they used up of limits goes on counting under a name that leads to
nobody, as long as its window reaches back to it; what colleagues were told of them goes at once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from tests.integration.limits.house import a_day, asked, under, within
from workers.memory.erasing import erase, survey
from workers.store import actions, limit_cleanup, notices, people
from workers.store.limit_tables import limit_holds
from workers.store.notice_tables import notices as told
from workers.store.records import ActionState

ANA = "ana@example.com"


def forget(engine) -> None:
    erase(engine.system.db, ANA, Path("nowhere"), by="operator:test", clock=engine.clock)


def uses(engine):
    with engine.system.db.read() as tx:
        return tx.execute(select(limit_holds)).all()


def test_what_an_erased_customer_used_up_counts_until_its_window_is_over(engine):
    under(engine, within(a_day(10_000, per=["customer"])))
    asked(engine, 6_000, "1")
    engine.drain()
    engine.clock.on(hours=1, seconds=7)

    forget(engine)
    soon = asked(engine, 6_000, "2")
    engine.clock.on(hours=24)
    later = asked(engine, 6_000, "3")

    assert (soon.state, later.state) == (ActionState.PENDING, ActionState.APPROVED)
    assert "60.00 EUR of 100.00 EUR used" in " ".join(soon.verdict["reasons"])


def test_no_use_leads_to_an_action_or_a_moment_of_theirs(engine):
    under(engine, within(a_day(10_000)))
    action = asked(engine, 6_000, "1")
    engine.drain()
    engine.clock.on(minutes=5, seconds=7)

    forget(engine)

    (left,) = uses(engine)
    with engine.system.db.read() as tx:
        erased = actions.get(tx, action.id)
    assert left.action_id.startswith("use_")
    assert action.id not in str(left)
    assert erased.settled_at != left.at
    assert timedelta() < left.at - erased.settled_at <= timedelta(minutes=1)
    assert left.leaves_at == left.at + timedelta(days=1)


def test_what_no_window_reaches_any_more_goes_with_them(engine):
    under(engine, within(a_day(10_000)))
    asked(engine, 6_000, "1")
    engine.drain()
    engine.clock.on(hours=25)

    forget(engine)

    assert uses(engine) == []


def test_what_came_to_nothing_does_not_count_afterwards(engine):
    under(engine, within(a_day(10_000)))
    engine.decide(asked(engine, 6_000, "1"), "stop", reason="Not this one.")
    engine.drain()

    forget(engine)

    assert uses(engine) == []


def test_tidying_drops_what_was_renamed_when_its_window_is_over(engine):
    under(engine, within(a_day(10_000)))
    asked(engine, 6_000, "1")
    engine.drain()
    forget(engine)

    with engine.system.db.write() as tx:
        limit_cleanup.tidy(tx, engine.clock() + timedelta(hours=23, minutes=59), 100)
    before = len(uses(engine))
    with engine.system.db.write() as tx:
        limit_cleanup.tidy(tx, engine.clock() + timedelta(hours=24, minutes=2), 100)

    assert (before, uses(engine)) == (1, [])


def test_what_colleagues_were_told_of_them_goes_at_once(engine):
    under(engine, within())
    action, bo = asked(engine, 6_000, "1"), engine.person("bo")
    engine.drain()
    with engine.system.db.write() as tx:
        notices.add(tx, action_id=action.id, case_id=action.case_id, told={"lead": "obligation"}, now=engine.clock())
        (seen,) = notices.listing(tx, notices.reader(tx, bo, engine.clock()))
    found = survey(engine.system.db, ANA, Path("nowhere"))

    forget(engine)

    assert seen.sentence is not None
    assert (found.rows["notices"], found.rows["limit_holds"]) == (1, 0)
    with engine.system.db.read() as tx:
        assert tx.execute(select(told)).all() == []
        assert notices.listing(tx, notices.reader(tx, people.get(tx, bo.id), engine.clock())) == []

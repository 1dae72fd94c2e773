"""What is kept beside an archived case: its notices go along into the file, what it used up of limits goes on counting."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from tests.integration.limits.house import a_day, asked, under, within
from workers.archive import file, monthly
from workers.store.limit_tables import limit_holds
from workers.store.notice_tables import notices
from workers.store.notices import add
from workers.store.records import ActionState


def archived(engine, folder):
    engine.clock.on(minutes=5)
    run = monthly.Run(engine.system.db, folder, "operator:test", engine.clock)
    outcomes = list(monthly.archive(run, before=engine.clock() + timedelta(days=40), force=True))
    return [one for outcome in outcomes for one in file.cases(Path(outcome.file))]


def rows(engine, table):
    with engine.system.db.read() as tx:
        return tx.execute(select(table)).all()


def test_who_was_told_goes_along_and_none_stays_behind(engine, tmp_path):
    under(engine, within())
    action = asked(engine, 6_000, "1")
    engine.drain()
    with engine.system.db.write() as tx:
        add(tx, action_id=action.id, case_id=action.case_id, told={"lead": "obligation"}, now=engine.clock())
    (before,) = rows(engine, notices)

    (held,) = archived(engine, tmp_path)

    assert [(one["id"], one["action_id"], one["cause"]) for one in held["notices"]] == [
        (before.id, action.id, "obligation")
    ]
    assert rows(engine, notices) == []


def test_what_was_done_counts_from_when_it_was_done(engine, tmp_path):
    under(engine, within(a_day(10_000)))
    asked(engine, 6_000, "1")
    engine.clock.on(hours=2)
    engine.drain()

    done = engine.clock()
    archived(engine, tmp_path)

    (left,) = rows(engine, limit_holds)
    assert (left.at, left.leaves_at) == (done, done + timedelta(days=1))
    engine.clock.on(hours=23)
    assert asked(engine, 6_000, "2").state == ActionState.PENDING


def test_what_came_to_nothing_leaves_nothing_that_counts(engine, tmp_path):
    under(engine, within(a_day(10_000)))
    engine.decide(asked(engine, 6_000, "1"), "stop", reason="Not this one.")
    engine.drain()

    archived(engine, tmp_path)

    assert rows(engine, limit_holds) == []
    assert asked(engine, 6_000, "2").state == ActionState.APPROVED

"""Limits at work: what rules allow is reserved with the decision, given back where nothing came of it, and never exceeded."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event, select

from integrations.errors import Permanent
from tests.integration.limits.house import a_day, asked, fresh, under, within
from tests.kit.house import timed_out
from tests.kit.plans import watch
from workers import renewal
from workers.inbox.words import NotAllowed
from workers.limits.reserving import reserve_for_approval
from workers.store import actions, limit_cleanup, limits
from workers.store.limit_tables import limit_holds
from workers.store.records import ActionState


def spent(engine):
    """What counts now of all that is held of the one limit there is, in cents."""
    with engine.system.db.read() as tx:
        counters = set(tx.execute(select(limit_holds.c.counter)).scalars())
        since = engine.clock() - timedelta(days=1)
        return sum(limits.used(tx, counter, since=since)[1] for counter in counters)


def test_of_two_that_together_exceed_a_limit_one_runs_and_one_waits(engine):
    under(engine, within(a_day(10_000)))

    first, second = asked(engine, 6_000, "1"), asked(engine, 6_000, "2")

    assert (first.state, second.state) == (ActionState.APPROVED, ActionState.PENDING)
    assert "60.00 EUR of 100.00 EUR used" in " ".join(second.verdict["reasons"])
    engine.drain()
    assert engine.house.done("refund") == [6_000]


def test_a_failure_gives_back_what_was_reserved(engine):
    under(engine, within(a_day(10_000)))
    asked(engine, 6_000, "1")
    engine.house.before.append(Permanent("The account is closed."))
    engine.drain()

    second = asked(engine, 6_000, "2")

    assert second.state == ActionState.APPROVED
    assert spent(engine) == 6_000


def test_whoever_judges_anew_what_changed_meanwhile_reserves_nothing(engine):
    under(engine, within(a_day(10_000)))
    held = asked(engine, 6_000, "1")
    read_before = replace(held, version=held.version - 1, arguments={**held.arguments, "amount_minor": 1_000})

    assert not renewal.judge_again(engine.system, read_before)

    assert spent(engine) == 6_000
    assert engine.action("refund_payment") == held


@pytest.mark.parametrize("over", ["review", "deny"])
def test_what_goes_beyond_becomes_what_the_limit_says(engine, over):
    under(engine, within(a_day(10_000, over)))

    second = [asked(engine, 6_000, ticket) for ticket in "12"][1]

    assert second.state == {"review": ActionState.PENDING, "deny": ActionState.DENIED}[over]
    assert spent(engine) == 6_000


def test_a_count_is_a_limit_too(engine):
    under(engine, within(a_day(None, max_count=2)))

    states = [asked(engine, 100, ticket).state for ticket in "123"]

    assert states == [ActionState.APPROVED, ActionState.APPROVED, ActionState.PENDING]


def test_the_very_last_cent_fits_and_no_other_does(engine):
    under(engine, within(a_day(10_000)))

    states = [asked(engine, minor, ticket).state for minor, ticket in ((6_000, "1"), (4_000, "2"), (1, "3"))]

    assert states == [ActionState.APPROVED, ActionState.APPROVED, ActionState.PENDING]
    assert spent(engine) == 10_000


def test_the_window_rolls_and_is_no_calendar_day(engine):
    under(engine, within(a_day(10_000)))
    engine.clock.on(hours=11)  # an hour before midnight
    asked(engine, 6_000, "1")
    engine.drain()
    engine.clock.on(hours=2)
    assert asked(engine, 6_000, "2").state == ActionState.PENDING
    engine.clock.on(hours=21, minutes=59)
    assert asked(engine, 6_000, "3").state == ActionState.PENDING

    engine.clock.on(minutes=2)

    assert asked(engine, 6_000, "4").state == ActionState.APPROVED


def test_what_is_not_done_yet_counts_however_old_it_is(engine):
    """It may still go out: then it would be spent beside what was reserved since."""
    under(engine, within(a_day(10_000)))
    asked(engine, 6_000, "1")
    engine.clock.on(days=3)

    assert asked(engine, 6_000, "2").state == ActionState.PENDING


def test_what_may_have_happened_counts_until_somebody_knows(engine):
    under(engine, within(a_day(10_000)))
    first = asked(engine, 6_000, "1")
    with engine.system.db.write() as tx:
        actions.change(tx, first, now=engine.clock(), state=ActionState.UNCERTAIN, wake_at=None)
    engine.clock.on(days=3)
    assert asked(engine, 6_000, "2").state == ActionState.PENDING

    engine.decide(fresh(engine, first), "reject", reason="It did not happen.")

    assert asked(engine, 6_000, "3").state == ActionState.APPROVED


def test_a_late_answer_keeps_what_it_reserved(engine):
    under(engine, within(a_day(10_000)))
    asked(engine, 6_000, "1")
    engine.house.after.append(timed_out(maybe_done=True))
    engine.drain()

    assert spent(engine) == 6_000


def test_a_new_message_gives_back_what_its_drafts_reserved(engine):
    under(engine, within(a_day(10_000)))
    first = asked(engine, 6_000, "1")
    engine.event(delivery="again", ticket="1")

    assert fresh(engine, first).state == ActionState.STALE
    assert spent(engine) == 0


# ── people ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_where_a_limit_asks_for_people_their_yes_passes_and_counts(engine):
    under(engine, within(a_day(10_000)))
    second = [asked(engine, 6_000, ticket) for ticket in "12"][1]

    engine.decide(second)

    assert fresh(engine, second).state == ActionState.APPROVED
    assert spent(engine) == 12_000
    engine.clock.on(minutes=5)
    engine.sweep()
    assert sorted(engine.house.done("refund")) == [6_000, 6_000]


def test_where_a_limit_refuses_no_yes_goes_beyond_it(engine):
    under(engine, within(a_day(10_000, "deny"), outcome="review", approvers=[{"role": "support"}]))
    first, second = (asked(engine, 6_000, ticket) for ticket in "12")
    assert spent(engine) == 0, "what waits for people reserves nothing"
    engine.decide(first)

    with pytest.raises(NotAllowed, match=r"limit house/a-day is reached: 60.00 EUR of 100.00 EUR used"):
        engine.decide(second)

    assert fresh(engine, second).state == ActionState.PENDING
    assert spent(engine) == 6_000
    engine.drain()
    engine.clock.on(days=2)
    engine.decide(fresh(engine, second))
    assert fresh(engine, second).state == ActionState.APPROVED


def test_an_edit_reserves_what_it_was_changed_to(engine):
    under(engine, within(a_day(10_000, "deny"), outcome="review", approvers=[{"role": "support"}]))
    first = asked(engine, 6_000, "1")
    changed = {**first.arguments, "amount_minor": 2_500}

    edited = engine.decide(first, arguments=changed)

    assert edited.state == ActionState.APPROVED
    assert spent(engine) == 2_500


def test_approving_twice_reserves_once(engine):
    under(engine, within(a_day(10_000)))
    first = asked(engine, 6_000, "1")

    with engine.system.db.write() as tx:
        reserve_for_approval(tx, first, now=engine.clock())
        reserve_for_approval(tx, first, now=engine.clock())

    assert spent(engine) == 6_000


# ── what must never be missing, and what may go ──────────────────────────────────────────────────────────────────────


def test_nothing_is_sent_whose_reservation_is_not_there(engine):
    under(engine, within(a_day(10_000)))
    first = asked(engine, 6_000, "1")
    asked_since = asked(engine, 4_000, "2")
    with engine.system.db.write() as tx:
        limits.drop(tx, first.id)
        limits.drop(tx, asked_since.id)
    assert asked(engine, 9_000, "3").state == ActionState.APPROVED
    # Long enough for what was handed on to be read again.
    engine.clock.on(seconds=2)

    engine.drain()

    assert engine.house.done("refund") == [9_000]
    assert fresh(engine, first).state == ActionState.PENDING
    assert "limit house/a-day is reached" in " ".join(fresh(engine, first).verdict["reasons"])


def test_cleaning_up_changes_nothing_of_what_counts_and_leaves_nothing_in_the_end(engine):
    under(engine, within(a_day(10_000)))
    asked(engine, 6_000, "1")
    engine.drain()
    waiting = asked(engine, 3_000, "2")
    engine.house.before.append(Permanent("No."))
    failed = asked(engine, 1_000, "3")
    engine.hints.waiting = [("action", failed.id)]
    engine.drain()
    before = spent(engine)

    with engine.system.db.write() as tx:
        limit_cleanup.tidy(tx, engine.clock(), 100)

    assert (before, spent(engine)) == (9_000, 9_000)
    engine.hints.waiting = [("action", waiting.id)]
    engine.drain()
    engine.clock.on(days=2)
    with engine.system.db.write() as tx:
        limit_cleanup.tidy(tx, engine.clock(), 100)
        limit_cleanup.tidy(tx, engine.clock(), 100)
        assert tx.execute(select(limit_holds)).all() == []


def test_a_case_that_no_limit_is_about_asks_nothing_of_them(engine):
    under(engine, within())
    db, told = engine.system.db, []
    event.listen(db.engine, "before_cursor_execute", lambda *given: told.append(given[2]))

    with nullcontext() if db.is_sqlite else watch(db) as plans:
        action = asked(engine, 500, "1")
        engine.drain()

    assert fresh(engine, action).state == ActionState.DONE
    assert [statement for statement in told if "limit_holds" in statement] == []
    if plans is not None:
        # The flow's own statements, which go past SQLAlchemy.
        assert "actions" in {scan.table for scan in plans.scans}
        assert "limit_holds" not in {scan.table for scan in plans.scans if scan.loops}

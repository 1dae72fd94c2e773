"""Time that passes: rungs that let further people decide, snoozes, and an end that is a no."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.kit.engine import refund
from tests.kit.rules import asking
from workers.inbox import lists
from workers.inbox.lists import Tab
from workers.inbox.words import AlreadyDecided, Invalid
from workers.renewal import judge_again
from workers.store import audit
from workers.store.records import ActionState

LADDER = [{"after_minutes": 60, "role": "lead"}, {"after_minutes": 240, "role": "finance"}]


@pytest.fixture
def drafted(engine, tmp_path):
    def draft(*, ticket="7", delivery="d1", **rule):
        engine.system = engine.system.under(asking(tmp_path, **rule))
        engine.model.drafts = [[refund()]]
        engine.event(ticket=ticket, delivery=delivery)
        engine.drain()
        return engine.action("refund_payment")

    return draft


def passed_on(engine):
    with engine.system.db.read() as tx:
        log = audit.of_chain(tx, engine.case().id)
    return [entry.data["role"] for entry in log if entry.verb == "passed_on"]


def listed(engine, person, tab=Tab.MINE):
    with engine.system.db.read() as tx:
        return lists.load(tx, person, tab=tab, domain="", domains=["support"], now=engine.clock())


def test_the_deadline_of_the_policy_counts_and_its_end_is_a_no(engine, drafted):
    action = drafted(approvers=[{"role": "support"}], deadline_minutes=90)
    assert action.expires_at == engine.clock() + timedelta(minutes=90)

    engine.clock.on(minutes=89)
    engine.sweep()
    assert engine.action("refund_payment").state == ActionState.PENDING
    engine.clock.on(minutes=1)
    engine.sweep()

    expired = engine.action("refund_payment")
    assert expired.state == ActionState.EXPIRED
    with pytest.raises(AlreadyDecided):
        engine.decide(expired)
    assert engine.house.effects == []


def test_each_rung_lets_in_one_more_group_and_is_told_once(engine, drafted):
    action = drafted(approvers=[{"role": "support", "ladder": LADDER}])
    sue, lea, fin = (engine.person(n, (g,)) for n, g in (("sue", "support"), ("lea", "lead"), ("fin", "finance")))
    assert action.wake_at == engine.clock() + timedelta(minutes=60)
    with pytest.raises(Invalid, match="You may decide this from 2026-11-20 13:00 UTC on"):
        engine.decide(action, by=lea)
    assert [listed(engine, who).rows != () for who in (sue, lea, fin)] == [True, False, False]

    engine.clock.on(minutes=60)
    engine.sweep()
    engine.sweep()

    waiting = engine.action("refund_payment")
    assert passed_on(engine) == ["lead"]
    assert waiting.waiting_for == "Asked since 60 minutes: lead may decide now."
    assert waiting.wake_at == engine.clock() + timedelta(minutes=180)
    assert [listed(engine, who).rows != () for who in (sue, lea, fin)] == [True, True, False]
    assert "Asked since 60 minutes" in listed(engine, lea).rows[0].why
    engine.decide(waiting, by=lea)
    engine.drain()
    assert engine.house.done("refund") == [4000]


def test_what_is_judged_anew_is_asked_for_from_then_on(engine, drafted):
    """Who would have been let in by now had nothing changed waits as long once more."""
    action = drafted(approvers=[{"role": "support", "ladder": LADDER}])
    engine.clock.on(minutes=60)
    assert judge_again(engine.system, action)

    anew = engine.action("refund_payment")
    assert anew.revision == 2
    with pytest.raises(Invalid, match="You may decide this from 2026-11-20 14:00 UTC on"):
        engine.decide(anew, by=engine.person("lea", ("lead",)))
    engine.clock.on(minutes=60)
    assert engine.decide(anew, by=engine.person("lea", ("lead",))).state == ActionState.APPROVED


def test_rungs_that_passed_while_nothing_ran_are_all_told(engine, drafted):
    drafted(approvers=[{"role": "support", "ladder": LADDER}])

    engine.clock.on(minutes=300)
    engine.sweep()

    assert passed_on(engine) == ["lead", "finance"]
    waiting = engine.action("refund_payment")
    assert waiting.wake_at == waiting.expires_at


def test_a_rung_passed_on_decides_nothing_by_itself(engine, drafted):
    drafted(approvers=[{"role": "support", "ladder": LADDER}], deadline_minutes=400)

    for _ in range(8):
        engine.clock.on(minutes=50)
        engine.sweep()

    assert engine.action("refund_payment").state == ActionState.EXPIRED
    assert engine.house.effects == []


def test_the_ladder_of_a_later_stage_begins_when_its_turn_comes(engine, drafted):
    ladder = [{"after_minutes": 30, "role": "legal"}]
    drafted(stages=[[{"role": "lead"}], [{"role": "finance", "ladder": ladder}]])
    engine.clock.on(minutes=100)
    lea, lex = engine.person("lea", ("lead",)), engine.person("lex", ("legal",))

    engine.decide(engine.action("refund_payment"), by=lea)
    half = engine.action("refund_payment")
    assert half.wake_at == engine.clock() + timedelta(minutes=30)
    with pytest.raises(Invalid, match="from 2026-11-20 14:10 UTC on"):
        engine.decide(half, by=lex)
    engine.clock.on(minutes=30)
    engine.sweep()
    engine.decide(engine.action("refund_payment"), by=lex)
    engine.drain()

    assert passed_on(engine) == ["legal"]
    assert engine.house.done("refund") == [4000]


def test_nobody_snoozes_past_a_rung_nor_past_the_deadline(engine, drafted):
    action = drafted(approvers=[{"role": "support", "ladder": LADDER}], deadline_minutes=300)

    with pytest.raises(Invalid, match="others may decide this too: snooze until then at most"):
        engine.decide(action, "snooze", until=engine.clock() + timedelta(minutes=61))
    engine.clock.on(minutes=250)
    engine.sweep()
    with pytest.raises(Invalid, match="must be decided by"):
        engine.decide(engine.action("refund_payment"), "snooze", until=engine.clock() + timedelta(minutes=51))


def test_a_snooze_hides_and_a_rung_does_not(engine, drafted):
    action = drafted(approvers=[{"role": "support", "ladder": LADDER}])
    ana = engine.person("ana")
    assert len(listed(engine, ana).rows) == 1

    engine.decide(action, "snooze", by=ana, until=engine.clock() + timedelta(minutes=20))
    assert (listed(engine, ana).rows, listed(engine, ana).snoozed) == ((), 1)
    engine.clock.on(minutes=20)
    engine.sweep()

    awake = engine.action("refund_payment")
    assert (len(listed(engine, ana).rows), listed(engine, ana).snoozed) == (1, 0)
    assert (awake.snoozed_until, awake.wake_at) == (None, action.wake_at)
    assert passed_on(engine) == []


def test_what_the_ladder_has_passed_on_comes_first_in_the_list(engine, drafted):
    first = drafted(approvers=[{"role": "support"}])
    engine.clock.on(minutes=1)
    second = drafted(approvers=[{"role": "support", "ladder": LADDER}], ticket="8", delivery="d2")
    engine.clock.on(minutes=60)
    engine.sweep()

    shown = [row.waiting.action.id for row in listed(engine, engine.person("ana")).rows]
    assert shown == [second.id, first.id]


@pytest.mark.parametrize("meanwhile", ["snooze", "approve"])
def test_a_rung_that_nobody_was_told_of_yet_is_told_whatever_was_said_meanwhile(engine, drafted, meanwhile):
    """It was reached while no worker of actions ran: what was decided then moves the next look, and the rung is told all the same."""
    action = drafted(approvers=[{"role": "support", "n": 2, "ladder": LADDER}])
    engine.clock.on(minutes=70)
    until = {"until": engine.clock() + timedelta(minutes=30)} if meanwhile == "snooze" else {}
    engine.decide(action, meanwhile, by=engine.person("sue", ("support",)), **until)

    engine.clock.on(minutes=30)
    engine.sweep()

    assert passed_on(engine) == ["lead"]
    engine.clock.on(minutes=140)
    engine.sweep()
    assert passed_on(engine) == ["lead", "finance"]

"""Who decides an action and carries it out at once begins it in the very commit that decides it: the same ledger, one commit less."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from integrations.base import VersionReader
from integrations.errors import Permanent, Postponed, Stale, Temporary
from policies.loader import loads
from tests.integration.limits.house import under, within
from tests.kit.died import Died
from tests.kit.engine import documents, escalate, refund, reply, tags
from tests.kit.rules import KINDS
from workers import faults
from workers.execute import CRASH_POINTS
from workers.ledger import MOST_TRIES
from workers.store import actions, figures, flow, switches
from workers.store.records import ActionState, CaseState
from workers.store.tables import attempts, steps

MONEY = {"charge": "ch_1b"}


@pytest.fixture
def at_hand(engine):
    """Everything is allowed, nothing has a version to look up, and whoever decides is at hand to carry it out."""
    rule = {"id": "go", "actions": "*", "when": "true", "outcome": "allow", "message": "Go on"}
    bundle = {"bundle": "house", "version": 1, "layer": "platform", "enforcement": "enforce", "roles": ["lead"]}
    rules = {"house.yaml": json.dumps({**bundle, "actions": KINDS, "rules": [rule]})}
    under(engine, loads(rules, run_tests=False))
    engine.system.readers._found["house", VersionReader] = None
    engine.begins_at_once()
    # A busy machine may stop a test for seconds between an attempt and its call.
    patient = engine.system.settings.model_copy(update={"dead_after_seconds": 120.0})
    engine.system = replace(engine.system, settings=patient)
    return engine


def decided(engine, *drafts, alert=False):
    """A case whose actions are decided, and none of them carried out."""
    engine.model.drafts = [list(drafts)]
    if alert:
        engine.alert()
    else:
        engine.event()
    engine.drain(limit=1)
    return engine.actions()


def told(engine, action):
    with engine.system.db.read() as tx:
        return actions.attempts_of(tx, action.id)


def rows(engine):
    with engine.system.db.read() as tx:
        return tx.execute(select(func.count()).select_from(attempts)).scalar_one()


def held(engine, action):
    return ("action", action.id) in engine.system.leases._held


def test_one_commit_decides_it_and_begins_it(at_hand, monkeypatch):
    monkeypatch.delattr(flow, "begin")
    (action,) = decided(at_hand, refund(**MONEY))

    now = at_hand.clock()
    assert (action.state, action.claimed_by, action.tries) == (ActionState.EXECUTING, at_hand.system.worker, 1)
    assert action.wake_at == now + at_hand.system.settings.lease
    assert at_hand.house.effects == []
    assert [(one.number, one.outcome, one.started_at) for one in told(at_hand, action)] == [(1, None, now)]
    assert held(at_hand, action)

    at_hand.drain()

    assert at_hand.house.done("refund") == [4000]
    assert at_hand.action("refund_payment").state == ActionState.DONE
    assert at_hand.case().state == CaseState.CLOSED
    assert not held(at_hand, action)


def test_it_tells_the_same_as_an_attempt_that_was_begun_by_itself(at_hand):
    """But for the row, of which there is none: what was done at the first try, the action tells."""
    decided(at_hand, refund(**MONEY))
    at_hand.drain()
    first = at_hand.action("refund_payment")
    at_hand.hints.begins_here = lambda _snapshot: False
    at_hand.event("d2", ticket="8")
    at_hand.drain()
    second = at_hand.action("refund_payment")

    def plainly(action):
        (one,) = told(at_hand, action)
        assert one.action_id == one.key == action.id
        assert one.digest == action.digest
        assert one.receipt == action.receipt
        return replace(one, id="", action_id="", key="", digest="", receipt=None)

    assert rows(at_hand) == 1
    assert plainly(first) == plainly(second)
    assert (first.version, first.tries, first.decided_by) == (second.version, second.tries, second.decided_by)


@pytest.mark.parametrize("proposal", [refund(**MONEY), reply(), tags()], ids=["idempotent", "reconcilable", "tags"])
def test_a_process_that_died_between_commit_and_call_leaves_it_to_be_done_once(at_hand, proposal):
    (action,) = decided(at_hand, proposal)
    at_hand.hints.waiting.clear()
    at_hand.hints.known.clear()

    at_hand.clock.on(minutes=2)
    at_hand.sweep()

    assert len(at_hand.house.effects) == 1
    assert at_hand.action(action.kind).state == ActionState.DONE
    assert [one.number for one in told(at_hand, action)] == [1, 2]
    assert rows(at_hand) == 2


@pytest.mark.parametrize("point", ["case.decide.committing", "case.decide.committed", *CRASH_POINTS])
@pytest.mark.parametrize("proposal", [refund(**MONEY), reply()], ids=["idempotent", "reconcilable"])
def test_wherever_the_process_died_it_is_done_once_and_nobody_is_asked(at_hand, monkeypatch, proposal, point):
    def die(name):
        if name == point:
            raise Died

    def whole():
        decided(at_hand, proposal)
        at_hand.drain()

    with monkeypatch.context() as dying:
        dying.setattr(faults, "point", die)
        if point == "action.attempt_committing":
            # That of an attempt of its own; here it is that of the decision.
            whole()
        else:
            with pytest.raises(Died):
                whole()

    at_hand.hints.known.clear()
    at_hand.clock.on(minutes=2)
    at_hand.sweep()
    at_hand.clock.on(minutes=2)
    at_hand.sweep()

    assert len(at_hand.house.effects) == 1
    assert at_hand.case().state == CaseState.CLOSED
    assert {action.state for action in at_hand.actions()} == {ActionState.DONE}


@pytest.mark.parametrize("proposal", [refund(**MONEY), reply()], ids=["idempotent", "reconcilable"])
def test_a_process_that_died_after_the_call_leaves_it_done_once(at_hand, proposal):
    (action,) = decided(at_hand, proposal)
    at_hand.house.after.append(Died())
    with pytest.raises(Died):
        at_hand.drain()

    at_hand.clock.on(minutes=2)
    at_hand.sweep()

    assert len(at_hand.house.effects) == 1
    assert at_hand.action(action.kind).state == ActionState.DONE


@pytest.mark.parametrize("scope", ["all", "domain:support", "action:refund_payment", "vendor:house", "rule:house/go"])
def test_a_switch_thrown_between_judging_and_commit_lets_nothing_begin(at_hand, scope):
    ready = at_hand.hints.begins_here

    def thrown_meanwhile(snapshot):
        with at_hand.system.db.write() as tx:
            switches.throw(tx, scope, reason="Something is odd", actor="person:ana", now=at_hand.clock())
        return ready(snapshot)

    at_hand.hints.begins_here = thrown_meanwhile
    (action,) = decided(at_hand, refund(**MONEY))

    assert (action.state, action.tries, told(at_hand, action)) == (ActionState.APPROVED, 0, [])
    assert not held(at_hand, action)
    assert at_hand.model.tasks() == ["triage", "draft"]
    with at_hand.system.db.read() as tx:
        assert sorted(tx.execute(select(steps.c.name)).scalars()) == ["draft", "triage"]

    at_hand.drain()
    assert at_hand.house.effects == []


def test_a_switch_for_something_else_does_not_hinder_it(at_hand):
    with at_hand.system.db.write() as tx:
        switches.throw(tx, "vendor:other", reason="Odd", actor="person:ana", now=at_hand.clock())

    assert decided(at_hand, refund(**MONEY))[0].state == ActionState.EXECUTING


def test_of_a_round_that_a_message_joined_nothing_is_begun(at_hand):
    ready = at_hand.hints.begins_here

    def joined_meanwhile(snapshot):
        at_hand.event("d2", text="Never mind")
        return ready(snapshot)

    at_hand.hints.begins_here = joined_meanwhile

    found = decided(at_hand, refund(**MONEY))

    assert [(action.round, action.tries) for action in found] == [(2, 0)]
    assert at_hand.house.effects == []
    assert at_hand.system.leases.held() == 0


@pytest.mark.parametrize(
    ("proposals", "alert"),
    [([documents()], True), ([tags(), escalate()], False), ([refund(**MONEY), tags()], False)],
    ids=["at most once", "two on one target", "two on two"],
)
def test_what_may_leave_a_doubt_or_is_not_alone_is_decided_and_not_begun(at_hand, proposals, alert):
    found = decided(at_hand, *proposals, alert=alert)

    assert {action.state for action in found} == {ActionState.APPROVED}
    at_hand.drain()
    assert {action.state for action in at_hand.actions()} == {ActionState.DONE}
    assert len(at_hand.house.effects) == len(proposals)


def test_what_rests_on_it_follows(at_hand):
    states = [action.state for action in decided(at_hand, refund(**MONEY), reply())]
    assert states == [ActionState.EXECUTING, ActionState.APPROVED]

    at_hand.drain()

    assert [kind for kind, _, _ in at_hand.house.effects] == ["refund", "reply"]
    assert at_hand.case().state == CaseState.CLOSED


def test_a_version_that_has_to_be_looked_up_first_is_not_waited_for(at_hand):
    at_hand.system.readers._found.clear()

    (action,) = decided(at_hand, refund(charge="ch_1"))

    assert action.target_version
    assert action.state == ActionState.APPROVED


def test_without_somebody_who_can_write_there_nothing_is_begun(at_hand):
    at_hand.writers._by_system.clear()

    assert decided(at_hand, refund(**MONEY))[0].state == ActionState.APPROVED
    at_hand.drain()
    assert "credentials" in at_hand.action("refund_payment").reason


def test_what_was_decided_under_another_policy_is_not_begun(at_hand):
    ready = at_hand.hints.begins_here

    def changed_meanwhile(snapshot):
        under(at_hand, within())
        return ready(snapshot)

    at_hand.hints.begins_here = changed_meanwhile

    assert decided(at_hand, refund(**MONEY))[0].state == ActionState.APPROVED


@pytest.mark.parametrize(
    ("error", "state", "outcome", "tries"),
    [
        (Temporary("Busy."), ActionState.APPROVED, "not_done", 1),
        (Postponed("Later."), ActionState.APPROVED, "not_done", 0),
        (Temporary("No answer.", maybe_done=True), ActionState.EXECUTING, None, 1),
        (Permanent("Too old."), ActionState.FAILED, "failed", 1),
        (Stale("It changed."), ActionState.STALE, "stale", 1),
    ],
    ids=["busy", "postponed", "no answer", "refused", "stale"],
)
def test_however_else_it_ends_its_attempt_says_so(at_hand, error, state, outcome, tries):
    decided(at_hand, refund(**MONEY))
    at_hand.house.before.append(error)
    at_hand.drain(limit=1)

    action = at_hand.actions("refund_payment")[0]
    assert (action.state, action.tries) == (state, tries)
    (one,) = told(at_hand, action)
    assert (one.number, one.outcome, one.error) == (1, outcome, outcome and str(error))


def test_after_a_refusal_for_now_it_is_tried_again_and_both_are_told(at_hand):
    (action,) = decided(at_hand, refund(**MONEY))
    at_hand.house.before.append(Temporary("Busy."))
    at_hand.drain()
    at_hand.clock.on(minutes=10)
    at_hand.sweep()

    assert [(one.number, one.outcome) for one in told(at_hand, action)] == [(1, "not_done"), (2, "done")]
    assert at_hand.house.done("refund") == [4000]


def test_a_process_that_stood_still_after_the_commit_does_not_send_it(at_hand):
    (action,) = decided(at_hand, refund(**MONEY))
    later = at_hand.system.monotonic() + at_hand.system.settings.dead_after_seconds
    at_hand.system = replace(at_hand.system, monotonic=lambda: later)

    at_hand.drain()

    assert at_hand.house.effects == []
    assert at_hand.action("refund_payment").state == ActionState.APPROVED
    assert [one.outcome for one in told(at_hand, action)] == ["not_done"]


def test_many_tries_end_with_a_person_here_too(at_hand):
    decided(at_hand, refund(**MONEY))
    at_hand.house.before.extend([Temporary("Down.")] * (MOST_TRIES + 1))
    at_hand.drain()
    for _ in range(MOST_TRIES):
        at_hand.clock.on(hours=1)
        at_hand.sweep()

    assert at_hand.action("refund_payment").state == ActionState.FAILED
    assert at_hand.house.effects == []


def test_the_figures_count_what_only_the_action_tells(at_hand):
    counted, since = [], datetime(2020, 1, 1, tzinfo=UTC)
    decided(at_hand, refund(**MONEY))
    for _ in range(2):
        now = at_hand.clock()
        with at_hand.system.db.read() as tx:
            found = figures.take(tx, now, since=since, seen_within=timedelta(seconds=9))
        counted.append([(tried.kind, tried.outcome, tried.count) for tried in found.attempts])
        at_hand.drain()

    assert counted == [[("refund_payment", "open", 1)], [("refund_payment", "done", 1)]]

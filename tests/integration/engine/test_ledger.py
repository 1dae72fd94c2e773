"""The effect ledger: what happens when a call fails, hangs, or its process dies."""

from __future__ import annotations

import pytest

from integrations.errors import Permanent, Stale, Temporary
from tests.kit.died import Died
from tests.kit.engine import documents, escalate, refund, reply, tags
from tests.kit.house import timed_out
from workers.execute import carry_out
from workers.ledger import MOST_TRIES
from workers.store import actions, switches
from workers.store.records import ActionState, CaseState


@pytest.fixture
def approved(engine):
    def make(proposal, kind):
        engine.model.drafts = [[proposal]]
        if kind == "request_documents":
            engine.alert()
        else:
            engine.event()
        engine.drain()
        if engine.action(kind).state == ActionState.PENDING:
            engine.decide(engine.action(kind))
        return engine.action(kind)

    return make


def answered_late(engine):
    """A refund that was paid, and whose answer never came."""
    engine.model.drafts = [[refund()]]
    engine.event()
    engine.drain()
    engine.decide(engine.action("refund_payment"))
    engine.house.after = [Temporary("The answer was lost.", maybe_done=True)]
    engine.drain()


def attempts(engine, action):
    with engine.system.db.read() as tx:
        return [a.outcome for a in actions.attempts_of(tx, action.id)]


@pytest.mark.parametrize("done", [False, True], ids=["before the effect", "after the effect"])
def test_an_idempotent_action_is_asked_again_with_the_same_key_after_a_crash(engine, approved, done):
    action = approved(refund(), "refund_payment")
    (engine.house.after if done else engine.house.before).append(Died())
    with pytest.raises(Died):
        engine.drain()

    engine.clock.on(minutes=2)
    engine.sweep()

    assert engine.house.done("refund") == [4000]
    assert {key for _, key, _ in engine.house.effects} == {action.id}
    assert engine.action("refund_payment").state == ActionState.DONE


@pytest.mark.parametrize("then", [Stale("The charge changed."), Permanent("No.")], ids=["changed", "refused"])
def test_a_try_that_did_nothing_says_nothing_of_the_one_before_it(engine, then):
    """Late answer, then a refusal before doing, then an answer that our own first try explains: never paid twice."""
    answered_late(engine)
    engine.house.before = [Temporary("Busy.")]
    engine.clock.on(minutes=10)
    engine.sweep()
    assert engine.action("refund_payment").state == ActionState.EXECUTING
    assert attempts(engine, engine.action("refund_payment")) == [None, "not_done"]

    engine.house.before = [then]
    engine.clock.on(minutes=10)
    engine.sweep()

    assert engine.action("refund_payment").state == ActionState.UNCERTAIN
    assert engine.house.done("refund") == [4000]


def test_after_a_late_answer_and_a_refusal_it_is_asked_again_with_the_same_key(engine):
    answered_late(engine)
    engine.house.before = [Temporary("Busy.")]
    for _ in range(2):
        engine.clock.on(minutes=10)
        engine.sweep()

    assert engine.action("refund_payment").state == ActionState.DONE
    assert engine.house.done("refund") == [4000]


def test_a_changed_target_proves_nothing_while_an_earlier_try_may_have_changed_it(engine):
    answered_late(engine)
    engine.house.before = [Stale("The charge is at another version.")]
    engine.clock.on(minutes=10)
    engine.sweep()

    action = engine.action("refund_payment")
    assert action.state == ActionState.UNCERTAIN, "it did happen, and would have been called stale"
    assert "earlier try" in action.reason
    assert engine.house.done("refund") == [4000]


@pytest.mark.parametrize("held", [False, True], ids=["nobody was there", "held by a switch"])
def test_a_key_that_the_other_side_may_have_forgotten_is_not_relied_on(engine, held):
    """Payment services keep a key for a day. Then the same request is a new one to them, and pays again."""
    answered_late(engine)
    if held:
        with engine.system.db.write() as tx:
            switches.throw(tx, "all", reason="A look", actor="person:ana", now=engine.clock())
        engine.clock.on(hours=1)
        engine.sweep()
        with engine.system.db.write() as tx:
            switches.release(tx, "all")
    engine.clock.on(hours=24)
    engine.house.by_key.clear()
    # Nor does it guard what it changes.
    engine.house.versions.clear()
    engine.sweep()

    action = engine.action("refund_payment")
    assert engine.house.done("refund") == [4000]
    assert action.state == ActionState.UNCERTAIN
    assert "forgotten" in action.reason


def test_what_can_be_looked_for_is_looked_for_however_long_ago_it_was_tried(engine, approved):
    approved(reply(), "reply_to_customer")
    engine.house.after.append(Died())
    with pytest.raises(Died):
        engine.drain()

    engine.clock.on(days=3)
    engine.sweep()

    assert len(engine.house.done("reply")) == 1
    assert engine.action("reply_to_customer").state == ActionState.DONE


@pytest.mark.parametrize("done", [False, True], ids=["before the effect", "after the effect"])
def test_a_reconcilable_action_looks_before_it_does_it_again(engine, approved, done):
    approved(reply(), "reply_to_customer")
    (engine.house.after if done else engine.house.before).append(Died())
    with pytest.raises(Died):
        engine.drain()

    engine.clock.on(minutes=2)
    engine.sweep()

    assert len(engine.house.done("reply")) == 1
    assert engine.action("reply_to_customer").state == ActionState.DONE


@pytest.mark.parametrize("done", [False, True], ids=["before the effect", "after the effect"])
def test_an_at_most_once_action_is_never_tried_again_after_a_crash(engine, approved, done):
    approved(documents(), "request_documents")
    (engine.house.after if done else engine.house.before).append(Died())
    with pytest.raises(Died):
        engine.drain()

    engine.clock.on(minutes=2)
    engine.sweep()
    engine.clock.on(days=1)
    engine.sweep()

    assert len(engine.house.done("mail")) == int(done)
    assert engine.action("request_documents").state == ActionState.UNCERTAIN
    assert engine.case().state == CaseState.INBOX


def test_a_time_out_after_sending_makes_an_at_most_once_action_uncertain(engine, approved):
    approved(documents(), "request_documents")
    engine.house.after.append(timed_out(maybe_done=True))

    engine.drain()

    assert engine.action("request_documents").state == ActionState.UNCERTAIN
    assert len(engine.house.done("mail")) == 1


def test_done_but_reported_as_a_time_out_is_done_once(engine, approved):
    action = approved(refund(), "refund_payment")
    engine.house.after.append(timed_out(maybe_done=True))
    engine.drain()
    assert engine.action("refund_payment").waiting_for == "No answer within 10 s."

    engine.clock.on(minutes=10)
    engine.sweep()

    assert engine.house.done("refund") == [4000]
    assert engine.action("refund_payment").state == ActionState.DONE
    assert attempts(engine, action)[-1] == "done"


def test_a_vendor_that_is_down_is_waited_for_with_the_reason_visible(engine, approved):
    action = approved(refund(), "refund_payment")
    engine.house.before.extend([Temporary("The vendor answers 503.", retry_after=30)] * 3)

    engine.drain()
    waiting = engine.action("refund_payment")
    assert (waiting.state, waiting.waiting_for) == (ActionState.APPROVED, "The vendor answers 503.")
    assert (waiting.wake_at - engine.clock()).total_seconds() == pytest.approx(30)
    for _ in range(3):
        engine.clock.on(seconds=31)
        engine.sweep()

    assert engine.house.done("refund") == [4000]
    assert attempts(engine, action) == ["not_done", "not_done", "not_done", "done"]


def test_a_vendor_that_never_comes_back_ends_with_a_person(engine, approved):
    approved(refund(), "refund_payment")
    engine.house.before.extend([Temporary("Down.")] * (MOST_TRIES + 1))

    for _ in range(MOST_TRIES + 1):
        engine.clock.on(hours=1)
        engine.sweep()

    assert engine.action("refund_payment").state == ActionState.FAILED
    assert "Down." in engine.case().attention
    assert engine.house.effects == []


def test_a_vendor_that_always_answers_late_ends_with_a_person_who_has_to_look(engine):
    answered_late(engine)
    engine.house.before = [Temporary("The answer was lost.", maybe_done=True) for _ in range(MOST_TRIES)]
    for _ in range(MOST_TRIES):
        engine.clock.on(hours=1)
        engine.sweep()

    ended = engine.action("refund_payment")
    assert (ended.state, ended.tries) == (ActionState.UNCERTAIN, MOST_TRIES)


def test_a_refusal_is_final_and_told(engine, approved):
    approved(refund(), "refund_payment")
    engine.house.before.append(Permanent("The charge is too old to refund."))

    engine.drain()

    assert engine.action("refund_payment").state == ActionState.FAILED
    assert engine.case().state == CaseState.INBOX
    assert "too old" in engine.case().attention


def test_our_own_writes_do_not_make_our_next_write_stale(engine):
    engine.model.drafts = [[tags(), reply()]]
    engine.event()
    engine.drain()
    engine.decide(engine.action("reply_to_customer"))
    engine.drain()

    assert [kind for kind, _, _ in engine.house.effects] == ["tag", "reply"]
    assert {a.state for a in engine.actions()} == {ActionState.DONE}


def test_somebody_elses_write_does(engine):
    engine.model.drafts = [[reply()]]
    engine.event()
    engine.drain()
    engine.house.touched_by_somebody_else("house:ticket:7")
    engine.decide(engine.action("reply_to_customer"))
    engine.drain()

    assert engine.house.effects == []
    assert [a.state for a in engine.actions()] == [ActionState.STALE, ActionState.PENDING]


@pytest.mark.parametrize("scope", ["all", "domain:support", "action:refund_payment"])
def test_a_thrown_switch_holds_actions_and_released_lets_them_go_on(engine, approved, scope):
    action = approved(refund(), "refund_payment")
    with engine.system.db.write() as tx:
        switches.throw(tx, scope, reason="Something is odd", actor="person:ana", now=engine.clock())
    engine.drain()
    assert engine.house.effects == []
    assert "Something is odd" in engine.action("refund_payment").waiting_for

    with engine.system.db.write() as tx:
        switches.release(tx, scope)
    engine.clock.on(seconds=10)
    engine.sweep()

    assert engine.house.done("refund") == [4000]
    assert attempts(engine, action) == ["done"]


def test_what_may_have_been_done_is_ended_though_the_rule_that_allowed_it_is_suspended(engine):
    """Whether it was done is found out under its own key; what it would begin anew is another matter."""
    engine.model.drafts = [[refund(1200)]]
    engine.event()
    engine.house.after = [Temporary("The answer was lost.", maybe_done=True)]
    engine.drain()
    action = engine.action("refund_payment")
    assert action.state == ActionState.EXECUTING
    with engine.system.db.write() as tx:
        for rule in action.verdict["rules"]:
            switches.throw(tx, f"rule:{rule}", reason="Taken back", actor="person:ana", now=engine.clock())

    engine.clock.on(minutes=10)
    engine.sweep()

    assert engine.house.done("refund") == [1200]
    assert {key for _, key, _ in engine.house.effects} == {action.id}
    assert engine.action("refund_payment").state == ActionState.DONE


def test_no_writer_for_the_system_is_said_plainly(engine, approved):
    action = approved(refund(), "refund_payment")
    engine.writers._by_system.clear()

    carry_out(engine.system, engine.writers, action.id)

    assert engine.action("refund_payment").state == ActionState.FAILED
    assert "credentials" in engine.action("refund_payment").reason


def test_two_actions_on_one_target_take_turns_and_neither_makes_the_other_stale(engine):
    engine.model.drafts = [[tags(), escalate()]]
    engine.event()
    engine.drain(limit=1)
    waiting = list(engine.hints.waiting)
    engine.hints.waiting.clear()

    # The later one is looked at first, while the earlier one is about to go out.
    for _, action_id in reversed(waiting):
        carry_out(engine.system, engine.writers, action_id)
    engine.drain()

    assert [kind for kind, _, _ in engine.house.effects] == ["tag", "assign"]
    assert {a.state for a in engine.actions()} == {ActionState.DONE}
    assert engine.case().state == CaseState.CLOSED


def test_an_action_that_ends_after_the_target_changed_leaves_the_agents_new_round_alone(engine):
    engine.model.drafts = [[tags(), refund()], [reply("Second")]]
    engine.event()
    engine.drain(limit=1)
    engine.decide(engine.action("refund_payment"))
    engine.house.touched_by_somebody_else("house:charge:ch_1")
    tag, money = engine.action("add_tags"), engine.action("refund_payment")

    carry_out(engine.system, engine.writers, money.id)  # stale: the agent begins again
    carry_out(engine.system, engine.writers, tag.id)
    engine.drain()

    assert engine.case().state == CaseState.INBOX
    assert [a.arguments["body"] for a in engine.actions() if a.state == ActionState.PENDING] == ["Second"]

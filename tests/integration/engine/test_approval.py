"""Approval failures seen in public elsewhere, row by row: none of them may happen here."""

from __future__ import annotations

import threading

import pytest

from policies.loader import load
from tests.kit.engine import documents, make_engine, refund, reply
from tests.kit.house import timed_out
from workers.execute import carry_out
from workers.inbox.words import AlreadyDecided, Invalid, NotAllowed, Word
from workers.settings import SHIPPED_POLICY
from workers.store import actions
from workers.store.records import ActionState, CaseState
from workers.store.tables import actions as action_table


@pytest.fixture
def pending(engine):
    engine.model.drafts = [[refund()]]
    engine.event()
    engine.drain()
    return engine.action("refund_payment")


@pytest.mark.parametrize("word", ["", "yes", "Approve", "APPROVE", "approved", "none", "true"])
def test_a1_only_the_exact_words_are_decisions(word):
    with pytest.raises(ValueError, match="not a valid Word"):
        Word(word)


@pytest.mark.parametrize(
    "column",
    [
        {"arguments": {"charge_id": "ch_1", "amount_minor": 40000, "currency": "EUR", "reason": "damaged"}},
        {"arguments": {"charge_id": "ch_1", "amount_minor": 4000, "currency": "USD", "reason": "damaged"}},
        {"target": "house:charge:ch_2"},
        {"target_version": "v9"},
        {"kind": "hold_charge"},
        {"revision": 2},
        {"digest": "0" * 64},
        {"approved_digest": None},
        {"policy_hash": "0" * 64},
        {"verdict": {"requirements": [], "outcome": "allow", "reasons": [], "rules": [], "exclude": []}},
    ],
    ids=lambda c: next(iter(c)),
)
def test_a2_a14_what_changed_after_approval_is_never_sent(engine, pending, column):
    engine.decide(pending)
    with engine.system.db.write() as tx:
        tx.execute(action_table.update().values(**column))

    carry_out(engine.system, engine.writers, pending.id)

    assert engine.house.effects == []
    assert engine.actions()[0].state in (ActionState.STALE, ActionState.PENDING)


def test_a3_resuming_after_approval_asks_no_model_and_finds_its_decision_by_digest(engine, pending):
    engine.decide(pending)
    asked = len(engine.model.asked)
    engine.hints.waiting.clear()  # the process died: hints are gone

    engine.sweep()

    assert engine.house.done("refund") == [4000]
    assert len(engine.model.asked) == asked


def test_a4_ten_execute_messages_at_once_make_one_attempt_and_one_effect(engine, pending):
    engine.decide(pending)

    _at_once(10, lambda _: carry_out(engine.system, engine.writers, pending.id))
    carry_out(engine.system, engine.writers, pending.id)

    assert engine.house.done("refund") == [4000]
    with engine.system.db.read() as tx:
        assert [(a.number, a.outcome) for a in actions.attempts_of(tx, pending.id)] == [(1, "done")]


def test_a5_twenty_approvals_at_once_are_one_decision_and_the_others_learn_who(engine, pending):
    people = [engine.person(f"p{n}") for n in range(20)]
    outcomes = _at_once(20, lambda n: engine.decide(pending, by=people[n]))

    won = [o for o in outcomes if not isinstance(o, Exception)]
    lost = [o for o in outcomes if isinstance(o, AlreadyDecided)]
    assert (len(won), len(lost)) == (1, 19)
    assert all(won[0].decided_by == error.decided_by for error in lost)
    assert all(won[0].decided_by.removeprefix("person:") in str(error) for error in lost)


def test_a5_approve_and_reject_at_once_one_wins(engine, pending):
    ana, bo = engine.person("ana"), engine.person("bo")

    def choose(n):
        if n % 2:
            return engine.decide(pending, by=ana)
        return engine.decide(pending, "reject", by=bo, reason="No")

    outcomes = _at_once(8, choose)

    assert sum(not isinstance(o, Exception) for o in outcomes) == 1
    with engine.system.db.read() as tx:
        assert len(actions.decisions_of(tx, pending.id)) == 1


def test_a6_deciding_repeats_neither_reads_nor_model_calls(engine):
    engine.model.drafts = [[refund(), reply(), reply("Second")]]
    engine.event()
    engine.drain()
    reads, asked = list(engine.house.reads), len(engine.model.asked)

    for action in engine.actions():
        engine.decide(action)
        engine.drain()

    assert (engine.house.reads, len(engine.model.asked)) == (reads, asked)


def test_a7_two_of_a_kind_get_their_own_decisions_in_any_order(engine):
    engine.model.drafts = [[refund(3000), refund(5000)]]
    engine.event()
    engine.drain()
    first, second = engine.actions("refund_payment")

    engine.decide(second, "reject", reason="Too much")
    engine.decide(first)
    engine.drain()

    assert engine.house.done("refund") == [3000]


def test_a8_everything_restarted_between_decision_and_effect_changes_nothing(engine, pending, tmp_path):
    approved = engine.decide(pending)
    again = make_engine(tmp_path, url=engine.system.db.url)
    again.house.by_key, again.house.effects = engine.house.by_key, engine.house.effects
    try:
        assert again.action("refund_payment") == approved
        again.sweep()
        again.sweep()
    finally:
        again.system.close()

    assert engine.house.done("refund") == [4000]
    assert engine.action("refund_payment").state == ActionState.DONE


def test_a9_a_decision_in_the_instant_the_action_appears_is_kept(engine):
    engine.event()
    engine.drain()

    engine.decide(engine.action("refund_payment"))
    engine.sweep()

    assert engine.house.done("refund") == [4000]


def test_a11_nobody_in_time_means_no(engine, pending):
    engine.clock.on(days=8)
    engine.sweep()

    expired = engine.action("refund_payment")
    assert expired.state == ActionState.EXPIRED
    with pytest.raises(AlreadyDecided):
        engine.decide(expired)
    assert engine.house.effects == []
    assert engine.case().state == CaseState.CLOSED


def test_a11_a_target_that_changed_since_is_not_touched(engine, pending):
    engine.decide(pending)
    engine.house.touched_by_somebody_else("house:charge:ch_1")

    engine.drain()

    assert engine.house.effects == []
    states = [a.state for a in engine.actions("refund_payment")]
    assert states == [ActionState.STALE, ActionState.PENDING]
    assert engine.actions("refund_payment")[-1].target_version == "v2"


def test_a12_who_edited_a_large_refund_cannot_approve_it(engine):
    engine.house.refundable = 100_000
    engine.model.drafts = [[refund(30_000)]]
    engine.event()
    engine.drain()
    action = engine.action("refund_payment")
    ana, bo = engine.person("ana"), engine.person("bo")

    engine.decide(action, arguments={**action.arguments, "amount_minor": 31_000}, by=ana)
    edited = engine.action("refund_payment")
    with pytest.raises(NotAllowed, match="edited"):
        engine.decide(edited, by=ana)
    engine.decide(edited, by=bo)
    engine.drain()

    assert engine.house.done("refund") == [31_000]


def test_a13_only_the_groups_that_the_verdict_names_may_decide(engine, pending):
    stranger = engine.person("stranger", groups=("editor",))

    with pytest.raises(NotAllowed, match="support"):
        engine.decide(pending, by=stranger)

    assert engine.action("refund_payment").state == ActionState.PENDING


def test_a14_a_policy_that_changed_after_approval_is_asked_again(engine, pending, tmp_path):
    engine.decide(pending)
    for file in SHIPPED_POLICY.iterdir():
        text = file.read_text()
        (tmp_path / file.name).write_text(text.replace("version: 1", "version: 99", 1))
    changed = load(tmp_path)
    assert changed.hash != engine.system.policy.hash
    engine.system = engine.system.under(changed)

    engine.drain()

    assert engine.house.effects == []
    again = engine.action("refund_payment")
    assert (again.state, again.revision, again.policy_hash) == (ActionState.PENDING, 2, changed.hash)


def test_a15_after_approval_no_agent_step_runs_before_the_effect(engine, pending):
    before = len(engine.model.asked)
    engine.decide(pending)

    assert [kind for kind, _ in engine.hints.waiting] == ["action"]
    engine.drain()
    assert len(engine.model.asked) == before


def test_an_old_revision_or_digest_is_refused(engine, pending):
    with pytest.raises(AlreadyDecided, match="changed since"):
        engine.decide(pending, revision=2)
    with pytest.raises(AlreadyDecided, match="changed since"):
        engine.decide(pending, digest="0" * 64)


@pytest.mark.parametrize("word", ["reject", "request_changes"])
def test_no_needs_a_reason(engine, pending, word):
    with pytest.raises(Invalid, match="reason"):
        engine.decide(pending, word, reason="  ")


def test_two_people_are_two_people(engine):
    engine.house.refundable = 500_000
    engine.model.drafts = [[refund(200_000)]]
    engine.event()
    engine.drain()
    action = engine.action("refund_payment")
    ana, bo = engine.person("ana"), engine.person("bo")

    engine.decide(action, by=ana)
    engine.drain()
    assert engine.house.effects == []
    with pytest.raises(Invalid, match="already"):
        engine.decide(action, by=ana)
    engine.decide(engine.action("refund_payment"), by=bo)
    engine.drain()

    assert engine.house.done("refund") == [200_000]


def test_escalating_asks_for_a_further_group_and_voids_what_was_approved(engine, pending):
    engine.decide(pending, "escalate", group="finance", reason="Unsure")

    escalated = engine.action("refund_payment")
    assert {r["role"] for r in escalated.verdict["requirements"]} == {"support", "finance"}
    assert (escalated.revision, escalated.digest != pending.digest) == (2, True)


def test_a_snoozed_action_comes_back_and_can_still_be_decided(engine, pending):
    until = engine.clock().replace(hour=18)
    engine.decide(pending, "snooze", until=until)
    with engine.system.db.read() as tx:
        assert actions.waiting_for_people(tx, now=engine.clock()) == []

    engine.clock.on(hours=7)
    engine.sweep()

    with engine.system.db.read() as tx:
        assert [a.id for a in actions.waiting_for_people(tx, now=engine.clock())] == [pending.id]
    engine.decide(engine.action("refund_payment"))


def test_an_uncertain_action_is_settled_by_a_person_who_looked(engine):
    engine.model.drafts = [[documents()]]
    engine.alert()
    engine.drain()
    engine.decide(engine.action("request_documents"))
    engine.house.after.append(timed_out(maybe_done=True))
    engine.drain()
    uncertain = engine.action("request_documents")
    assert uncertain.state == ActionState.UNCERTAIN

    engine.decide(uncertain, "confirm", reason="It is in the sent folder")
    assert engine.action("request_documents").state == ActionState.DONE
    assert len(engine.house.done("mail")) == 1


def test_what_may_have_been_done_cannot_be_edited(engine):
    """A yes to it is one to a second try of what was approved, and to no other draft."""
    engine.model.drafts = [[documents()]]
    engine.alert()
    engine.drain()
    engine.decide(engine.action("request_documents"))
    engine.house.after.append(timed_out(maybe_done=True))
    engine.drain()
    uncertain = engine.action("request_documents")

    with pytest.raises(Invalid, match="Arguments can be changed only"):
        engine.decide(uncertain, arguments={**uncertain.arguments, "subject": "More papers"})

    assert engine.action("request_documents") == uncertain


def _at_once(count, call):
    """Run `call(n)` in `count` threads that start together; results or exceptions, in order."""
    barrier = threading.Barrier(count)
    results = [None] * count

    def run(n):
        barrier.wait()
        try:
            results[n] = call(n)
        except Exception as error:
            results[n] = error

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results

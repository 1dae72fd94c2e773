"""A plain yes is read in one statement and written in one, and is worth no less than any other decision."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.engine import refund, reply
from tests.kit.rules import asking
from workers import execute
from workers.inbox import service
from workers.inbox.words import AlreadyDecided, Choice, NotAllowed, Word
from workers.renewal import JUDGED_ANEW
from workers.settlement import consequences_of
from workers.store import actions, audit, flow
from workers.store.flow import Consent


@pytest.fixture
def waiting(engine):
    engine.model.drafts = [[reply()]]
    engine.event()
    engine.drain()
    return engine


def consent_to(engine, snapshot, now):
    changes = {"state": "approved", "approved_digest": snapshot.action.digest, "wake_at": now}
    after = replace(snapshot.action, **changes)
    person = engine.person()
    decision = {
        "id": "dec_1",
        "action_id": snapshot.action.id,
        "case_id": snapshot.case.id,
        "revision": 1,
        "digest": snapshot.action.digest,
        "decision": "approve",
        "person_id": person.id,
        "actor": f"person:{person.email}",
        "channel": "api",
        "decided_at": now,
    }
    consequences = consequences_of(snapshot.case, [after], now=now)
    return Consent(
        changes, decision, snapshot.case, consequences.case, snapshot.chain, [audit.Note("person", "decided", {})]
    )


def kept(engine, action):
    with engine.system.db.read() as tx:
        told = [one.verb for one in audit.of_chain(tx, action.case_id)]
        return actions.get(tx, action.id).state, len(actions.decisions_of(tx, action.id)), told.count("decided")


def test_it_is_written_down_like_any_other(waiting):
    action, person = waiting.action("reply_to_customer"), waiting.person()

    service.decide(waiting.system, person, action.id, Choice(Word.APPROVE, action.revision, action.digest))

    with waiting.system.db.read() as tx:
        (decision,) = actions.decisions_of(tx, action.id)
        told = [one for one in audit.of_chain(tx, action.case_id) if one.verb == "decided"]
    assert (decision.decision, decision.actor, decision.channel) == ("approve", f"person:{person.email}", "api")
    assert [one.data["state"] for one in told] == ["approved"]
    waiting.drain()
    assert waiting.case().state == "closed"


@pytest.mark.parametrize("changed", ["case", "action", "decision"])
def test_nothing_of_it_is_written_where_anything_changed_since_it_was_read(waiting, changed):
    action, db, now = waiting.action("reply_to_customer"), waiting.system.db, waiting.clock()
    snapshot = flow.snapshot(db, action.id)
    consent = consent_to(waiting, snapshot, now)
    if changed == "case":
        waiting.event(delivery="d2")
    with db.write() as tx:
        if changed == "action":
            actions.change(tx, action, now=now, waiting_for="Something")
        if changed == "decision":
            actions.add_decision(tx, {**consent.decision, "id": "dec_0"})
    before = kept(waiting, action)

    assert flow.approve(db, snapshot.action, consent, now=now) is None

    assert kept(waiting, action) == before


def test_the_second_of_two_is_told_who_was_first(waiting):
    action = waiting.action("reply_to_customer")
    choice = Choice(Word.APPROVE, action.revision, action.digest)
    service.decide(waiting.system, waiting.person(), action.id, choice)

    with pytest.raises(AlreadyDecided):
        service.decide(waiting.system, waiting.person(), action.id, choice)

    assert kept(waiting, action)[1] == 1


def test_one_that_another_action_rests_on_leaves_that_one_waiting(engine):
    engine.model.drafts = [[refund(), reply()]]
    engine.event()
    engine.drain()
    resting, paying = engine.action("reply_to_customer"), engine.action("refund_payment")
    assert (resting.state, paying.state) == ("pending", "pending")
    assert list(resting.rests_on) == [paying.id]

    engine.decide(resting)
    engine.drain()
    # Whoever is told of it once more finds that it is not due.
    execute.carry_out(engine.system, engine.writers, resting.id)

    with engine.system.db.read() as tx:
        now = actions.get(tx, resting.id)
    assert (now.state, now.wake_at) == ("approved", None)
    assert now.waiting_for == "Waits for what it rests on."
    assert engine.house.effects == []


def test_after_its_deadline_it_comes_too_late(waiting):
    action = waiting.action("reply_to_customer")
    waiting.clock.now = action.expires_at

    with pytest.raises(AlreadyDecided, match="deadline has passed"):
        waiting.decide(action)

    assert waiting.action("reply_to_customer") == action


def test_under_another_policy_it_is_no_yes_to_what_that_says(waiting, tmp_path):
    action = waiting.action("reply_to_customer")
    waiting.system = waiting.system.under(asking(tmp_path, approvers=[{"role": "legal"}]))

    with pytest.raises(AlreadyDecided) as told:
        waiting.decide(action)

    assert str(told.value) == JUDGED_ANEW
    anew = waiting.action("reply_to_customer")
    assert (anew.state, anew.revision) == ("pending", 2)
    assert [asked["role"] for asked in anew.verdict["requirements"]] == ["legal"]


def test_whoever_edited_what_no_editor_may_approve_cannot_say_it_afterwards(engine, tmp_path):
    engine.system = engine.system.under(asking(tmp_path, approvers=[{"role": "lead"}], exclude=["editor"]))
    engine.model.drafts = [[refund(4000)]]
    engine.event()
    engine.drain()
    action = engine.action("refund_payment")
    ana, bo = engine.person("ana", ("lead",)), engine.person("bo", ("lead",))
    engine.decide(action, arguments={**action.arguments, "amount_minor": 9000}, by=ana)

    with pytest.raises(NotAllowed, match="edited"):
        engine.decide(engine.action("refund_payment"), by=ana)
    engine.drain()
    assert engine.house.effects == []

    engine.decide(engine.action("refund_payment"), by=bo)
    engine.drain()
    assert engine.house.done("refund") == [9000]

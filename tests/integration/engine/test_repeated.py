"""Money that would move a second time: whatever was paid back for a charge, may have been or is about to be, in whichever case, a
lead sees the next refund of it first. What certainly did not happen is in nobody's way."""

from __future__ import annotations

import pytest

from integrations.errors import Permanent, Temporary
from tests.kit.engine import refund, reply
from workers.renewal import judge_again
from workers.store.records import ActionState

AGAIN = "platform/money-again"
#: so little that rules let it go by itself the first time
SMALL = 1200


def busy(engine):
    engine.house.before = [Temporary("Busy.")]
    engine.drain()


def answered_late(engine):
    engine.house.after = [Temporary("The answer was lost.", maybe_done=True)]
    engine.drain()


def answered_late_and_refused(engine):
    answered_late(engine)
    engine.house.before = [Permanent("No.")]
    engine.clock.on(minutes=10)
    engine.sweep()


def refused(engine):
    engine.house.before = [Permanent("The card was closed.")]
    engine.drain()


def proposed(engine, ticket):
    engine.model.drafts = [[refund(SMALL)]]
    engine.event(f"d{ticket}", ticket=ticket)


@pytest.mark.parametrize(
    ("goes", "stands"),
    [
        (busy, ActionState.APPROVED),
        (answered_late, ActionState.EXECUTING),
        (lambda engine: engine.drain(), ActionState.DONE),
        (answered_late_and_refused, ActionState.UNCERTAIN),
    ],
    ids=["approved", "executing", "done", "uncertain"],
)
def test_a_second_refund_of_a_charge_is_seen_by_a_lead_first(engine, goes, stands):
    proposed(engine, "7")
    goes(engine)
    first = engine.action("refund_payment")
    assert first.state == stands
    paid = engine.house.done("refund")

    proposed(engine, "8")
    engine.drain()

    second = engine.action("refund_payment")
    assert second.case_id != first.case_id
    assert second.state == ActionState.PENDING
    assert AGAIN in second.verdict["rules"]
    assert "lead" in {asked["role"] for asked in second.verdict["requirements"]}
    assert engine.house.done("refund") == paid


def test_a_refund_after_one_that_failed_is_the_first(engine):
    proposed(engine, "7")
    refused(engine)
    assert engine.action("refund_payment").state == ActionState.FAILED

    proposed(engine, "8")
    engine.drain()

    assert engine.action("refund_payment").state == ActionState.DONE
    assert engine.house.done("refund") == [SMALL]


@pytest.mark.parametrize(
    "goes",
    [busy, answered_late, lambda engine: engine.drain(), answered_late_and_refused],
    ids=["approved", "executing", "done", "uncertain"],
)
def test_a_repetition_stays_one_when_it_is_edited(engine, goes):
    proposed(engine, "7")
    goes(engine)
    paid = engine.house.done("refund")
    proposed(engine, "8")
    engine.drain()
    second = engine.action("refund_payment")

    edited = engine.decide(second, arguments={**second.arguments, "amount_minor": SMALL - 100})

    assert edited.revision == 2
    assert AGAIN in edited.verdict["rules"]
    assert engine.house.done("refund") == paid


def test_what_is_judged_anew_is_no_repetition_of_itself(engine):
    proposed(engine, "7")
    busy(engine)
    approved = engine.action("refund_payment")
    assert approved.state == ActionState.APPROVED

    assert judge_again(engine.system, approved)

    anew = engine.action("refund_payment")
    assert (anew.state, anew.revision) == (ActionState.APPROVED, 2)
    assert AGAIN not in anew.verdict["rules"]


def test_what_may_have_been_paid_waits_for_a_person_whatever_is_drafted_since(engine):
    proposed(engine, "7")
    answered_late_and_refused(engine)

    engine.model.drafts = [[reply()]]
    engine.event("d8", ticket="7")
    engine.drain()

    assert engine.case().round == 2
    assert engine.action("refund_payment").state == ActionState.UNCERTAIN


@pytest.mark.parametrize(
    ("goes", "told"),
    [
        (answered_late, "executing"),
        (answered_late_and_refused, "uncertain"),
        (refused, "failed"),
    ],
    ids=["executing", "uncertain", "failed"],
)
def test_the_agent_is_told_of_what_may_have_been_paid_or_was_not(engine, goes, told):
    proposed(engine, "7")
    goes(engine)

    engine.model.drafts = [[reply()]]
    engine.event("d8", ticket="7")
    engine.drain()

    (history,) = [piece for piece in engine.model.asked[-1].material if piece.name == "history"]
    assert [(item["kind"], item["state"]) for item in history.data] == [("refund_payment", told)]

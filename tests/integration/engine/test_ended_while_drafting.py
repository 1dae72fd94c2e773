"""An action ends while the agent drafts, which was told that it is under way: people hear of it, or the agent looks again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.kit.engine import refund, tags
from workers import ledger
from workers.store import actions, flow
from workers.store.records import ActionState, CaseState


@pytest.fixture
def ends(engine):
    """Let a refund that is under way end so while the agent drafts an answer to the next message."""

    def so(end):
        engine.model.drafts = [[refund()]]
        engine.event()
        engine.drain()
        engine.decide(engine.action("refund_payment"))
        engine.hints.waiting.clear()
        snapshot = flow.snapshot(engine.system.db, engine.action("refund_payment").id)
        terms = {"worker": "another", "now": engine.clock(), "lease": timedelta(hours=1), "unless": []}
        action, _attempt = flow.begin(engine.system.db, snapshot.action, **terms)

        def while_drafting():
            if engine.model.asked[-1].task == "draft":
                engine.model.during = lambda: None
                end(replace(snapshot, action=action))

        engine.model.drafts, engine.model.during = [[tags()]], while_drafting
        engine.event("d2", text="Is there any news?")
        engine.drain()
        assert engine.model.during is not while_drafting

    return so


def test_people_hear_of_what_failed_meanwhile(engine, ends):
    ends(lambda snapshot: ledger.record_end(engine.system, snapshot, ActionState.FAILED, error="The card is closed."))

    case = engine.case()
    assert [action.state for action in engine.actions()] == [ActionState.FAILED, ActionState.DONE]
    assert case.state == CaseState.INBOX
    assert "The card is closed." in case.attention


def test_what_turned_out_stale_meanwhile_is_found_so_again_and_drafted_anew(engine, ends):
    def refused(snapshot):
        engine.house.touched_by_somebody_else("house:charge:ch_1")
        ledger.redraft(engine.system, snapshot.action, "The charge changed.")

    ends(refused)
    assert len(engine.model.asked) == 4
    assert engine.case().closed_at is None

    engine.clock.on(minutes=1)
    engine.sweep()

    first, *_ = engine.actions("refund_payment")
    assert first.state == ActionState.STALE
    assert engine.house.done("refund") == []
    assert (engine.case().round, engine.model.tasks()[-1]) == (3, "draft"), "the agent has looked again"
    with engine.system.db.read() as tx:
        assert {attempt.outcome for attempt in actions.attempts_of(tx, first.id)} == {ActionState.STALE}

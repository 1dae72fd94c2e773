"""What was withdrawn while a try was under way, or before a crash, is not tried again; and nothing begins that a close has seen."""

from __future__ import annotations

from datetime import timedelta

import pytest

from integrations.errors import Stale, Temporary
from tests.kit.died import Died
from tests.kit.engine import make_engine, refund, reply
from workers import pipeline
from workers.inbox import case_service
from workers.inbox.words import Invalid
from workers.store import flow
from workers.store.records import ActionState, CaseState


class Meanwhile(list):
    """What goes wrong with the next call, and what else happens while it is under way."""

    def __init__(self, happens, error):
        super().__init__([error])
        self._happens = happens

    def pop(self, _index=0):
        error = super().pop()
        self._happens()
        return error


@pytest.fixture
def approved(engine):
    """A refund that is approved and not begun."""
    engine.model.drafts = [[refund()]]
    engine.event()
    engine.drain()
    engine.decide(engine.action("refund_payment"))
    return engine


def by_hand(engine, word):
    lead = engine.person("lea", ("lead",))
    return case_service.decide_case(engine.system, lead, engine.case().id, word, "I do it by hand")


def take_over(engine):
    by_hand(engine, "take_over")


def retry(engine):
    engine.model.drafts = [[reply()]]
    by_hand(engine, "retry")


def new_round(engine):
    engine.model.drafts = [[reply()]]
    engine.event("d2", text="Please do not refund it, I keep it")
    pipeline.advance(engine.system, engine.case().id)


def new_message(engine):
    engine.model.drafts = [[reply()]]
    engine.event("d2", text="Please do not refund it, I keep it")


WITHDRAWS = {
    take_over: ActionState.CANCELLED,
    retry: ActionState.STALE,
    new_round: ActionState.STALE,
    new_message: ActionState.STALE,
}


@pytest.mark.parametrize("withdraw", WITHDRAWS, ids=lambda how: how.__name__)
def test_a_try_that_did_nothing_is_the_last_of_what_was_withdrawn_meanwhile(approved, withdraw):
    approved.house.before = Meanwhile(lambda: withdraw(approved), Temporary("503", retry_after=30))

    approved.drain()
    first = approved.action("refund_payment")
    for _ in range(5):
        approved.clock.on(minutes=10)
        approved.sweep()

    assert first.state == WITHDRAWS[withdraw]
    assert first.reason
    assert approved.house.done("refund") == []
    # What was drafted meanwhile may have counted on it, so the agent has looked again since.
    open_still = [action.kind for action in approved.actions() if action.state == ActionState.PENDING]
    assert open_still == ([] if withdraw is take_over else ["reply_to_customer"])


def test_what_an_agent_that_drafts_just_now_counts_on_is_tried_again(approved):
    def begins_anew():
        new_message(approved)
        with approved.system.db.write() as tx:
            held = {"worker": "another", "now": approved.clock(), "lease": timedelta(hours=1)}
            assert pipeline.cases.claim(tx, approved.case().id, **held)

    approved.house.before = Meanwhile(begins_anew, Temporary("503", retry_after=30))
    approved.drain()
    approved.clock.on(minutes=10)
    approved.sweep()

    assert approved.action("refund_payment").state == ActionState.DONE


def test_what_turns_out_stale_leaves_a_case_that_was_taken_over_to_its_person(approved):
    approved.house.before = Meanwhile(lambda: take_over(approved), Stale("The charge is at another version."))
    asked = len(approved.model.asked)

    approved.drain()
    approved.clock.on(minutes=10)
    approved.sweep()

    assert approved.action("refund_payment").state == ActionState.STALE
    assert approved.case().state == CaseState.TAKEN_OVER
    assert len(approved.model.asked) == asked


def test_a_try_that_did_nothing_is_repeated_where_nothing_was_withdrawn(approved):
    approved.house.before = [Temporary("503", retry_after=30)]

    approved.drain()
    approved.clock.on(minutes=10)
    approved.sweep()

    assert approved.house.done("refund") == [4000]


def die_in(engine, kind):
    engine.house.before = [Died()]
    with pytest.raises(Died):
        engine.drain()
    assert engine.action(kind).state == ActionState.EXECUTING


def test_after_a_crash_what_was_not_found_is_not_done_for_a_case_that_was_taken_over(engine):
    engine.model.drafts = [[reply()]]
    engine.event()
    engine.drain()
    engine.decide(engine.action("reply_to_customer"))
    die_in(engine, "reply_to_customer")
    take_over(engine)

    engine.clock.on(minutes=2)
    engine.sweep()

    assert engine.house.effects == []
    assert engine.action("reply_to_customer").state == ActionState.CANCELLED
    assert engine.case().state == CaseState.TAKEN_OVER


def test_after_a_crash_what_cannot_be_looked_up_is_for_people_to_find_out(approved):
    die_in(approved, "refund_payment")
    take_over(approved)

    approved.clock.on(minutes=2)
    approved.sweep()

    left = approved.action("refund_payment")
    assert approved.house.effects == []
    assert left.state == ActionState.UNCERTAIN
    assert "took the case over" in left.reason


@pytest.mark.parametrize("done", [True, False], ids=["it was done", "it was not"])
def test_after_a_crash_what_the_agent_drafted_since_waits_for_what_may_have_been_done(approved, done):
    """The refund is asked for again under its key. What people approved since for the same charge begins after that, and not beside
    something that nobody knows."""
    approved.house.after, approved.house.before = ([Died()], []) if done else ([], [Died()])
    with pytest.raises(Died):
        approved.drain()
    new_message(approved)
    approved.model.drafts = [[refund()]]
    approved.drain()
    again = approved.action("refund_payment")
    for name in ("ben", "eve"):
        again = approved.decide(again, by=approved.person(name))
    assert again.state == ActionState.APPROVED

    for _ in range(3):
        approved.clock.on(minutes=2)
        approved.sweep()

    first, second = approved.actions("refund_payment")
    assert (first.state, second.id) == (ActionState.DONE, again.id)
    assert [key for _, key, _ in approved.house.effects] == [first.id, second.id]


def test_a_case_is_not_closed_over_what_began_while_it_was_being_closed(tmp_path, on_postgresql, monkeypatch):
    engine = make_engine(tmp_path, url=on_postgresql)
    engine.model.drafts = [[refund()]]
    engine.event()
    engine.drain()
    engine.decide(engine.action("refund_payment"))
    inner, begun = case_service.actions.settle_open, []

    def begun_before(*arguments):
        action = engine.action("refund_payment")
        more = {"worker": "another", "now": engine.clock(), "lease": timedelta(seconds=60), "unless": []}
        begun.append(flow.begin(engine.system.db, action, **more))
        return inner(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(case_service.actions, "settle_open", begun_before)
        with pytest.raises(Invalid, match="being carried out"):
            by_hand(engine, "close")

    assert begun[0] is not None
    assert engine.case().closed_at is None
    engine.system.close()


@pytest.mark.parametrize("word", ["request_changes", "take_over"])
def test_a_word_that_changes_a_case_waits_until_nobody_works_on_it(engine, word):
    engine.model.drafts = [[refund()]]
    engine.event()
    engine.drain()
    action = engine.action("refund_payment")
    with engine.system.db.write() as tx:
        pipeline.cases.change(tx, action.case_id, now=engine.clock(), wake_at=engine.clock())
        held = {"worker": "another", "now": engine.clock(), "lease": timedelta(seconds=60)}
        assert pipeline.cases.claim(tx, action.case_id, **held)

    with pytest.raises(Invalid, match="working on this case"):
        engine.decide(action, word, reason="Only half of it, please")

    assert engine.action("refund_payment") == action

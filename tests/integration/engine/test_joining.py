"""Events that come while a case is open: they join it, withdraw its drafts, and are worked in order."""

from __future__ import annotations

import threading
from datetime import timedelta

from integrations.errors import Temporary
from tests.kit.engine import refund, reply
from workers import pipeline
from workers.execute import carry_out
from workers.store import cases, events, steps
from workers.store.records import ActionState, CaseState


def test_fifty_deliveries_of_one_event_at_once_open_one_case(engine):
    barrier = threading.Barrier(50)
    results = []

    def deliver():
        barrier.wait()
        results.append(engine.event("same"))

    threads = [threading.Thread(target=deliver) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(len(r.accepted) for r in results) == 1
    with engine.system.db.read() as tx:
        assert len(cases.listing(tx)) == 1
        assert events.of_case(tx, engine.case().id)[0].duplicates == 49


def test_the_same_body_under_a_fresh_delivery_id_is_a_duplicate_where_only_the_body_is_signed(engine):
    engine.event("one", body_is_key=True)
    again = engine.event("two", body_is_key=True)
    other = engine.event("three", text="Something else", body_is_key=True)

    assert (again.accepted, len(again.duplicates), len(other.accepted)) == ([], 1, 1)


def test_fifty_different_events_on_one_subject_at_once_join_one_case_in_order(engine):
    threads = [threading.Thread(target=engine.event, args=(f"d{n}",)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with engine.system.db.read() as tx:
        assert len(cases.listing(tx)) == 1
        assert [e.position for e in events.of_case(tx, engine.case().id)] == list(range(1, 51))


def test_a_new_message_withdraws_the_draft_at_once_and_the_agent_starts_again(engine):
    engine.model.drafts = [[refund(), reply("First")], [reply("Second")]]
    engine.event()
    engine.drain()

    engine.event("d2", text="Forget the refund")
    assert {a.state for a in engine.actions()} == {ActionState.STALE}
    engine.drain()

    assert engine.case().round == 2
    assert [a.arguments["body"] for a in engine.actions() if a.state == ActionState.PENDING] == ["Second"]


def test_a_message_that_comes_while_the_agent_drafts_is_never_answered_with_the_old_draft(engine):
    engine.model.drafts = [[refund(amount=1200)], [reply("Second")]]
    calls = []

    def meanwhile():
        calls.append(1)
        if len(calls) == 2:  # the first draft call is under way
            engine.event("d2", text="I found the parcel, no refund please")

    engine.model.during = meanwhile
    engine.event()
    engine.drain()

    assert engine.house.effects == []
    assert [a.arguments["body"] for a in engine.actions() if a.state == ActionState.PENDING] == ["Second"]
    assert engine.case().events_worked == 2


def test_a_message_that_joins_a_case_in_hand_leaves_it_in_that_hand(engine):
    engine.event()

    def claim(worker):
        with engine.system.db.write() as tx:
            return cases.claim(tx, engine.case().id, worker=worker, now=engine.clock(), lease=timedelta(seconds=60))

    assert claim("machine:1:aaaa") is not None
    engine.event("d2")
    engine.clock.on(seconds=59)

    assert claim("machine:2:bbbb") is None
    assert (engine.case().claimed_by, engine.case().events_total) == ("machine:1:aaaa", 2)
    engine.clock.on(seconds=1)
    assert claim("machine:2:bbbb") is not None


def test_an_approved_action_is_withdrawn_by_a_new_message_before_it_is_carried_out(engine):
    engine.event()
    engine.drain()
    engine.decide(engine.action("refund_payment"))
    approved = engine.action("refund_payment")

    engine.event("d2", text="Wait!")
    engine.drain()

    assert engine.house.effects == []
    assert engine.actions()[0].id == approved.id
    assert engine.actions()[0].state == ActionState.STALE


def test_an_event_on_a_closed_case_opens_a_new_one(engine):
    engine.model.drafts = [[refund(amount=1200)]]
    engine.event()
    engine.drain()
    first = engine.case()
    assert first.state == CaseState.CLOSED

    engine.clock.on(hours=1)
    engine.event("d2", text="Once more")

    assert engine.case().id != first.id


def test_two_workers_never_work_on_one_case_and_the_late_one_can_commit_nothing(engine):
    engine.event()
    case_id = engine.case().id
    overtaken = []

    def overtake():
        if not overtaken:
            overtaken.append(True)
            engine.clock.on(hours=2)  # the lease runs out in the middle of the call
            pipeline.advance(engine.system, case_id)

    engine.model.during = overtake
    pipeline.advance(engine.system, case_id)

    rounds = [(a.kind, a.round) for a in engine.actions()]
    assert rounds == [("refund_payment", 1), ("reply_to_customer", 1)]
    assert engine.case().claimed_by is None
    with engine.system.db.read() as tx:
        assert [s.name for s in steps.of_case(tx, case_id)] == ["triage", "gather", "draft"]


def test_a_message_that_nobody_has_read_keeps_the_case_open_whatever_ends_meanwhile(engine):
    engine.model.drafts = [[refund()], [reply("Second")]]
    engine.event()
    engine.drain()
    engine.decide(engine.action("refund_payment"))
    engine.house.during_write = lambda: engine.event("d2", text="One more thing")

    engine.drain()

    assert engine.house.done("refund") == [4000]
    assert engine.case().state == CaseState.INBOX
    assert [a.arguments["body"] for a in engine.actions() if a.state == ActionState.PENDING] == ["Second"]


def test_nor_does_what_ends_after_it_came_close_the_case_over_it(engine):
    """The end of the refund is found out when the message is there and no worker has heard of it."""
    engine.model.drafts = [[refund()], [reply("Second")]]
    engine.event()
    engine.drain()
    engine.decide(engine.action("refund_payment"))
    engine.house.after = [Temporary("The answer was lost.", maybe_done=True)]
    engine.drain()
    engine.event("d2", text="One more thing")
    engine.hints.waiting.clear()
    engine.clock.on(minutes=10)

    carry_out(engine.system, engine.writers, engine.action("refund_payment").id)

    assert engine.action("refund_payment").state == ActionState.DONE
    assert engine.case().closed_at is None
    engine.sweep()
    assert [a.arguments["body"] for a in engine.actions() if a.state == ActionState.PENDING] == ["Second"]

"""What somebody put off is in sight again as soon as it asks another question."""

from __future__ import annotations

from datetime import timedelta

from tests.kit.engine import documents
from tests.kit.house import timed_out
from workers.store import actions, inbox
from workers.store.records import ActionState


def test_what_nobody_can_know_of_is_in_sight_though_it_was_put_off_before_it_was_approved(engine):
    engine.model.drafts = [[documents()]]
    engine.alert()
    engine.drain()
    letter = engine.action("request_documents")
    put_off = engine.decide(letter, "snooze", until=engine.clock() + timedelta(days=2))
    engine.house.after = [timed_out(maybe_done=True)]

    engine.decide(put_off)
    engine.drain()

    assert engine.action("request_documents").state == ActionState.UNCERTAIN
    with engine.system.db.read() as tx:
        assert [one.action.id for one in inbox.waiting(tx, now=engine.clock(), limit=10)] == [letter.id]
        assert [one.id for one in actions.waiting_for_people(tx, now=engine.clock())] == [letter.id]

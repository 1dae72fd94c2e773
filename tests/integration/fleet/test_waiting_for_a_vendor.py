"""What waits for a vendor that may not be asked just now loses nothing by it, and what waits for its turn obeys what was said meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.errors import LeftAlone
from integrations.registry import Readers, Writers
from tests.kit.died import Died
from tests.kit.engine import refund, reply
from workers.guards import Guards, parse
from workers.guards.shared import TableBucket
from workers.ledger import MOST_TRIES
from workers.store import flow, switches
from workers.store.database import StoreUnavailable
from workers.store.records import ActionState


def test_to_look_what_became_of_a_try_uses_up_none_while_the_vendor_is_not_even_asked(engine):
    engine.model.drafts = [[reply()]]
    engine.event()
    engine.drain()
    engine.decide(engine.action("reply_to_customer"))
    engine.house.after = [Died()]
    with pytest.raises(Died):
        engine.drain()
    look = engine.house.find_reply

    def left_alone(*_args):
        raise LeftAlone("House is left alone for a while.", retry_after=60.0)

    engine.house.find_reply = left_alone
    for _ in range(MOST_TRIES + 2):
        engine.clock.on(minutes=2)
        engine.sweep()
    waiting = engine.action("reply_to_customer")
    assert (waiting.state, waiting.waiting_for) == (ActionState.EXECUTING, "House is left alone for a while.")

    engine.house.find_reply = look
    engine.clock.on(minutes=2)
    engine.sweep()

    assert engine.action("reply_to_customer").state == ActionState.DONE
    assert len(engine.house.done("reply")) == 1


@pytest.fixture
def paced(engine, ticks):
    """The engine with a house that may be called six times a minute. Who sleeps lets time go by; `meanwhile` is called then."""

    def go_by(seconds: float) -> None:
        engine.clock.on(seconds=seconds)
        ticks.on(seconds)
        engine.meanwhile()

    bucket = TableBucket(engine.system.db, engine.clock)
    guards = Guards(parse("house=6/min"), bucket=bucket, monotonic=ticks, sleep=go_by)
    engine.meanwhile = lambda: None
    engine.writers = Writers({"house": engine.house}, guards.wrap)
    engine.system = replace(
        engine.system, guards=guards, readers=Readers({"house": engine.house}, guards.wrap), monotonic=ticks
    )
    return engine


@pytest.mark.parametrize("scope", ["all", "vendor:house"])
def test_a_switch_that_is_thrown_while_a_write_waits_for_its_turn_holds_it(paced, scope):
    paced.model.drafts = [[refund(1200)]]
    paced.event()

    def throw() -> None:
        with paced.system.db.write() as tx:
            if paced.actions("refund_payment"):
                switches.throw(tx, scope, reason="Something is odd", actor="person:ana", now=paced.clock())

    paced.meanwhile = throw
    for _ in range(3):
        paced.drain()
        paced.clock.on(seconds=61)
        paced.sweep()

    waiting = paced.action("refund_payment")
    assert paced.house.effects == []
    assert (waiting.state, waiting.tries) == (ActionState.APPROVED, 0)
    assert "Something is odd" in waiting.waiting_for

    paced.meanwhile = lambda: None
    with paced.system.db.write() as tx:
        switches.release(tx, scope)
    paced.clock.on(seconds=61)
    paced.sweep()
    assert paced.house.done("refund") == [1200]


def test_a_process_that_stood_still_while_a_write_waited_for_its_turn_does_not_send_it(paced):
    paced.model.drafts = [[refund(1200)]]
    paced.event()
    paced.drain()
    stood_still = []

    def stand_still() -> None:
        stood_still.append(paced.action("refund_payment").state)
        paced.clock.on(seconds=30)
        paced.system.monotonic.on(30)

    paced.meanwhile = stand_still
    paced.clock.on(seconds=61)
    paced.system.monotonic.on(61)
    paced.sweep()

    waiting = paced.action("refund_payment")
    assert stood_still == [ActionState.EXECUTING]
    assert paced.house.effects == []
    assert (waiting.state, waiting.waiting_for) == (
        ActionState.APPROVED,
        "This process stood still before it could send it.",
    )


def test_a_write_that_waited_for_its_turn_is_not_sent_while_nobody_can_tell_whether_it_may_be(paced, monkeypatch):
    """Nothing went out, so that even what is done at most once is merely tried again."""
    paced.model.drafts = [[refund(1200)]]
    paced.event()
    paced.drain()
    asked, away = flow.snapshot, []

    def snapshot(*args):
        if away:
            away.clear()
            raise StoreUnavailable("The database is away.")
        return asked(*args)

    monkeypatch.setattr(flow, "snapshot", snapshot)
    paced.meanwhile = lambda: away.append(True)
    paced.clock.on(seconds=61)
    paced.system.monotonic.on(61)
    paced.sweep()

    assert paced.house.effects == []
    assert paced.action("refund_payment").waiting_for == "Nobody can tell just now whether this may be sent."

"""Back-pressure at the door: what waits is bounded, and nobody is told “accepted” of what is not stored."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest
from pydantic import ValidationError
from sqlalchemy import func, select

from integrations.base import EventType, InboundEvent
from tests.kit.engine import START, make_engine
from workers.intake import batching as batching_module
from workers.intake.batching import Busy, RequestBatcher
from workers.intake.receive import Provenance, prepare, receive
from workers.settings import Settings
from workers.store import cases, tables
from workers.store.database import StoreUnavailable


@pytest.fixture
def engine(tmp_path):
    made = make_engine(tmp_path)
    yield made
    made.system.close()


def inbound(number):
    return InboundEvent(
        source="house",
        delivery_id=f"d{number}",
        type=EventType.TICKET_CREATED,
        vendor_type="ticket",
        subject=f"house:ticket:{number}",
        occurred_at=START,
        data={"title": "Broken", "text": "It is broken"},
    )


def request(engine, number, raw=b"{}"):
    return prepare(engine.system, [inbound(number)], Provenance("test", raw))


def batcher(engine, **settings):
    changed = engine.system.settings.model_copy(update=settings)
    return RequestBatcher(replace(engine.system, settings=changed))


def stored(engine):
    with engine.system.db.read() as tx:
        received = select(func.count()).where(tables.events.c.received_at >= START)
        return tx.execute(received).scalar_one()


class Held:
    """The database in somebody else's hands, until it is let go."""

    def __init__(self, engine):
        self._engine = engine
        self._taken, self._free = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def _hold(self):
        with self._engine.system.db.write():
            self._taken.set()
            self._free.wait(30)

    def __enter__(self):
        self._thread.start()
        self._taken.wait(10)
        return self

    def let_go(self):
        self._free.set()

    def __exit__(self, *_):
        self.let_go()
        self._thread.join()


def test_what_comes_during_a_commit_is_stored_by_the_next_and_everybody_is_answered(engine):
    door = batcher(engine)

    async def come():
        return await asyncio.gather(*(door.store(request(engine, n)) for n in range(200)))

    answers = asyncio.run(come())
    door.close()

    assert all(len(answer.accepted) == 1 for answer in answers)
    assert stored(engine) == 200
    assert {case for kind, case in engine.hints.waiting} == {answer.cases[0] for answer in answers}


def test_what_a_loop_reads_in_one_turn_is_stored_together(engine, monkeypatch):
    """A writer that has nothing to do would otherwise take the first by itself, and each commit costs as much as many webhooks."""
    lots = []
    kept = batching_module.store
    monkeypatch.setattr(batching_module, "store", lambda system, lot: lots.append(len(lot)) or kept(system, lot))
    door = batcher(engine)

    async def come(numbers):
        return await asyncio.gather(*(door.begin(request(engine, n)) for n in numbers))

    first = asyncio.run(come(range(1)))
    rest = asyncio.run(come(range(1, 31)))
    door.close()

    assert lots == [1, 30]
    assert all(answer.accepted for answer in (*first, *rest))


def test_one_more_than_may_wait_is_turned_away_at_once_and_the_others_are_stored(engine):
    door = batcher(engine, door_waiting=5)

    async def come(held):
        waiting = [asyncio.ensure_future(door.store(request(engine, n))) for n in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await door.store(request(engine, 5))
        assert stored(engine) == 0
        held.let_go()
        return await asyncio.gather(*waiting)

    with Held(engine) as held:
        answers = asyncio.run(come(held))
    door.close()

    assert all(answer.accepted for answer in answers)
    assert stored(engine) == 5
    assert door.backlog() == 0


def test_bodies_that_wait_are_bounded_in_bytes(engine, monkeypatch):
    monkeypatch.setattr("workers.intake.batching.MOST_BYTES_WAITING", 1000)
    door = batcher(engine)

    async def come():
        with pytest.raises(Busy):
            await door.store(request(engine, 1, raw=b"x" * 1001))
        return [await door.store(request(engine, n, raw=b"x" * 999)) for n in (2, 3)]

    assert all(answer.accepted for answer in asyncio.run(come()))
    door.close()


def test_no_body_may_be_larger_than_all_that_may_wait():
    """It would be answered with 503 however little waits, and its sender would come again for ever."""
    most = batching_module.MOST_BYTES_WAITING

    assert Settings(max_body_bytes=most).max_body_bytes == most
    with pytest.raises(ValidationError, match="max_body_bytes"):
        Settings(max_body_bytes=most + 1)


def test_a_slow_database_is_told_in_time_and_the_sender_who_comes_again_finds_its_event_once(engine):
    door = batcher(engine, door_wait_seconds=0.1)

    async def come():
        return await asyncio.gather(*(door.store(request(engine, n)) for n in range(3)), return_exceptions=True)

    with Held(engine):
        assert [type(answer) for answer in asyncio.run(come())] == [Busy] * 3
    door.close()
    before = stored(engine)  # the first was in the writer's hands already and is stored after all, or it is not
    again = [receive(engine.system, [inbound(n)], Provenance("test", b"{}")) for n in range(3)]

    assert before <= 3
    assert sum(len(answer.duplicates) for answer in again) == before
    assert stored(engine) == 3
    with engine.system.db.read() as tx:
        assert sorted(case.events_total for case in cases.listing(tx)) == [1, 1, 1]


def test_a_database_that_is_away_is_everybodys_answer_and_the_door_serves_when_it_is_back(engine, monkeypatch):
    door = batcher(engine)

    def away(_):
        raise StoreUnavailable("gone")

    async def come(numbers):
        return await asyncio.gather(*(door.store(request(engine, n)) for n in numbers), return_exceptions=True)

    with monkeypatch.context() as patched:
        patched.setattr(type(engine.system.db), "write", away)
        refused = asyncio.run(come(range(20)))
    accepted = asyncio.run(come(range(20)))
    door.close()

    assert all(isinstance(answer, StoreUnavailable) for answer in refused)
    assert all(answer.accepted for answer in accepted)


def test_a_bug_between_a_commit_and_its_answers_takes_no_room_from_those_who_come_later(engine, monkeypatch):
    door, ended = batcher(engine, door_wait_seconds=0.2, door_waiting=2), threading.Semaphore(0)

    def broken(*_):
        raise KeyError("a bug")

    async def come(number):
        return await door.store(request(engine, number))

    with monkeypatch.context() as bug:
        bug.setattr(batching_module, "hint", broken)
        bug.setattr(threading, "excepthook", lambda _: ended.release())
        for number in range(3):
            with pytest.raises(Busy):
                asyncio.run(come(number))
            assert ended.acquire(timeout=30)
            # Its last words are said, and it is gone a moment later.
            door._writer.join(30)

    assert door.backlog() == 0
    assert asyncio.run(come(3)).accepted
    assert asyncio.run(come(0)).duplicates
    door.close()


def test_closing_stores_what_waits_and_lets_nothing_more_in(engine):
    door = batcher(engine)

    async def come(held):
        waiting = [asyncio.ensure_future(door.store(request(engine, n))) for n in range(10)]
        await asyncio.sleep(0)
        closing = asyncio.get_running_loop().run_in_executor(None, door.close)
        held.let_go()
        await closing
        with pytest.raises(Busy):
            await door.store(request(engine, 11))
        return await asyncio.gather(*waiting)

    with Held(engine) as held:
        answers = asyncio.run(come(held))

    assert all(answer.accepted for answer in answers)
    assert stored(engine) == 10


def test_closing_stores_what_a_loop_has_only_just_read(engine):
    door = batcher(engine)

    async def come():
        waiting = [door.begin(request(engine, n)) for n in range(3)]
        door.close()
        return await asyncio.gather(*waiting)

    assert all(answer.accepted for answer in asyncio.run(come()))
    assert stored(engine) == 3


def test_an_end_is_not_held_up_by_a_database_that_hangs(engine):
    door = batcher(engine, door_wait_seconds=0.05)

    async def come():
        with pytest.raises(Busy):
            await door.store(request(engine, 1))

    with Held(engine) as held:
        asyncio.run(come())
        door.close(timeout=0.1)  # returns although the writer still waits
        assert stored(engine) == 0
        held.let_go()

"""The system has no thread left for a while: whoever needs one tries again later, and nobody stays deaf."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue

import pytest
from celery import Celery
from celery.worker import state

from tests.kit.engine import make_engine
from workers.background import BackgroundPass
from workers.exposition import FleetNumbers
from workers.hint_delivery import Job, Threads
from workers.inbox.live import Listener, Live
from workers.lease import Leases
from workers.memory.keeper import Keeper
from workers.memory.terms import Terms
from workers.rehearsal.background import RehearsalThread
from workers.store.database import Database

SOON = 60


@pytest.fixture
def none_left(monkeypatch):
    """Say how many threads cannot be started from now on; each is refused as Python refuses it."""
    start, left = threading.Thread.start, []

    def refuse(thread):
        if left:
            left.pop()
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    return lambda number: left.extend(range(number))


@pytest.fixture
def broken(monkeypatch):
    """Set when a thread has ended with an error."""
    ended = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: ended.set())
    return ended


def breaks(*_):
    raise KeyError("a bug")


@pytest.fixture
def db(tmp_path):
    made = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    yield made
    made.dispose()


def test_a_worker_does_with_the_threads_it_has_and_starts_the_others_later(monkeypatch, none_left):
    monkeypatch.setattr(state, "should_stop", None)
    app = Celery("test", set_as_current=False)
    app.conf.stop_seconds = SOON
    threads = Threads(2, app=app)
    threads.start()
    goes_on, done = threading.Event(), threading.Semaphore(0)
    meet = threading.Barrier(2, timeout=SOON)

    none_left(3)
    for _ in range(4):
        threads.give(Job(lambda: (goes_on.wait(SOON), done.release())))
    goes_on.set()
    assert all(done.acquire(timeout=SOON) for _ in range(4))

    for _ in range(2):
        threads.give(Job(lambda: (meet.wait(), done.release())))
    assert all(done.acquire(timeout=SOON) for _ in range(2))
    threads.on_stop()


def test_a_worker_without_any_thread_does_not_begin(none_left):
    none_left(1)
    with pytest.raises(RuntimeError):
        Threads(2, app=Celery("test", set_as_current=False)).start()


def test_leases_are_renewed_as_soon_as_there_is_a_thread(db, none_left):
    leases = Leases(db, lambda: datetime.now(UTC), lease=timedelta(minutes=1), longest=timedelta(hours=1))
    none_left(1)
    with pytest.raises(RuntimeError):
        leases.begin()
    leases.begin()

    assert "leases" in {thread.name for thread in threading.enumerate()}
    leases.close()


def test_the_inbox_follows_the_log_as_soon_as_there_is_a_thread(db, none_left, monkeypatch):
    live = Live(db)
    monkeypatch.setattr(live, "_last_id", lambda: 0)
    followed = threading.Event()
    monkeypatch.setattr(live, "_follow", lambda _: followed.set())
    none_left(1)
    with pytest.raises(RuntimeError):
        live._join(Listener.__new__(Listener))
    live._join(Listener.__new__(Listener))

    assert followed.wait(SOON)


def test_metrics_are_shown_as_soon_as_there_is_a_thread(db, none_left, monkeypatch):
    numbers = FleetNumbers(db, lambda: datetime.now(UTC))
    monkeypatch.setattr(numbers, "_found", lambda: ["found"])
    none_left(1)
    with pytest.raises(RuntimeError):
        numbers()

    assert numbers() == ["found"]


def test_what_cases_taught_is_remembered_as_soon_as_there_is_a_thread(db, none_left, monkeypatch):
    keeper = Keeper(db, Terms(), lambda: datetime.now(UTC), None, None)
    ran = threading.Event()
    monkeypatch.setattr(keeper, "_run", ran.set)
    none_left(1)
    with pytest.raises(RuntimeError):
        keeper.wake()
    keeper.wake()

    assert ran.wait(SOON)


def test_what_nobody_foresaw_in_a_case_ends_remembering_until_the_next_pass(db, broken, monkeypatch):
    keeper = Keeper(db, Terms(), lambda: datetime.now(UTC), None, None)
    again = threading.Event()
    monkeypatch.setattr(keeper, "once", breaks)
    keeper.wake()
    assert broken.wait(SOON)
    keeper._thread.join(SOON)
    monkeypatch.setattr(keeper, "once", again.set)
    keeper.wake()

    assert again.wait(SOON)
    keeper.stop()


def test_what_nobody_foresaw_in_the_log_ends_the_streams_and_the_next_is_followed(db, broken, monkeypatch):
    live = Live(db)
    monkeypatch.setattr(live, "_last_id", lambda: 0)
    told, heard = SimpleQueue(), threading.Event()
    listener = Listener.__new__(Listener)
    monkeypatch.setattr(Listener, "tell", lambda _, entry: told.put(entry))
    monkeypatch.setattr(live, "_since", breaks)
    live._join(listener)
    assert told.get(timeout=SOON) is None
    assert broken.wait(SOON)
    monkeypatch.setattr(live, "_is_heard", lambda _: heard.set())
    live._join(listener)

    assert heard.wait(SOON)
    assert told.get(timeout=SOON) is None


class Pass(BackgroundPass):
    def __init__(self):
        super().__init__("pass")
        self.ran = threading.Event()

    def _work(self):
        self.ran.set()


def test_a_pass_beside_the_sweeper_ends_well_and_is_made_as_soon_as_there_is_a_thread(none_left):
    made = Pass()
    none_left(1)
    with pytest.raises(RuntimeError):
        made.begin()
    made.wait(0)
    made.begin()

    assert made.ran.wait(SOON)


def test_a_backtest_waits_for_a_thread_and_keeps_nobody_from_stopping(tmp_path, none_left):
    engine = make_engine(tmp_path)
    made = RehearsalThread(engine.system)
    none_left(1)
    with pytest.raises(RuntimeError):
        made.begin()

    made.stop(0)
    engine.system.close()

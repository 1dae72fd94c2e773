"""The threads of a worker: what was begun is finished, and once the worker was told to stop nothing else is begun."""

from __future__ import annotations

import threading

import pytest
from celery import Celery
from celery.worker import state

from workers.hint_delivery import AHEAD, LOW, Job, Threads, do_next

SOON = 10


@pytest.fixture
def threads(monkeypatch):
    monkeypatch.setattr(state, "should_stop", None)
    app = Celery("test", set_as_current=False)
    app.conf.stop_seconds = SOON
    made = Threads(1, app=app)
    yield made
    made.on_stop()


class Work:
    """A job that goes on until it is let go."""

    def __init__(self):
        self.began, self.go_on, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.job = Job(self._run)

    def _run(self):
        self.began.set()
        self.go_on.wait(SOON)
        self.ended.set()


def test_told_to_stop_it_finishes_what_runs_and_gives_the_rest_back(threads, monkeypatch):
    work, returned, done = Work(), threading.Semaphore(0), []
    threads.give(work.job)
    for number in range(3):
        threads.give(Job(lambda number=number: done.append(number), returned.release))
    work.began.wait(SOON)

    # As the signal does, long before the loop sees it and stops the pool.
    monkeypatch.setattr(state, "should_stop", 0)
    work.go_on.set()

    assert all(returned.acquire(timeout=SOON) for _ in range(3))
    assert work.ended.is_set()
    assert done == []


def test_stopping_waits_for_what_runs(threads):
    work = Work()
    threads.give(work.job)
    work.began.wait(SOON)
    threading.Timer(0.2, work.go_on.set).start()

    threads.on_stop()

    assert work.ended.is_set()


def test_stopping_leaves_what_runs_longer_than_it_may(threads):
    threads.app.conf.stop_seconds = 0.1
    work = Work()
    threads.give(work.job)
    work.began.wait(SOON)

    threads.on_stop()

    assert not work.ended.is_set()
    work.go_on.set()


def test_a_hint_that_cannot_be_given_back_keeps_no_other_from_it(threads):
    work, returned = Work(), threading.Event()
    threads.give(work.job)
    work.began.wait(SOON)

    def gone():
        raise ConnectionRefusedError

    threads.give(Job(lambda: None, gone))
    threads.give(Job(lambda: None, returned.set))
    threading.Timer(0.1, work.go_on.set).start()
    threads.on_stop()

    assert returned.is_set()


def test_no_more_is_fetched_than_can_begin_soon_and_nothing_once_it_stops(threads, monkeypatch):
    work = Work()
    threads.give(work.job)
    work.began.wait(SOON)
    for _ in range(LOW):
        threads.give(Job(lambda: None))

    assert threads.room() == AHEAD - LOW
    threads.give(Job(lambda: None))
    assert threads.room() == 0
    work.go_on.set()
    work.ended.wait(SOON)
    monkeypatch.setattr(state, "should_stop", 0)
    assert threads.room() == 0


def test_who_found_no_room_is_told_once_there_is_some(threads):
    work, told = Work(), threading.Event()
    threads.on_room["somebody"] = told.set
    threads.give(work.job)
    work.began.wait(SOON)
    for _ in range(LOW + 1):
        threads.give(Job(lambda: None))
    assert threads.room() == 0
    assert not told.is_set()

    work.go_on.set()

    assert told.wait(SOON)
    assert threads.room() > 0


def test_a_thread_outlives_what_goes_wrong_in_it(threads):
    after = threading.Event()

    def wrong():
        raise ZeroDivisionError

    threads.give(Job(wrong))
    threads.give(Job(after.set))

    assert after.wait(SOON)


def test_a_thread_goes_on_with_what_it_has_made_due_before_what_waits(threads):
    order, ended = [], threading.Event()

    def first():
        order.append("first")
        order.append(do_next(Job(lambda: order.append("next"))))
        order.append(do_next(Job(lambda: order.append("never"))))

    work = Work()
    threads.give(work.job)
    for job in (Job(first), Job(lambda: order.append("waiting")), Job(ended.set)):
        threads.give(job)
    work.go_on.set()

    assert ended.wait(SOON)
    assert order == ["first", True, False, "next", "waiting"]


def test_told_to_stop_a_thread_gives_back_what_it_has_made_due(threads, monkeypatch):
    done, returned = [], threading.Event()

    def last():
        assert do_next(Job(lambda: done.append("next"), returned.set))
        monkeypatch.setattr(state, "should_stop", 0)
        done.append(do_next(Job(lambda: done.append("more"))))

    threads.give(Job(last))

    assert returned.wait(SOON)
    assert done == [False]


def test_a_thread_of_no_worker_goes_on_with_nothing():
    assert not do_next(Job(lambda: None))

"""The queue carries hints: in this process or over Redis, and nothing depends on any of them arriving."""

from __future__ import annotations

import ast
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.engine import make_engine, refund, tags
from tests.servers.redis import RedisServer, installed
from workers import tasks
from workers.embedded import WorkerThread
from workers.queue import IN_PROCESS, QUEUES, Hints, make_app
from workers.store import cases
from workers.store.records import CaseState
from workers.sweeper import Sweeper
from workers.wiring import utc_now


@pytest.fixture
def redis_server():
    if not installed():
        pytest.skip("Redis is not installed: `make test` installs it where it may")
    with RedisServer() as server:
        yield server


@pytest.fixture
def start(tmp_path):
    """A system whose hints really travel, with a worker thread; stopped at the end."""
    stops = []

    def begin(broker_url):
        engine = make_engine(tmp_path)
        app = make_app(broker_url)
        system = replace(engine.system, app=app, hints=Hints(app), clock=utc_now)
        engine.system = system
        engine.model.drafts = [[refund(1200)]]
        tasks.register(app, system, engine.writers)
        worker = WorkerThread(app, threads=4)
        worker.start()
        stops.extend([worker.stop, system.close])
        return engine

    yield begin
    for stop in stops:
        stop()


def finished(engine, seconds=10.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with engine.system.db.read() as tx:
            found = cases.listing(tx)
        if found and all(case.state == CaseState.CLOSED for case in found):
            return len(found)
        time.sleep(0.02)
    return 0


def test_in_process_an_event_becomes_finished_work_at_once(start):
    engine = start(IN_PROCESS)
    began = time.monotonic()
    engine.event()

    assert finished(engine) == 1
    assert time.monotonic() - began < 5
    assert engine.house.done("refund") == [1200]


def test_over_redis_with_no_other_change(start, redis_server):
    engine = start(redis_server.url)
    engine.event()

    assert finished(engine, 20) == 1
    assert engine.house.done("refund") == [1200]


def test_a_broker_that_is_down_delays_nothing_at_the_door_and_loses_nothing(start, redis_server):
    engine = start(redis_server.url)
    engine.model.drafts = [[tags()]]
    redis_server.stop()

    began = time.monotonic()
    for number in range(5):
        engine.event(f"d{number}", ticket=str(number))
    assert time.monotonic() - began < 1, "the door waited for the broker"

    redis_server.start()
    sweeper = Sweeper(engine.system)
    sweeper.start()
    try:
        assert finished(engine, 40) == 5
    finally:
        sweeper.stop()
    assert engine.house.done("tag") == [["refund"]] * 5


def test_a_lost_hint_is_found_by_the_sweeper(start):
    engine = start(IN_PROCESS)
    lost, engine.system = engine.system, replace(engine.system, hints=engine.hints)
    engine.event()
    sweeper = Sweeper(lost)
    assert finished(engine, 0.5) == 0

    assert sweeper.sweep().hinted == 1
    assert sweeper.sweep().hinted == 0, "what was just hinted is not hinted again at once"
    assert finished(engine) == 1


def test_every_queue_is_declared_and_a_misspelt_one_fails():
    app = make_app(IN_PROCESS)

    assert set(app.amqp.queues) == set(QUEUES)
    with pytest.raises(KeyError):
        app.amqp.router.expand_destination("suport")


def test_tasks_use_no_timers_of_celery_and_are_no_coroutines():
    tree = ast.parse(Path(tasks.__file__).read_text(encoding="utf-8"))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    keywords = {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword)}

    assert not names & {"retry", "apply_async"}
    assert not keywords & {"eta", "countdown"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)]

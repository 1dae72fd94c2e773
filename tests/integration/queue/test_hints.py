"""The queue carries hints: in this process or over Redis or RabbitMQ, and nothing depends on any of them arriving."""

from __future__ import annotations

import ast
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import pytest
from celery.worker import state

from tests.kit.engine import make_engine, tags
from tests.kit.patience import until
from workers import tasks
from workers.hint_delivery import Job, Threads
from workers.hint_line import Line
from workers.queue import ADVANCE, EXECUTE, IN_PROCESS, QUEUES, Hints, make_app
from workers.store import cases
from workers.store.records import CaseState
from workers.sweeper import Sweeper
from workers.telemetry import metrics


class Twice:
    """Says everything two times, at once."""

    def __init__(self, hints, app):
        self.hints, self.app = hints, app

    def case(self, case_id, domain):
        for _ in range(2):
            self.app.send_task(ADVANCE, args=[case_id], queue=domain)

    def action(self, action_id, known=None):
        for _ in range(2):
            self.app.send_task(EXECUTE, args=[action_id], queue="actions")

    def close(self):
        self.hints.close()


def finished(engine, seconds=60.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with engine.system.db.read() as tx:
            found = cases.listing(tx)
        if found and all(case.state == CaseState.CLOSED for case in found):
            return len(found)
        time.sleep(0.02)
    return 0


def test_an_event_becomes_finished_work_at_once_over_any_broker(start, broker):
    engine = start(broker.url)
    engine.event()

    assert finished(engine) == 1
    assert engine.house.done("refund") == [1200]


def test_who_decided_an_action_carries_it_out_without_a_message(start, broker):
    published = partial(metrics.REGISTRY.get_sample_value, "caseworker_hints_total", {"result": "published"})
    engine = start(broker.url)
    before = published() or 0
    engine.event()

    assert finished(engine) == 1
    engine.system.hints.close()
    assert published() == before + 1, "the one hint is that of the case"


@pytest.mark.parametrize(("queues", "does"), [(["support"], False), (["support", "actions"], True)])
def test_only_a_worker_of_actions_carries_them_out_whatever_it_could(tmp_path, monkeypatch, queues, does):
    monkeypatch.setattr(state, "should_stop", None)
    engine = make_engine(tmp_path)
    app = make_app(IN_PROCESS)
    app.amqp.queues.select(queues)
    system = replace(engine.system, app=app, hints=Hints(app))
    tasks.register(app, system, engine.writers)
    pool, answers = Threads(1, app=app), SimpleQueue()
    try:
        pool.give(Job(lambda: answers.put(system.hints.carries_out_here("act_unknown", None))))
        assert answers.get(timeout=60) is does
    finally:
        pool.on_stop()
        system.close()


def test_every_message_twice_changes_nothing(start, broker):
    engine = start(broker.url)
    engine.model.drafts = [[tags()]]
    engine.system = replace(engine.system, hints=Twice(engine.system.hints, engine.system.app))
    for number in range(20):
        engine.event(f"d{number}", ticket=str(number))

    assert finished(engine) == 20
    assert engine.house.done("tag") == [["refund"]] * 20
    assert len(engine.model.asked) == 40


def test_a_flushed_broker_costs_time_and_no_work(start, far_broker):
    engine = start(far_broker.url)
    engine.model.drafts = [[tags()]]
    sweeper = Sweeper(engine.system)
    sweeper.start()
    try:
        for number in range(20):
            engine.event(f"d{number}", ticket=str(number))
            if number % 5 == 0:
                far_broker.flush()
        assert finished(engine) == 20
    finally:
        sweeper.stop()
    assert engine.house.done("tag") == [["refund"]] * 20


def test_a_broker_that_is_down_delays_nothing_at_the_door_and_loses_nothing(start, far_broker):
    engine = start(far_broker.url)
    engine.model.drafts = [[tags()]]
    far_broker.pause()

    began = time.monotonic()
    for number in range(3):
        engine.event(f"d{number}", ticket=str(number))
    far_broker.kill()
    for number in range(3, 5):
        engine.event(f"d{number}", ticket=str(number))
    assert time.monotonic() - began < 25, "the door waited for the broker"

    far_broker.start()
    sweeper = Sweeper(engine.system)
    sweeper.start()
    try:
        assert finished(engine) == 5
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


def test_what_nobody_foresaw_in_a_broker_s_client_costs_a_lot_of_hints_and_not_the_publisher(far_broker, monkeypatch):
    app = make_app(far_broker.url)
    hints = Hints(app)
    send, failed = Line._send, SimpleQueue()

    def breaks_once(line, told):
        if failed.empty():
            failed.put(told)
            raise RuntimeError("a client's own mistake")
        send(line, told)

    monkeypatch.setattr(Line, "_send", breaks_once)
    hints.case("case_1", "support")
    until(lambda: not failed.empty(), "it was not tried")
    until(lambda: hints.backlog() == 0, "it waits")
    hints.case("case_2", "support")

    assert until(lambda: hints.depth("support"), "nothing is published any more") == 1
    monkeypatch.setattr(Line, "depth", breaks)
    assert hints.depth("support") == 0
    hints.close()


def breaks(*_):
    raise RuntimeError("a client's own mistake")

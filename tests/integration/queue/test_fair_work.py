"""What a cap is for, through a real queue: one customer's many slow cases, and behind them another's single one."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from integrations.base import EventType, InboundEvent
from tests.kit.engine import ScriptedModel, make_engine, tags
from tests.kit.patience import until
from workers import tasks
from workers.embedded import WorkerThread
from workers.intake.receive import Provenance, receive
from workers.queue import Hints, make_app
from workers.store.tables import cases
from workers.sweeper import Sweeper
from workers.wiring import utc_now

CAP, THREADS, NOISY = 2, 4, 100


class SlowForOne(ScriptedModel):
    """Thinks of the noisy customer's cases until it is told to end, and tells of how many."""

    def __init__(self):
        super().__init__(drafts=[[tags()]])
        self.thinking, self.most = Counter(), 0
        self.may_end = threading.Event()

    def answer(self, request):
        (event,) = (one.data for one in request.material if one.name == "event")
        if "noisy" in event["text"] and not self.may_end.is_set():
            self.thinking["noisy"] += 1
            self.may_end.wait(60)
        return super().answer(request)


@pytest.fixture
def engine(tmp_path, redis_broker, on_postgresql):
    made = make_engine(tmp_path, url=on_postgresql)
    model = SlowForOne()
    app = make_app(redis_broker.url, stop_seconds=5)
    settings = made.system.settings.model_copy(update={"customer_cap": CAP})
    made.model = model
    made.system = replace(
        made.system, app=app, hints=Hints(app), clock=utc_now, model=model, settings=settings, worker="host:1:aaaa"
    )
    tasks.register(app, made.system, made.writers)
    worker, sweeper = WorkerThread(app, threads=THREADS), Sweeper(made.system)
    made.work = lambda: (worker.start(), sweeper.start())
    yield made
    model.may_end.set()
    sweeper.stop()
    worker.stop()
    made.system.close()


def come(engine, who, number, **customer):
    event = InboundEvent(
        source="house",
        delivery_id=f"{who}{number}",
        type=EventType.TICKET_CREATED,
        vendor_type="ticket",
        subject=f"house:ticket:{who}{number}",
        occurred_at=engine.system.clock(),
        data={"title": "Broken", "text": f"It is broken, says {who}", "ticket_id": f"{who}{number}", **customer},
    )
    receive(engine.system, [event], Provenance(door="test", raw=f"{who}{number}".encode()))


def worked(engine, who):
    """How many of somebody's cases have been through."""
    through = select(func.count()).where(cases.c.subject.startswith(f"house:ticket:{who}"), cases.c.step == "decided")
    with engine.system.db.read() as tx:
        return tx.execute(through).scalar_one()


@pytest.mark.parametrize(
    ("noisy", "quiet"),
    [
        ({"requester_email": "noisy@example.com"}, {"requester_email": "quiet@example.com"}),
        ({"requester": "house:1"}, {"requester": "house:2"}),
    ],
    ids=["known by address", "known by their source's name"],
)
def test_a_hundred_slow_cases_of_one_customer_do_not_hold_up_anothers_single_one(engine, noisy, quiet):
    for number in range(NOISY):
        come(engine, "noisy", number, **noisy)
    come(engine, "quiet", 0, **quiet)
    until(lambda: engine.system.hints.depth("support") == NOISY + 1, "they do not wait in the queue")

    engine.work()
    until(lambda: worked(engine, "quiet"), "it waits for the noisy one's")

    assert 0 < engine.model.thinking["noisy"] < THREADS
    assert worked(engine, "noisy") == 0
    engine.model.may_end.set()
    until(lambda: worked(engine, "noisy") == NOISY, "what the cap left behind does not follow", seconds=120)

"""From a person's yes to the effect, over Redis and PostgreSQL as they are: one hint, which leaves before the yes is committed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.integration.limits.house import a_day, under, within
from tests.kit.engine import make_engine, refund
from tests.kit.patience import until
from workers import tasks
from workers.embedded import WorkerThread
from workers.inbox import service
from workers.inbox.words import Choice, Word
from workers.queue import APPROVED, EXECUTE, Hints, make_app
from workers.store import flow
from workers.store.records import ActionState


@pytest.fixture
def engine(tmp_path, on_postgresql, redis_broker):
    """A worker of actions, and a case whose refund waits for a yes."""
    made = under(
        make_engine(tmp_path, url=on_postgresql),
        within(a_day(10_000, "deny"), outcome="review", approvers=[{"role": "support"}]),
    )
    made.model.drafts = [[refund(1200)]]
    made.event()
    made.drain()
    app = make_app(redis_broker.url, stop_seconds=5)
    made.system = replace(made.system, app=app, hints=Hints(app))
    tasks.register(app, made.system, made.writers)
    worker = WorkerThread(app, threads=2)
    worker.start()
    yield made
    worker.stop()
    made.system.close()


def test_a_yes_is_carried_out_once_by_whoever_is_told_before_its_commit(engine, monkeypatch):
    offered, offer = [], engine.system.hints._offer
    monkeypatch.setattr(
        engine.system.hints, "_offer", lambda hint, **how: (offered.append((hint[0], hint[2])), offer(hint, **how))
    )
    action = engine.action("refund_payment")
    assert action.state == ActionState.PENDING

    snapshot = flow.snapshot(engine.system.db, action.id)
    choice = Choice(Word.APPROVE, action.revision, action.digest)
    assert service.approve(engine.system, engine.person(), snapshot, choice) is not None

    until(lambda: engine.action("refund_payment").state == ActionState.DONE, "it is not carried out")
    assert engine.house.done("refund") == [1200]
    assert (APPROVED, action.id) in offered
    assert (EXECUTE, action.id) not in offered

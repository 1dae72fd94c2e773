"""Which worker begins an action along with its decision: one that carries actions out, and was not told to stop."""

from __future__ import annotations

from dataclasses import replace

import pytest
from celery.worker import state

from integrations.base import VersionReader
from tests.kit.engine import Hints as Kept
from tests.kit.engine import make_engine, tags
from workers import tasks
from workers.agents import library
from workers.queue import ADVANCE, EXECUTE, IN_PROCESS, Hints, make_app
from workers.store import flow
from workers.store.records import ActionState


@pytest.fixture
def decide(tmp_path, monkeypatch):
    """Has a worker of these queues work on a case whose one action is allowed; the engine, the action's state as it was
    decided, and the hints at actions that would have been published."""
    monkeypatch.setattr(state, "should_stop", None)
    stops = []

    def work(*queues, writers=True, during=lambda: None, after=lambda: None):
        engine = make_engine(tmp_path)
        app, offered, states = make_app(IN_PROCESS), [], []
        app.amqp.queues.select(queues)
        hints = Hints(app)
        engine.system = replace(engine.system, app=app, hints=hints)
        stops.append(engine.system.close)
        engine.system.readers._found["house", VersionReader] = None
        engine.model.drafts, engine.model.during = [[tags()]], during
        tasks.register(app, engine.system, engine.writers if writers else None)
        monkeypatch.setattr(hints, "_offer", lambda hint, **_: offered.append(hint[0]))
        record = flow.record

        def recorded(*args, **kwargs):
            found = record(*args, **kwargs)
            if engine.actions():
                states.append(engine.action("add_tags").state)
                after()
            return found

        monkeypatch.setattr(flow, "record", recorded)
        engine.event()
        app.tasks[ADVANCE].run(engine.case().id)
        return engine, states[0], offered.count(EXECUTE)

    yield work
    for stop in stops:
        stop()


def told_to_stop():
    """As the signal does, before the loop has seen it."""
    state.should_stop = 0


def test_a_worker_of_both_begins_it_with_the_decision_and_carries_it_out(decide):
    engine, decided, offered = decide("support", "actions")

    assert (decided, offered) == (ActionState.EXECUTING, 0)
    assert engine.action("add_tags").state == ActionState.DONE
    assert engine.system.leases.held() == 0


@pytest.mark.parametrize(
    ("queues", "writers"),
    [(["support"], True), (["support", "actions"], False)],
    ids=["does not work that queue", "has no writers"],
)
def test_who_does_not_carry_actions_out_begins_none(decide, queues, writers):
    engine, decided, offered = decide(*queues, writers=writers)

    assert (decided, offered) == (ActionState.APPROVED, 1)
    assert engine.action("add_tags").tries == 0


def test_who_was_told_to_stop_begins_nothing(decide):
    engine, decided, offered = decide("support", "actions", during=told_to_stop)

    assert (decided, offered) == (ActionState.APPROVED, 1)
    assert engine.house.effects == []


def test_what_was_begun_before_the_word_to_stop_is_brought_to_its_end(decide):
    engine, decided, offered = decide("support", "actions", after=told_to_stop)

    assert (decided, offered) == (ActionState.EXECUTING, 0)
    assert engine.action("add_tags").state == ActionState.DONE
    assert engine.house.done("tag") == [["refund"]]


def test_what_breaks_right_after_the_commit_leaves_it_to_be_taken_up_again(decide):
    def breaks():
        raise RuntimeError("after the commit")

    engine, decided, _ = decide("support", "actions", after=breaks)

    assert decided == ActionState.EXECUTING
    engine.system.leases._let_go(float("inf"))
    engine.clock.on(seconds=1)
    engine.system = replace(engine.system, hints=Kept())
    engine.sweep()
    assert engine.house.done("tag") == [["refund"]]


@pytest.mark.parametrize("flaw", ["no prompt", "an unknown kind"])
def test_a_worker_with_an_agent_whose_files_cannot_be_right_does_not_start(tmp_path, monkeypatch, flaw):
    """Else each of its cases would find out, five times."""
    engine = make_engine(tmp_path)
    domain = "nowhere" if flaw == "no prompt" else "support"
    if flaw == "an unknown kind":
        monkeypatch.setattr(library, "CATALOGUE", {})
        library.macros.cache_clear()
    agents = {domain: replace(engine.system.agents["support"], domain=domain)}
    engine.system = replace(engine.system, agents=agents)

    with pytest.raises(library.UnusableFiles, match=r"nowhere\.md|proposes unknown kind"):
        tasks.register(make_app(IN_PROCESS), engine.system, engine.writers)

    engine.system.close()

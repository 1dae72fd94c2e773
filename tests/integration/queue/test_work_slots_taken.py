"""A thread of a worker takes a slot before it works on a case, and holds none for an action."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from integrations.errors import Temporary
from tests.kit.engine import make_engine, tags
from tests.kit.patience import until
from workers import tasks
from workers.queue import ADVANCE, EXECUTE, IN_PROCESS, make_app
from workers.work_slots import SLOTS, WorkSlots


@pytest.fixture
def engine(tmp_path):
    found = make_engine(tmp_path)
    found.system = replace(found.system, app=make_app(IN_PROCESS))
    tasks.register(found.system.app, found.system, found.writers)
    found.model.drafts = [[tags()]]
    yield found
    found.system.close()


def test_a_case_is_worked_on_inside_and_an_action_is_not_held_up(engine):
    slots, thinking, doing = engine.system.guards.slots, [], []
    engine.model.during = lambda: thinking.append(slots._free)
    engine.house.during_write = lambda: doing.append(slots._free)
    engine.event()

    engine.system.app.tasks[ADVANCE].run(engine.case().id)
    engine.system.app.tasks[EXECUTE].run(engine.action("add_tags").id)

    assert engine.house.done("tag") == [["refund"]]
    # At triage and draft: the models of this engine are not guarded, so they are asked inside.
    assert (thinking, doing) == ([SLOTS - 1] * 2, [SLOTS])
    assert slots._free == SLOTS


def test_where_no_place_is_free_a_case_waits_for_one(engine):
    slots = WorkSlots(1)
    engine.system.guards.slots = slots
    engine.event()

    with ThreadPoolExecutor(1) as pool:
        with slots.hold():
            worked = pool.submit(engine.system.app.tasks[ADVANCE].run, engine.case().id)
            until(lambda: slots._waiting, "nobody waits")
            assert engine.case().claims == 0
        worked.result(10)

    assert engine.case().step == "decided"


def test_a_case_that_has_to_wait_leaves_its_place(engine):
    def away():
        raise Temporary("no answer")

    engine.model.during = away
    engine.event()

    engine.system.app.tasks[ADVANCE].run(engine.case().id)

    assert engine.case().waiting_for == "no answer"
    assert engine.system.guards.slots._free == SLOTS

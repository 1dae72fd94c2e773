"""A thread of a worker goes through the turnstile before it works on a case, and holds no place for an action."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from integrations.errors import Temporary
from tests.kit.engine import make_engine, tags
from tests.kit.patience import until
from workers import tasks
from workers.queue import ADVANCE, EXECUTE, IN_PROCESS, make_app
from workers.turnstile import PLACES, Turnstile


@pytest.fixture
def engine(tmp_path):
    found = make_engine(tmp_path)
    found.system = replace(found.system, app=make_app(IN_PROCESS))
    tasks.register(found.system.app, found.system, found.writers)
    found.model.drafts = [[tags()]]
    yield found
    found.system.close()


def test_a_case_is_worked_on_inside_and_an_action_is_not_held_up(engine):
    turnstile, thinking, doing = engine.system.guards.turnstile, [], []
    engine.model.during = lambda: thinking.append(turnstile._free)
    engine.house.during_write = lambda: doing.append(turnstile._free)
    engine.event()

    engine.system.app.tasks[ADVANCE].run(engine.case().id)
    engine.system.app.tasks[EXECUTE].run(engine.action("add_tags").id)

    assert engine.house.done("tag") == [["refund"]]
    # At triage and draft: the models of this engine are not guarded, so they are asked inside.
    assert (thinking, doing) == ([PLACES - 1] * 2, [PLACES])
    assert turnstile._free == PLACES


def test_where_no_place_is_free_a_case_waits_for_one(engine):
    turnstile = Turnstile(1)
    engine.system.guards.turnstile = turnstile
    engine.event()

    with ThreadPoolExecutor(1) as pool:
        with turnstile.through():
            worked = pool.submit(engine.system.app.tasks[ADVANCE].run, engine.case().id)
            until(lambda: turnstile._waiting, "nobody waits")
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
    assert engine.system.guards.turnstile._free == PLACES

"""Who waits for threads of its own, or for a moment, holds no slot meanwhile, as who waits for a call holds none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from integrations.errors import Temporary
from tests.unit.agents.test_loop import Model, c, loop
from tests.unit.models.routed import Scripted, request, router, seat
from workers.work_slots import WorkSlots

SOON = 5.0


class Outside:
    """What is waited for, until it is told to end."""

    def __init__(self) -> None:
        self.asked, self.given = threading.Event(), threading.Event()

    def wait(self, *_: object) -> None:
        self.asked.set()
        assert self.given.wait(SOON), "whoever waits keeps the only place"


@pytest.fixture
def outside():
    made = Outside()
    yield made
    made.given.set()


def holds_no_slot(slots: WorkSlots, outside: Outside, work: Callable[[], object]) -> object:
    """What `work` gives, done with a slot, while somebody else takes that slot as it waits."""

    def with_a_slot() -> object:
        with slots.hold():
            return work()

    def another() -> None:
        with slots.hold():
            outside.given.set()

    with ThreadPoolExecutor(2) as pool:
        working = pool.submit(with_a_slot)
        assert outside.asked.wait(SOON)
        pool.submit(another).result(2 * SOON)
        return working.result(SOON)


def test_an_urgent_question_that_is_put_to_two(outside):
    slots = WorkSlots(1)
    first, second = Scripted("alpha", script=[outside.wait]), Scripted("beta")
    asked = router(seat(first, hedge_after=SOON), seat(second), released_during=slots.released_during)

    found = holds_no_slot(slots, outside, lambda: asked.answer(request(urgent=True)))

    assert found.output.by == "alpha"


def test_the_moment_before_a_second_try(outside):
    slots = WorkSlots(1)
    model = Scripted("alpha", script=[Temporary("Overloaded.")])
    asked = router(seat(model), released_during=slots.released_during, sleep=outside.wait)

    found = holds_no_slot(slots, outside, lambda: asked.answer(request()))

    assert (found.output.by, len(model.asked)) == ("alpha", 2)


def test_look_ups_that_are_made_at_the_same_time(outside):
    slots, model = WorkSlots(1), Model([[c("find", name="a"), c("find", name="b")]])
    looking = loop(model, look=lambda _lookup, _arguments: outside.wait() or [], released_during=slots.released_during)

    holds_no_slot(slots, outside, looking.run)

    assert len(model.asked) == 2

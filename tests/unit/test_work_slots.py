"""Work slots: how many work, who comes next, and that no slot is lost."""

from __future__ import annotations

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from workers.guards.guard import Guards
from workers.work_slots import SLOTS, WorkSlots

SOON = 5.0


class Answer:
    """A call that ends when it is told to."""

    def __init__(self) -> None:
        self.asked, self.given = threading.Event(), threading.Event()
        self.count = 0
        self._guard = threading.Lock()

    def wait(self) -> str:
        with self._guard:
            self.count += 1
        self.asked.set()
        assert self.given.wait(SOON)
        return "answered"


def free(slots: WorkSlots) -> int:
    return slots._free


def waiting(slots: WorkSlots, count: int) -> bool:
    deadline = time.monotonic() + SOON
    while len(slots._waiting) < count:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True


def test_so_many_are_inside_and_no_more_and_all_get_through():
    slots, guard = WorkSlots(3), threading.Lock()
    inside, most, through = 0, 0, 0

    def work() -> None:
        nonlocal inside, most, through
        with slots.hold():
            with guard:
                inside += 1
                most = max(most, inside)
            time.sleep(0.002)
            with guard:
                inside -= 1
                through += 1

    with ThreadPoolExecutor(12) as pool:
        for _ in range(60):
            pool.submit(work)

    assert (most, through) == (3, 60)
    assert free(slots) == 3


def test_who_waits_for_an_answer_lets_another_in():
    slots, answer = WorkSlots(1), Answer()
    ask = slots.released_during(answer.wait)

    def work() -> str:
        with slots.hold():
            return ask()

    with ThreadPoolExecutor(2) as pool:
        asking = pool.submit(work)
        assert answer.asked.wait(SOON)
        with slots.hold():
            answer.given.set()
            assert waiting(slots, 1)
            # Its answer is there, and its place is taken.
            assert not asking.done()
        assert asking.result(SOON) == "answered"
    assert free(slots) == 1


def test_they_are_let_in_in_the_order_of_asking():
    slots, answer = WorkSlots(1), Answer()
    order: list[str] = []

    def begun() -> None:
        with slots.hold():
            slots.released_during(answer.wait)()
            order.append("came back")

    def comes(name: str) -> None:
        with slots.hold():
            order.append(name)

    with ThreadPoolExecutor(3) as pool:
        pool.submit(begun)
        assert answer.asked.wait(SOON)
        with slots.hold():
            pool.submit(comes, "first")
            assert waiting(slots, 1)
            answer.given.set()
            assert waiting(slots, 2)
            pool.submit(comes, "last")
            assert waiting(slots, 3)

    assert order == ["first", "came back", "last"]


def test_a_call_within_a_call_and_one_from_outside_take_and_give_nothing():
    slots = WorkSlots(1)
    inner = slots.released_during(lambda: "inner")
    outer = slots.released_during(inner)

    assert outer() == "inner"
    with slots.hold():
        assert outer() == "inner"
        assert free(slots) == 0
    assert free(slots) == 1


def test_what_breaks_off_loses_no_place():
    slots = WorkSlots(1)

    @slots.released_during
    def fails() -> None:
        raise ValueError("no answer")

    with pytest.raises(ValueError, match="no answer"), slots.hold():
        fails()
    with pytest.raises(KeyError), slots.hold():
        raise KeyError
    assert free(slots) == 1


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("back", [False, True], ids=["coming", "coming back"])
def test_who_is_interrupted_while_waiting_leaves_the_place_to_others(back):
    """As a time limit does, which comes as a signal. The main thread alone hears it."""
    slots, taken, over = WorkSlots(1), threading.Event(), threading.Event()

    def occupy() -> None:
        with slots.hold():
            taken.set()
            over.wait(SOON)

    def interrupt(*_: object) -> None:
        raise Interrupted

    def interrupt_soon() -> None:
        threading.Timer(0.05, signal.pthread_kill, (threading.get_ident(), signal.SIGUSR1)).start()

    @slots.released_during
    def call() -> None:
        other.start()
        assert taken.wait(SOON)
        interrupt_soon()

    other = threading.Thread(target=occupy)
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        if back:
            with pytest.raises(Interrupted), slots.hold():
                call()
        else:
            other.start()
            assert taken.wait(SOON)
            interrupt_soon()
            with pytest.raises(Interrupted), slots.hold():
                pytest.fail("there was no place")
    finally:
        over.set()
        other.join(SOON)
        signal.signal(signal.SIGUSR1, before)

    assert free(slots) == 1


def test_what_is_asked_through_a_guard_is_asked_aside():
    guards, answer = Guards(), Answer()
    vendor = guards.wrap("desk", answer)

    def work() -> str:
        with guards.slots.hold():
            return vendor.wait()

    with ThreadPoolExecutor(40) as pool:
        # More than there are places.
        asking = [pool.submit(work) for _ in range(40)]
        deadline = time.monotonic() + SOON
        while answer.count < 40 and time.monotonic() < deadline:
            time.sleep(0.001)
        assert (answer.count, free(guards.slots)) == (40, SLOTS)
        answer.given.set()
        assert {asked.result(SOON) for asked in asking} == {"answered"}

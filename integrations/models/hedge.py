"""Two calls where one would do: when the first takes long, a second is begun, and whichever answers first is taken.

The router does this for urgent cases. Each call runs in a thread of its own; one that comes too late is told to `late`, so
that it is paid for and not used. Nothing is cancelled: a service bills for what it has begun.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Race(Generic[R]):
    """How it ended. `winner` is 0 or 1, or None where nobody answered; `errors` are of those that failed before."""

    winner: int | None
    answer: R | None
    errors: tuple[tuple[int, BaseException], ...]
    #: whether the second was begun
    hedged: bool


@dataclass
class _Track(Generic[R]):
    """Where the runners arrive. Whoever arrives when it is over is late."""

    late: Callable[[int, R | BaseException], None]
    arrived: SimpleQueue[tuple[int, R | BaseException]] = field(default_factory=SimpleQueue)
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: bool = False

    def arrive(self, place: int, result: R | BaseException) -> None:
        with self.lock:
            if not self.over:
                self.arrived.put((place, result))
                return
        self.late(place, result)

    def end(self) -> None:
        with self.lock:
            self.over = True
        while not self.arrived.empty():
            self.late(*self.arrived.get())


def race(
    first: Callable[[], R],
    second: Callable[[], R],
    *,
    after: float,
    late: Callable[[int, R | BaseException], None],
) -> Race[R]:
    """Begin `first`; if it has not ended `after` seconds later, begin `second` as well. Return when one has answered,
    both have failed, or the first has failed alone."""
    track: _Track[R] = _Track(late)
    _start(track, 0, first)
    running, hedged = 1, False
    errors: list[tuple[int, BaseException]] = []
    try:
        while running:
            try:
                place, result = track.arrived.get(timeout=None if hedged else after)
            except Empty:
                _start(track, 1, second)
                running, hedged = running + 1, True
                continue
            running -= 1
            if not isinstance(result, BaseException):
                return Race(place, result, tuple(errors), hedged)
            errors.append((place, result))
        return Race(None, None, tuple(errors), hedged)
    finally:
        track.end()


def _start(track: _Track[R], place: int, call: Callable[[], R]) -> None:
    # With the caller's context, so that spans and log lines still belong to its case.
    context = copy_context()

    def run() -> None:
        try:
            result: R | BaseException = context.run(call)
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits for it
            result = error
        track.arrive(place, result)

    threading.Thread(target=run, name=f"hedge-{place}", daemon=True).start()

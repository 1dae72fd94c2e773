"""Work slots: of all the threads of a process so many work at once; who waits for an answer from outside lets another work.

A worker may have hundreds of threads, since they wait for models most of the time, but an interpreter runs one at a time. Where
hundreds want it each gets a few milliseconds and then waits for hundreds of others: what was begun takes long to end, rows are held
for as long, and no cache is warm. So a thread takes a slot before it works on a case, releases it while a call is on its way
(`workers.guards`), and takes one again in the order of asking. Who waits for the database keeps it: statements of those who work at
one moment travel together (`workers.store.group_commit`), and cost less so. An action that is begun is never held up.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

#: with fewer too few statements travel together, with more a case costs more again (docs/decisions/0025)
SLOTS: Final = 32


class _OfThread(threading.local):
    holds = False


class WorkSlots:
    def __init__(self, count: int = SLOTS) -> None:
        self._guard = threading.Lock()
        self._free = count
        #: a lock for each that waits, released when it is given a slot
        self._waiting: deque[threading.Lock] = deque()
        self._of_thread = _OfThread()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Around a piece of work. Not one within another: that would take two slots."""
        mine = self._of_thread
        self._take()
        mine.holds = True
        try:
            yield
        finally:
            # Whoever was interrupted while taking it again has none to give back.
            if mine.holds:
                mine.holds = False
                self._give_back()

    def released_during(self, call: Callable[P, R]) -> Callable[P, R]:
        """`call`, made without the slot: who holds one gives it back until the call has ended. Nothing is asked of all others."""

        @wraps(call)
        def calling(*args: P.args, **kwargs: P.kwargs) -> R:
            mine = self._of_thread
            if not mine.holds:
                return call(*args, **kwargs)
            mine.holds = False
            self._give_back()
            try:
                return call(*args, **kwargs)
            finally:
                self._take()
                mine.holds = True

        return calling

    def _take(self) -> None:
        with self._guard:
            if self._free:
                self._free -= 1
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        try:
            turn.acquire()
        except BaseException:
            # A signal, or a time limit: no slot is kept for nobody.
            with self._guard:
                waits = turn in self._waiting
                if waits:
                    self._waiting.remove(turn)
            if not waits:
                self._give_back()
            raise

    def _give_back(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1

"""The turnstile: of all the threads of a process so many work at once; who waits for an answer from outside lets another in.

A worker may have hundreds of threads, since they wait for models most of the time, but an interpreter runs one at a time. Where
hundreds want it each gets a few milliseconds and then waits for hundreds of others: what was begun takes long to end, rows are held
for as long, and no cache is warm. So a thread goes through before it works on a case, stands aside while a call is on its way
(`workers.guards`), and comes back in the order of asking. The database is waited for inside: statements of those who work at one
moment travel together (`workers.store.together`), and cost less so. An action that is begun is never held up.
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
PLACES: Final = 32


class _Here(threading.local):
    inside = False


class Turnstile:
    def __init__(self, places: int = PLACES) -> None:
        self._guard = threading.Lock()
        self._free = places
        #: a lock for each that waits, released when it is let in
        self._waiting: deque[threading.Lock] = deque()
        self._here = _Here()

    @contextmanager
    def through(self) -> Iterator[None]:
        """Around a piece of work. Not one within another: that would take two places."""
        here = self._here
        self._enter()
        here.inside = True
        try:
            yield
        finally:
            # Whoever was interrupted on the way back has none to leave.
            if here.inside:
                here.inside = False
                self._leave()

    def aside(self, call: Callable[P, R]) -> Callable[P, R]:
        """`call`, made aside: who is inside lets another in until it has ended. Of all others nothing is asked."""

        @wraps(call)
        def calling(*args: P.args, **kwargs: P.kwargs) -> R:
            here = self._here
            if not here.inside:
                return call(*args, **kwargs)
            here.inside = False
            self._leave()
            try:
                return call(*args, **kwargs)
            finally:
                self._enter()
                here.inside = True

        return calling

    def _enter(self) -> None:
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
            # A signal, or a time limit: no place is kept for nobody.
            with self._guard:
                waits = turn in self._waiting
                if waits:
                    self._waiting.remove(turn)
            if not waits:
                self._leave()
            raise

    def _leave(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1

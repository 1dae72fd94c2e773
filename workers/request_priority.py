"""Priority for requests: where door and workers share one process, what comes in goes first.

An interpreter runs one thread at a time, and a vendor waits seconds at most while a case can wait for its next step. So
each step gives way while requests are at the door, for a bounded time: a flood slows the work down and never stops it. In
a process with no door nothing is ever waited for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_SECONDS = 2.0


class RequestPriority:
    def __init__(self, longest: float = LONGEST_SECONDS) -> None:
        self._longest = longest
        self._requests = 0
        self._changed = threading.Condition()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Around a request that somebody outside waits for."""
        self.arrive()
        try:
            yield
        finally:
            self.leave()

    def arrive(self) -> None:
        with self._changed:
            self._requests += 1

    def leave(self) -> None:
        with self._changed:
            self._requests -= 1
            if not self._requests:
                self._changed.notify_all()

    def give_way(self, longest: float | None = None) -> None:
        """Before work that can wait: until nobody is at the door, or long enough (seconds)."""
        if self._requests:
            with self._changed:
                self._changed.wait_for(lambda: not self._requests, self._longest if longest is None else longest)

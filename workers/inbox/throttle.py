"""Slows down guessing: so many tries per key within a window, kept in memory, bounded.

A try is counted before the password is checked, so that tries side by side cannot slip through together. A restart
forgets; behind several web processes each counts for itself.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

MOST_KEYS = 10_000


class Throttle:
    """At most `tries` per key in any stretch of `window`."""

    def __init__(self, clock: Callable[[], datetime], *, tries: int, window: timedelta) -> None:
        self._clock = clock
        self._tries = tries
        self._window = window
        self._seen: OrderedDict[str, list[datetime]] = OrderedDict()
        self._lock = threading.Lock()

    def try_(self, key: str) -> timedelta | None:
        """Count one try. None when it may go on, else how long to wait."""
        now = self._clock()
        with self._lock:
            recent = [at for at in self._seen.pop(key, []) if now - at < self._window]
            wait = recent[0] + self._window - now if len(recent) >= self._tries else None
            if wait is None:
                recent.append(now)
            self._seen[key] = recent
            while len(self._seen) > MOST_KEYS:
                self._seen.popitem(last=False)
        return wait

    def forget(self, key: str) -> None:
        """The last tries were honest: begin anew."""
        with self._lock:
            self._seen.pop(key, None)

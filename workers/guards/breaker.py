"""The circuit breaker of one vendor in one process: after failures in a row, nobody calls for a while; then one tries.

Pure but for the lock: the time is passed in. `guard` asks before each call and tells how it ended.
"""

from __future__ import annotations

import threading

FAILURES = 5
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 60.0
#: how soon to come back while one call is trying whether the vendor answers again
WHILE_PROBED = 2.0


class Breaker:
    """Closed: all may call. Open: nobody. Half-open, when the pause is over: exactly one, and its end decides."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._pause = 0.0
        self._open_until = 0.0
        #: the thread whose call is trying: a call begins and ends in one
        self._prober: int | None = None

    @property
    def failures(self) -> int:
        return self._failures

    @property
    def state(self) -> str:
        """closed, open or half-open."""
        if not self._pause:
            return "closed"
        return "open" if self._prober is None else "half-open"

    def refuses(self, now: float) -> float:
        """Seconds after which to come back, or 0 where the call may be made: it must then be told how it ended."""
        if not self._pause:
            return 0.0
        with self._lock:
            if not self._pause:
                return 0.0
            if now < self._open_until:
                return self._open_until - now
            if self._prober is not None:
                return WHILE_PROBED
            self._prober = threading.get_ident()
            return 0.0

    def answered(self) -> None:
        """The vendor answered, be it with a refusal."""
        if self._failures or self._pause:
            with self._lock:
                self._failures, self._pause, self._prober = 0, 0.0, None

    def failed(self, now: float) -> None:
        """It could not be reached, or failed by its own word. Opens, or stays open for twice as long."""
        with self._lock:
            self._failures += 1
            if self._prober == threading.get_ident():
                self._pause = min(self._pause * 2, LONGEST_PAUSE)
            elif not self._pause and self._failures >= FAILURES:
                self._pause = FIRST_PAUSE
            else:
                # A call that was under way when it opened changes nothing.
                return
            self._prober = None
            self._open_until = now + self._pause

    def given_up(self) -> None:
        """The call ended for a reason that says nothing of the vendor: another may try."""
        if self._prober == threading.get_ident():
            with self._lock:
                self._prober = None

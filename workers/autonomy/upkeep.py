"""The upkeep of earned autonomy: decisions are kept, what ran by itself is watched. The sweeper starts it beside its own.

It runs on a thread of its own, one at a time, as learning does and for the same reasons: whatever it meets, work goes on, and
what it could not do it does at the next turn.
"""

from __future__ import annotations

import threading

from policies.errors import PolicyError
from workers.autonomy.keeping import keep
from workers.autonomy.watching import follow
from workers.log import logger
from workers.store.database import StoreUnavailable
from workers.wiring import System

CRASH_POINTS = ("autonomy.keeping", "autonomy.counting", "autonomy.taking_back", "autonomy.taken_back")


class Upkeep:
    """Of one process. `begin` returns at once; `run` works in this thread."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._thread: threading.Thread | None = None
        self._turn = threading.Lock()

    def begin(self) -> None:
        """Work once more on a thread of its own, unless it still works."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self.run, name="autonomy", daemon=True)
            self._thread.start()

    def wait(self, seconds: float) -> None:
        """Until it is done, or so long."""
        if self._thread is not None:
            self._thread.join(seconds)

    def run(self) -> None:
        with self._turn:
            try:
                keep(self._system)
                follow(self._system)
            except (StoreUnavailable, PolicyError, ValueError) as error:
                logger.warning("autonomy_broke_off", error=str(error))

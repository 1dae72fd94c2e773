"""The thread of rehearsal: backtests that were asked for, hits of rules, and the shadow policies. The sweeper starts it.

On a thread of its own, because a backtest takes seconds and the sweeper must see who died within few. Whatever it meets, work
goes on; what it could not do it does at the next turn. Several processes may run it: what one has begun, no other begins.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from policies.errors import PolicyError
from workers.log import logger
from workers.rehearsal import hits, jobs, shadow
from workers.rehearsal.shadow import Shadows
from workers.store.database import StoreUnavailable
from workers.wiring import System

#: how often it is looked whether a backtest was asked for
LOOK_SECONDS = 2.0
#: how often hits are counted and shadows follow
FOLLOW_SECONDS = 15.0


class RehearsalThread:
    """Of one process. `begin` returns at once; `once` works in this thread."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._shadows = Shadows(system.settings.policy_shadow_dir)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Go on working on a thread of its own, unless it does already."""
        if not self._stop.is_set() and (self._thread is None or not self._thread.is_alive()):
            thread = threading.Thread(target=self._run, name="rehearsal", daemon=True)
            thread.start()
            self._thread = thread

    def stop(self, timeout: float = 5.0) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def once(self) -> None:
        """Everything there is to do now."""
        self._turn(self._follow)
        self._turn(self._jobs)

    def _run(self) -> None:
        follow_at = time.monotonic()
        while not self._stop.is_set():
            self._turn(self._jobs)
            if time.monotonic() >= follow_at:
                self._turn(self._follow)
                follow_at = time.monotonic() + FOLLOW_SECONDS
            self._stop.wait(LOOK_SECONDS)

    def _turn(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (StoreUnavailable, PolicyError, ValueError, OSError) as error:
            logger.warning("rehearsal_broke_off", error=str(error))

    def _jobs(self) -> None:
        while self._go_on() and jobs.work(self._system, go_on=self._go_on):
            pass

    def _follow(self) -> None:
        hits.follow(self._system.db, self._system.clock(), go_on=self._go_on)
        for policy in self._shadows.now(self._system.db):
            judged = shadow.follow(self._system, policy, go_on=self._go_on)
            if judged:
                logger.info("policy_shadow_judged", decisions=judged, policy=policy.name)

    def _go_on(self) -> bool:
        self._system.request_priority.give_way()
        return not self._stop.is_set()

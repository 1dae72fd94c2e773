"""The sweeper: asks one question, *what is due?*, and hints at it again. What it finds is what a message lost.

It also anchors the audit log and clears old quarantine. The interval is the recovery time, so it stays at seconds.
"""

from __future__ import annotations

import threading
import time
from datetime import timedelta

from workers.log import logger
from workers.store import actions, audit, cases, quarantine
from workers.store.database import StoreUnavailable
from workers.wiring import System

#: rows hinted per pass and table; a backlog is worked off over several passes
BATCH = 500
#: a row that was just hinted is not hinted again for so long: it is probably in the queue
REPEAT_SECONDS = 5.0
UPKEEP_SECONDS = 60.0


class Sweeper:
    """Runs in a thread of its own until stopped."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._hinted: dict[str, float] = {}
        self._upkeep_at = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def run(self) -> None:
        """In the foreground, for ``caseworker sweep``."""
        self._run()

    def sweep(self) -> int:
        """One pass. Returns how many rows were hinted."""
        now = self._system.clock()
        with self._system.db.read() as tx:
            due_cases = cases.due(tx, now, BATCH)
            due_actions = actions.due(tx, now, BATCH)
        fresh = 0
        moment = time.monotonic()
        for case_id, domain in due_cases:
            if self._not_just_hinted(case_id, moment):
                self._system.hints.case(case_id, domain)
                fresh += 1
        for action_id in due_actions:
            if self._not_just_hinted(action_id, moment):
                self._system.hints.action(action_id)
                fresh += 1
        self._hinted = {row: at for row, at in self._hinted.items() if moment - at < REPEAT_SECONDS}
        return fresh

    def upkeep(self) -> None:
        """Seal the audit log and drop what was kept for replay long enough."""
        now = self._system.clock()
        with self._system.db.write() as tx:
            sealed = audit.anchor(tx, now)
            quarantine.drop_older(tx, now - timedelta(hours=self._system.settings.quarantine_hours))
        if sealed is not None:
            logger.info("audit_anchored", last_entry=sealed[0], digest=sealed[1])

    def _not_just_hinted(self, row_id: str, moment: float) -> bool:
        if moment - self._hinted.get(row_id, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return False
        self._hinted[row_id] = moment
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.sweep()
                if time.monotonic() >= self._upkeep_at:
                    self._upkeep_at = time.monotonic() + UPKEEP_SECONDS
                    self.upkeep()
            except StoreUnavailable as error:
                logger.warning("sweep_failed", error=str(error))
            self._stop.wait(self._system.settings.sweep_seconds)

"""Leases: while a case or an action is worked on, its `wake_at` is pushed ahead, in one statement for the whole process.

When the process dies the pushing stops, the lease runs out, and the sweeper hands the row on. A single piece of work is
never held longer than `longest`, so that a hung call cannot keep a row for ever.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from workers.log import logger
from workers.store import actions, cases
from workers.store.database import Database, StoreUnavailable


class Leases:
    """Renews what this process holds, each third of a lease."""

    def __init__(self, db: Database, clock: Callable[[], datetime], *, lease: timedelta, longest: timedelta) -> None:
        self._db = db
        self._clock = clock
        self._lease = lease
        self._longest = longest.total_seconds()
        self._held: dict[tuple[str, str], tuple[int, float]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="leases", daemon=True)
        self._thread.start()

    @contextmanager
    def case(self, case_id: str, version: int) -> Iterator[None]:
        with self._holding(("case", case_id), version):
            yield

    @contextmanager
    def action(self, action_id: str, version: int) -> Iterator[None]:
        with self._holding(("action", action_id), version):
            yield

    def held(self) -> int:
        return len(self._held)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)

    @contextmanager
    def _holding(self, key: tuple[str, str], version: int) -> Iterator[None]:
        with self._lock:
            self._held[key] = (version, time.monotonic())
        try:
            yield
        finally:
            with self._lock:
                self._held.pop(key, None)

    def _renew(self) -> None:
        while not self._stop.wait(self._lease.total_seconds() / 3):
            with self._lock:
                young = {
                    key: version
                    for key, (version, since) in self._held.items()
                    if time.monotonic() - since < self._longest
                }
            if not young:
                continue
            until = self._clock() + self._lease
            try:
                with self._db.write() as tx:
                    cases.renew(tx, {i: v for (table, i), v in young.items() if table == "case"}, until=until)
                    actions.renew(tx, {i: v for (table, i), v in young.items() if table == "action"}, until=until)
            except StoreUnavailable as error:
                logger.warning("leases_not_renewed", error=str(error))

"""Leases: while a case or an action is worked on, its `wake_at` is pushed ahead, in one statement for the whole process.

The same thread says each second that the process lives. When the process dies both stop: the sweeper sees the row that no
longer moves and frees what it held within seconds, and should no sweeper see it, the lease runs out. A single piece of
work is never held longer than `longest`, so that a hung call cannot keep a row for ever.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from workers.log import logger
from workers.store import actions, cases, processes
from workers.store.database import Database, StoreUnavailable

BEAT_SECONDS = 1.0


class Leases:
    """Renews what this process holds, each third of a lease, and beats each second where it has a name.

    Nothing runs until the first piece of work, or `begin`: a process that only looks writes no row.
    """

    def __init__(
        self,
        db: Database,
        clock: Callable[[], datetime],
        *,
        lease: timedelta,
        longest: timedelta,
        process: str | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._lease = lease
        self._longest = longest.total_seconds()
        self._process = process
        self._queues: tuple[str, ...] = ()
        self._seen = False
        self._held: dict[tuple[str, str], tuple[int, float]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, queues: Sequence[str] = ()) -> None:
        """Say from now on that this process lives and which queues it works."""
        self._queues = tuple(queues)
        self._start()

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
        """Stop. The row goes only when the work has ended: what is still held here is for the sweeper to free."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)
        if self._process is not None and self._seen and not self._held:
            try:
                with self._db.write() as tx:
                    processes.forget(tx, [self._process])
            except StoreUnavailable as error:
                logger.warning("process_not_signed_off", error=str(error))
        self._db.dispose()

    @contextmanager
    def _holding(self, key: tuple[str, str], version: int) -> Iterator[None]:
        with self._lock:
            self._held[key] = (version, time.monotonic())
        if self._thread is None:
            self._start()
        try:
            yield
        finally:
            with self._lock:
                self._held.pop(key, None)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        third = self._lease.total_seconds() / 3
        pause = third if self._process is None else min(BEAT_SECONDS, third)
        renewed = time.monotonic()
        try:
            self._beat()
            while not self._stop.wait(pause):
                self._beat()
                if time.monotonic() - renewed >= third - pause / 2:
                    renewed = time.monotonic()
                    self._renew()
        finally:
            if not self._stop.is_set():
                # Whatever ended it: a process that works must go on saying that it lives.
                self._thread = None
                self._stop.wait(pause)
                self._start()

    def _beat(self) -> None:
        # SQLite has one machine and pays for each write with a flush of the disk: an idle process says nothing there.
        if self._process is None or (self._db.is_sqlite and not self._held):
            return
        try:
            with self._db.write() as tx:
                processes.beat(
                    tx,
                    self._process,
                    kind=processes.WORKER,
                    queues=self._queues,
                    held=len(self._held),
                    now=self._clock(),
                )
                self._seen = True
        except StoreUnavailable as error:
            logger.warning("no_sign_of_life_given", error=str(error))

    def _renew(self) -> None:
        with self._lock:
            young = {
                key: version for key, (version, since) in self._held.items() if time.monotonic() - since < self._longest
            }
        if not young:
            return
        until = self._clock() + self._lease
        try:
            with self._db.write() as tx:
                cases.renew(tx, {i: v for (table, i), v in young.items() if table == "case"}, until=until)
                actions.renew(tx, {i: v for (table, i), v in young.items() if table == "action"}, until=until)
        except StoreUnavailable as error:
            logger.warning("leases_not_renewed", error=str(error))

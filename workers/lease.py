"""Leases: while a case or an action is worked on, it is not due: the end of its lease (a case's `held_until`, an action's `wake_at`)
is pushed ahead, in one statement for each of the two tables and the whole process.

The same thread says each second that the process lives. When the process dies both stop: the sweeper sees the row that no
longer moves and frees what it held within seconds, and should no sweeper see it, the lease runs out. A single piece of
work is never held longer than `longest`, so that a hung call cannot keep a row for ever.

What a living process could not end in order, because the database was away or something broke, it lets go of itself as
soon as it can, so that nobody waits for the lease of a claim that nobody works on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from workers.log import logger
from workers.store import actions, cases, processes
from workers.store.database import Database, StoreUnavailable

BEAT_SECONDS = 1.0
#: work that broke off for a reason that nobody foresaw is left alone for so long: it may well break off again
UNFORESEEN_SECONDS = 10.0

Key = tuple[str, str]


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
        self._held: dict[Key, tuple[int, float]] = {}
        #: what was not ended in order -> its version, and from when on it may be let go of
        self._left: dict[Key, tuple[int, float]] = {}
        #: how often to look yet for claims that nobody here knows of, and those that the look before found
        self._looks = 0
        self._strays: dict[Key, int] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        if process is not None and not db.is_sqlite:
            processes.hold_name(db, process)

    def begin(self, queues: Sequence[str] = ()) -> None:
        """Say from now on that this process lives and which queues it works."""
        self._queues = tuple(queues)
        self._start()

    def case(self, case_id: str, version: int) -> _Holding:
        """Hold a claimed case as long as the block works on it."""
        return _Holding(self, ("case", case_id), version)

    def action(self, action_id: str, version: int) -> _Holding:
        return _Holding(self, ("action", action_id), version)

    def held(self) -> int:
        return len(self._held)

    def answer_missed(self) -> None:
        """The database was lost in the middle of something: a claim may have been made whose answer never came.

        It bears this process's name and nobody here works on it. It is found by looking twice, since what is in the name
        only at the first look is just being taken in hand.
        """
        self._looks = 2

    def close(self) -> None:
        """Stop. The row goes only when the work has ended: what is still held here is for the sweeper to free."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)
        self._let_go(float("inf"))
        if self._process is not None and self._seen and not self._held and not self._left:
            try:
                with self._db.write() as tx:
                    processes.forget(tx, [self._process])
            except StoreUnavailable as error:
                logger.warning("process_not_signed_off", error=str(error))
        self._db.dispose()

    def take(self, key: Key, version: int) -> None:
        """From now on this is renewed."""
        with self._lock:
            self._held[key] = (version, time.monotonic())
        if self._thread is None:
            self._start()

    def give_up(self, key: Key, version: int, error: BaseException | None) -> None:
        """The work on it has ended, or broke off: then it is let go of, in a while where nobody knows why.

        Another thread of this process may have claimed it since; what that one holds it goes on holding.
        """
        with self._lock:
            if self._held.get(key, (version, 0.0))[0] == version:
                self._held.pop(key, None)
            if error is not None and self._left.get(key, (version, 0.0))[0] <= version:
                after = 0.0 if isinstance(error, StoreUnavailable | cases.LostClaim) else UNFORESEEN_SECONDS
                self._left[key] = (version, time.monotonic() + after)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                thread = threading.Thread(target=self._run, name="leases", daemon=True)
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        third = self._lease.total_seconds() / 3
        pause = third if self._process is None else min(BEAT_SECONDS, third)
        renewed = time.monotonic()
        try:
            self._beat()
            while not self._stop.wait(pause):
                self._beat()
                self._find_strays()
                self._let_go(time.monotonic())
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
        # On SQLite nobody listens: there one process serves one file, and knows at its start that those before are dead.
        if self._process is None or self._db.is_sqlite:
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

    def _find_strays(self) -> None:
        if self._process is None or not self._looks:
            return
        try:
            with self._db.read() as tx:
                named = processes.claimed_by(tx, self._process)
        except StoreUnavailable as error:
            logger.warning("strays_not_sought", error=str(error))
            return
        self._looks -= 1
        with self._lock:
            found = {key: version for key, version in named.items() if key not in self._held and key not in self._left}
            self._left |= {key: (version, 0.0) for key, version in found.items() if self._strays.get(key) == version}
        self._strays = found if self._looks else {}

    def _let_go(self, moment: float) -> None:
        """Free what was left unfinished, as far as its time has come."""
        with self._lock:
            left = {key: version for key, (version, when) in self._left.items() if when <= moment}
        if not left:
            return
        try:
            with self._db.write() as tx:
                freed = processes.let_go(tx, left, self._process, self._clock())
        except StoreUnavailable as error:
            logger.warning("claims_not_let_go", error=str(error))
            return
        with self._lock:
            self._left = {key: kept for key, kept in self._left.items() if left.get(key) != kept[0]}
        logger.info("claims_let_go", rows=freed)

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


class _Holding:
    """The block in which something is worked on."""

    __slots__ = ("_key", "_leases", "_version")

    def __init__(self, leases: Leases, key: Key, version: int) -> None:
        self._leases = leases
        self._key = key
        self._version = version

    def __enter__(self) -> None:
        self._leases.take(self._key, self._version)

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        self._leases.give_up(self._key, self._version, error)

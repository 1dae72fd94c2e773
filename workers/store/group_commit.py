"""Statements of several threads in one round trip and one transaction: one commit, one waiting for the disk, one waking of the
server's process for all of them.

Whoever comes when nobody is on the way leads: he takes along what waits by then, and wakes each with its own result once
all is committed. Where more wait than go together, the oldest cases go first, so that what was begun is ended before more is
begun. Where the process is busy he waits a little for others first; where it is quiet, not at all. Nobody gets a
result before the commit that holds his statement, and nobody is held up or refused because of a stranger: when anything is
wrong with a group, or a row that it needs is held by somebody else for long, nothing of it was written and each asks
again by himself. Only where the connection is lost is that not known; then everybody hears so. Called by
`workers.store.database`; PostgreSQL only.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

import psycopg
from psycopg.errors import LockNotAvailable
from psycopg.pq.abc import PGresult

from workers.store.direct import UNUSABLE, BeforeCommit, Lending, Statements
from workers.store.phrasing import Bound

#: longest wait for others, where there are others
GATHERING_SECONDS = 0.003
#: who has asked within that time is likely to ask again soon
RECENTLY = 0.025
#: with so many others the process is busy
BUSY = 3
#: so many of the newest askings tell how busy it is
LOOKED_AT = 12
#: more do not become cheaper by going together, and hold each other up
MOST = 64
#: of those that hold what other processes wait for, fewer: they hold it until the last of them is done
MOST_IN_TURN = 32
#: longest wait of a group for a row that somebody else holds; each of it may wait longer by itself
LOCK_MILLISECONDS = 100
#: the same where waiting for each other is the rule: to give up there is dearer than to wait. Both are below the second after
#: which the server looks for a deadlock
TURN_MILLISECONDS = 600


class Lost(psycopg.OperationalError):
    """The connection ended with a group on it: whether it was committed is not known."""


class _Request:
    """A statement on its way; `order` is what groups are sorted by, so that no two of them wait for each other in a ring."""

    __slots__ = ("asked", "before_commit", "came_at", "error", "first", "leads", "order", "result", "woken")

    def __init__(
        self, order: str, asked: Bound, before_commit: BeforeCommit | None, first: Bound | None, now: float
    ) -> None:
        self.order = order
        self.asked = asked
        self.before_commit = before_commit
        self.first = first
        self.came_at = now
        self.woken = threading.Lock()
        self.woken.acquire()
        self.leads = False
        self.result: PGresult | None = None
        self.error: psycopg.Error | None = None


class GroupCommit:
    """One group on the way at a time, over connections that give up early on rows which somebody else holds."""

    def __init__(
        self,
        lending: Lending,
        *,
        most: int = MOST,
        gathering: float = GATHERING_SECONDS,
        recently: float = RECENTLY,
        busy: int = BUSY,
    ) -> None:
        self._lending = lending
        self._most = most
        self._gathering, self._recently, self._busy = gathering, recently, busy
        self._guard = threading.Lock()
        self._waiting: list[_Request] = []
        #: whether somebody leads: he gathers others, or is on the way
        self._led = False
        #: so many are waited for, and what wakes the leader then; 0 while nobody gathers
        self._enough = 0
        self._full = threading.Lock()
        self._full.acquire()
        self._recent: deque[tuple[float, int]] = deque(maxlen=LOOKED_AT)

    def answer(
        self, order: str, asked: Bound, before_commit: BeforeCommit | None = None, first: Bound | None = None
    ) -> PGresult | None:
        """What the server says to a statement, once it is committed. None where it must be asked for alone: nothing of it was
        carried out then. `before_commit` is told of its rows before that (`direct`), where nobody goes along; with `first`, which is
        asked before it then, of the rows of that. Raise what psycopg raises."""
        now = time.monotonic()
        request = _Request(order, asked, before_commit, first, now)
        with self._guard:
            self._recent.append((now, threading.get_ident()))
            self._waiting.append(request)
            if not self._led:
                self._led = request.leads = True
            elif self._enough and len(self._waiting) >= self._enough:
                self._enough = 0
                self._full.release()
        if not request.leads:
            self._await(request)
        if request.leads:
            self._lead(request)
        if request.error is not None:
            raise request.error
        return request.result

    def _await(self, request: _Request) -> None:
        try:
            request.woken.acquire()
        except BaseException:
            # A signal: nobody is left behind without a leader.
            self._leave(request)
            raise

    def _leave(self, request: _Request) -> None:
        with self._guard:
            if request in self._waiting:
                self._waiting.remove(request)
            if request.leads:
                self._hand_over()

    def _hand_over(self) -> None:
        if self._waiting:
            self._waiting[0].leads = True
            self._waiting[0].woken.release()
        else:
            self._led = False

    def _lead(self, request: _Request) -> None:
        try:
            group = self._gather(request)
        except BaseException:
            self._leave(request)
            raise
        # Until it is known what became of the group.
        lost: str | None = "whoever sent it was interrupted"
        try:
            lost = self._send(group)
        finally:
            with self._guard:
                self._hand_over()
            for one in group:
                if lost is not None:
                    one.error = Lost(lost)
                one.woken.release()

    def _gather(self, request: _Request) -> list[_Request]:
        """Those that go together, the leader among them."""
        with self._guard:
            self._enough = self._expected(request)
            patience = request.came_at + self._gathering - time.monotonic() if self._enough else 0.0
        if patience > 0:
            self._full.acquire(timeout=patience)
        with self._guard:
            self._enough = 0
            # It may have been given after the time was up.
            self._full.acquire(blocking=False)
            if len(self._waiting) > self._most:
                # Whoever leads goes along, however young his case is.
                self._waiting.sort(key=lambda one: (one is not request, one.order))
            group, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        return group if len(group) == 1 else sorted(group, key=lambda one: one.order)

    def _expected(self, request: _Request) -> int:
        """How many to wait for; 0 where the process is quiet, or so many are there."""
        since = request.came_at - self._recently
        threads = len({thread for at, thread in self._recent if at >= since})
        return 0 if threads <= self._busy or threads <= len(self._waiting) else threads

    def _send(self, group: Sequence[_Request]) -> str | None:
        """Give each its result; nobody has one where each must ask alone. What the driver says where the connection is lost."""
        try:
            lent, era = self._lending.borrow()
        except UNUSABLE:
            return None
        try:
            if len(group) == 1:
                group[0].result = _by_itself(lent, group[0])
            else:
                for one, result in zip(group, lent.answers([one.asked for one in group]), strict=True):
                    one.result = result
        except psycopg.Error as error:
            if lent.connection.broken:
                return str(error)
            if len(group) == 1 and not isinstance(error, LockNotAvailable):
                group[0].error = error
        finally:
            self._lending.give_back(lent, era)
        return None


def _by_itself(lent: Statements, one: _Request) -> PGresult:
    if one.first is None or one.before_commit is None:
        return lent.answer(one.asked, one.before_commit)
    return lent.answers([one.first, one.asked], one.before_commit, after=1)[-1]

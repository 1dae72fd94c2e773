"""Live updates: one thread per process follows the audit log while somebody listens, and tells every listener.

What is sent is a hint with ids, never content; whoever gets it asks for the page or resource again. Entries go out in the
order of their ids: where one is missing (its transaction may still be open) the later ones wait for it a moment, so that
a listener who comes back with the last id that it saw has missed nothing.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool

from workers.log import logger
from workers.store import audit
from workers.store.database import Database, StoreUnavailable
from workers.store.records import AuditEntry

POLL_SECONDS = 0.25
HEARTBEAT_SECONDS = 15.0
#: a stream ends after so long, or within a heartbeat of when a session ended or a token was revoked; its client comes back with the last id that it saw, and has to show again who it is
STREAM_SECONDS = 900.0
#: how long later entries wait for one whose id was given out but that is not there (on PostgreSQL: an open transaction)
GAP_SECONDS = 2.0
#: entries that a listener may lag behind before it is sent away to come back with its last id
MOST_WAITING = 1000
BATCH = 500


class Follower:
    """Puts entries in the order of their ids. Knows neither threads nor database."""

    def __init__(self, last_id: int) -> None:
        self.last_id = last_id
        self._early: dict[int, tuple[AuditEntry, float]] = {}

    def take(self, entries: Iterable[AuditEntry], now: float) -> list[AuditEntry]:
        """Entries that may go out now, in order. `entries` are those after `last_id` that can be seen at present."""
        for entry in entries:
            if entry.id > self.last_id:
                self._early.setdefault(entry.id, (entry, now))
        ready: list[AuditEntry] = []
        for entry_id in sorted(self._early):
            entry, seen = self._early[entry_id]
            if entry_id != self.last_id + 1 and now - seen < GAP_SECONDS:
                break
            ready.append(entry)
            self.last_id = entry_id
            del self._early[entry_id]
        return ready


@dataclass(eq=False)
class Listener:
    """One open stream. None in the queue ends it."""

    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[AuditEntry | None] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))

    def tell(self, entry: AuditEntry | None) -> None:
        """From any thread."""
        try:
            self.loop.call_soon_threadsafe(self._put, entry)
        except RuntimeError:
            logger.info("listener_gone")  # its event loop is closed: nobody is there to be told

    def _put(self, entry: AuditEntry | None) -> None:
        if self.queue.full():
            # Too slow: end the stream. The client comes back with the last id that it saw.
            while not self.queue.empty():
                self.queue.get_nowait()
            entry = None
        self.queue.put_nowait(entry)


class Live:
    """Everybody who listens in this process."""

    def __init__(self, db: Database, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        self._monotonic = monotonic
        self._listeners: set[Listener] = set()
        self._lock = threading.Lock()
        self._stopped = False
        self._follower: Follower | None = None

    def stop(self) -> None:
        """End every stream and take no more: the server is going down and must not wait for them."""
        with self._lock:
            self._stopped = True
            listeners, self._listeners = self._listeners, set()
        for listener in listeners:
            listener.tell(None)

    async def stream(self, after: int | None, still_may: Callable[[], bool]) -> AsyncIterator[str]:
        """Server-sent events: what came after an id (or from now on), then what comes, for as long as they still may hear it."""
        listener = Listener(asyncio.get_running_loop())
        try:
            position = await run_in_threadpool(self._join, listener)
            yield "retry: 2000\n\n"
            if after is not None and after > position and after > await run_in_threadpool(self._last_id):
                # Told before the database was restored to an earlier moment, where ids begin again.
                after = None
            last = position if after is None else after
            # What the follower has told before we joined comes from the log, what it tells since from the queue.
            async for entry in self._between(last, position):
                yield as_event(entry)
            last = max(last, position)
            ends = self._monotonic() + STREAM_SECONDS
            asks = 0.0
            while (now := self._monotonic()) < ends:
                if now >= asks:
                    if not await run_in_threadpool(still_may):
                        return
                    asks = now + HEARTBEAT_SECONDS
                try:
                    told = await asyncio.wait_for(listener.queue.get(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                if told is None:
                    return
                if told.id > last:
                    last = told.id
                    yield as_event(told)
        except StoreUnavailable:
            return  # the stream ends, and the client comes back in a moment
        finally:
            self._leave(listener)

    async def _between(self, last: int, position: int) -> AsyncIterator[AuditEntry]:
        while last < position:
            backlog = [entry for entry in await run_in_threadpool(self._since, last) if entry.id <= position]
            for entry in backlog:
                yield entry
            last = backlog[-1].id if len(backlog) == BATCH else position

    def _join(self, listener: Listener) -> int:
        """Tell this listener from now on. The id up to which everything was told before."""
        with self._lock:
            if self._stopped:
                listener.tell(None)
                return 0
            if self._follower is None:
                follower = Follower(self._last_id())
                # Where the system has no thread left, the next listener tries again.
                threading.Thread(target=self._follow, args=(follower,), name="live", daemon=True).start()
                self._follower = follower
            self._listeners.add(listener)
            return self._follower.last_id

    def _leave(self, listener: Listener) -> None:
        with self._lock:
            self._listeners.discard(listener)

    def _follow(self, follower: Follower) -> None:
        try:
            while self._is_heard(follower):
                time.sleep(POLL_SECONDS)
        finally:
            # Whatever ended it: who still listens comes back in a moment, and another one is begun.
            with self._lock:
                left: set[Listener] = set()
                if self._follower is follower:
                    self._follower, self._listeners, left = None, left, self._listeners
            for listener in left:
                listener.tell(None)

    def _is_heard(self, follower: Follower) -> bool:
        """Tell everybody what is new. False, and it follows no more, where nobody listens."""
        try:
            ready = follower.take(self._since(follower.last_id), self._monotonic())
        except StoreUnavailable as error:
            logger.warning("live_waits", error=str(error))
            ready = []
        with self._lock:
            if not self._listeners:
                self._follower = None
                return False
            listeners = list(self._listeners)
        for entry in ready:
            for listener in listeners:
                listener.tell(entry)
        return True

    def _last_id(self) -> int:
        with self._db.read() as tx:
            return audit.last_id(tx)

    def _since(self, last: int) -> list[AuditEntry]:
        with self._db.read() as tx:
            return audit.since(tx, last, limit=BATCH)


def as_event(entry: AuditEntry) -> str:
    """One entry on the wire, an event for each thing that it tells: ids and what happened, never content.

    They go out together, so that nobody who comes back with this id has seen only some of them.
    """
    return "".join(_told(one) for one in audit.unfolded(entry))


def _told(entry: AuditEntry) -> str:
    data = {
        "id": entry.id,
        "case": entry.chain,
        "verb": entry.verb,
        "action": entry.data.get("action"),
        "at": entry.at.isoformat(),
    }
    return f"id: {entry.id}\nevent: change\ndata: {json.dumps(data)}\n\n"

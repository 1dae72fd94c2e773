"""The thread that learns from closed cases, beside the sweeper: woken by it, one lot after the other, then asleep again.

A thread of its own because a backlog of thousands of closed cases must not keep the sweeper from finding what is due. It
gives way to the doors. What it meets, it says and tries again when it is next woken.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from integrations.errors import IntegrationError
from integrations.models.base import Embedder
from workers.log import logger
from workers.memory.embedding import embed_new
from workers.memory.remembering import remember
from workers.memory.terms import Terms
from workers.request_priority import RequestPriority
from workers.store.database import Database, StoreUnavailable


class Keeper:
    """Learns when woken, until stopped."""

    def __init__(
        self,
        db: Database,
        terms: Terms,
        clock: Callable[[], datetime],
        request_priority: RequestPriority,
        embedder: Embedder | None = None,
    ) -> None:
        self._db = db
        self._terms = terms
        self._clock = clock
        self._request_priority = request_priority
        self._embedder = embedder
        self._woken = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Learn from what closed meanwhile, soon and elsewhere."""
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self._run, name="memory", daemon=True)
            thread.start()
            self._thread = thread
        self._woken.set()

    def stop(self, timeout: float = 5.0) -> None:
        self._stopping = True
        self._woken.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def once(self) -> int:
        """Learn here and now. How many cases were looked at."""
        try:
            looked = remember(self._db, self._terms, self._clock, go_on=self._go_on)
            if self._embedder is not None:
                embed_new(self._db, self._embedder)
        except (StoreUnavailable, IntegrationError) as error:
            logger.warning("memory_waits", reason=type(error).__name__)
            return 0
        if looked:
            logger.info("cases_remembered", cases=looked)
        return looked

    def _go_on(self) -> bool:
        self._request_priority.give_way()
        return not self._stopping

    def _run(self) -> None:
        while True:
            self._woken.wait()
            self._woken.clear()
            if self._stopping:
                return
            self.once()

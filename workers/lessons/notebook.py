"""The notebook: what a process knows of people's decisions, read again once in a while and not for each case.

`TaughtModel` asks it. Habits and examples of a domain are read together; between two readings they cost no statement. A
reading that fails leaves what was known: learning never holds up a case.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from integrations.models.amendments import Amendment
from workers.lessons.habits import found_in
from workers.log import logger
from workers.store import examples
from workers.store.database import Database, StoreUnavailable
from workers.store.examples import Example

#: what was decided is known to each process after at most so long
FRESH_SECONDS = 60.0
#: examples read of each domain, newest first
KEPT = 2000
#: the local model learns labels from so many decisions at once
LEARNING_LOT = 25


@dataclass(frozen=True, slots=True)
class Page:
    """What is known of one domain."""

    examples: Sequence[Example] = ()
    habits: Sequence[Amendment] = ()


class Notebook:
    """One per process. Threads that ask while another reads are given what was known.

    `retrain` is called on a thread of its own whenever a lot of decisions has come in: the local model learns labels anew.
    """

    def __init__(
        self,
        db: Database,
        *,
        retrain: Callable[[], None] | None = None,
        fresh_seconds: float = FRESH_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = db
        self._fresh = fresh_seconds
        self._monotonic = monotonic
        self._pages: dict[str, tuple[float, str, Page]] = {}
        self._reading = threading.Lock()
        self._retrain = retrain
        self._confirmed: dict[str, int] = {}
        self._training: threading.Thread | None = None

    def of(self, domain: str) -> Page:
        read_at, mark, page = self._pages.get(domain, (float("-inf"), "?", Page()))
        if self._monotonic() - read_at < self._fresh or not self._reading.acquire(blocking=False):
            return page
        try:
            mark, page = self._read(domain, mark, page)
            self._pages[domain] = self._monotonic(), mark, page
        except StoreUnavailable as error:
            self._pages[domain] = self._monotonic(), mark, page
            logger.warning("examples_not_read", domain=domain, error=str(error))
        finally:
            self._reading.release()
        return page

    def forget(self) -> None:
        """Read anew at the next question."""
        self._pages.clear()

    def _read(self, domain: str, mark: str, page: Page) -> tuple[str, Page]:
        with self._db.read() as tx:
            newest, confirmed = examples.newest(tx, domain)
            if newest == mark:
                return mark, page
            found = examples.of_domain(tx, domain, KEPT)
        self._count(domain, confirmed)
        return newest, Page(found, found_in(found))

    def _count(self, domain: str, confirmed: int) -> None:
        """Have labels learned anew once a lot came in. What was there at the start is known already."""
        since = confirmed - self._confirmed.setdefault(domain, confirmed)
        training = self._training is not None and self._training.is_alive()
        if self._retrain is None or since < LEARNING_LOT or training:
            return
        self._confirmed[domain] = confirmed
        self._training = threading.Thread(target=self._train, args=(self._retrain,), name="learning", daemon=True)
        self._training.start()

    def _train(self, retrain: Callable[[], None]) -> None:
        began = time.monotonic()
        try:
            retrain()
        except (StoreUnavailable, ValueError, OSError) as error:
            logger.warning("labels_not_learned", error=str(error))
        else:
            logger.info("labels_learned", seconds=round(time.monotonic() - began, 2))

"""Threads that ask the database at one moment, so that what they ask goes out in one group."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from tests.kit.patience import until
from workers.store.cases import LostClaim
from workers.store.database import Database, StoreUnavailable

#: what may become of asking, besides an answer
ENDS = (psycopg.Error, StoreUnavailable, LostClaim, KeyboardInterrupt)


class Crowd:
    """Threads that each do one thing; what came of it, an error too, is kept in the order in which they were begun."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.threads: list[threading.Thread] = []
        self.found: dict[int, Any] = {}

    def begin(self, what: Callable[[], Any]) -> None:
        place = len(self.threads)

        def doing() -> None:
            try:
                self.found[place] = what()
            except ENDS as error:
                self.found[place] = error

        self.threads.append(threading.Thread(target=doing))
        self.threads[-1].start()

    def ask(self, statement: str, values: Any = None, order: str = "case") -> None:
        self.begin(lambda: self.db.ask(order, statement, values).fetchone())

    def done(self) -> list[Any]:
        for thread in self.threads:
            thread.join(60)
        return [self.found[place] for place in range(len(self.threads))]


@contextmanager
def gathered(db: Database, crowd: Crowd) -> Iterator[None]:
    """What is asked in the block goes out in one group after it: the connection of groups is taken, and one waits for it."""
    lent, era = db._common.borrow()
    crowd.ask("SELECT 'the first'")
    until(lambda: db._group._led and not db._group._waiting)
    begun = len(crowd.threads)
    yield
    until(lambda: len(db._group._waiting) == len(crowd.threads) - begun)
    db._common.give_back(lent, era)

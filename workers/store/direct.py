"""Connections for statements that are a transaction each, kept by hand: `Database.direct` lends one out for a statement or two.

The flow asks the database eight times a case. A pool that serves everybody, events and all, took a third of the time of such a
statement; this one keeps a list. Each connection keeps its cursors, one for each statement's text, because a cursor that asks
the same again still knows how its rows are read. PostgreSQL only; nothing here knows a table.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.types.json import set_json_loads
from pydantic_core import from_json
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

#: a connection unused for longer is asked whether it still lives before it is lent out
IDLE_SECONDS = 2.0


class Statements:
    """One connection, as whoever borrowed it sees it."""

    def __init__(self, pooled: Any) -> None:
        self.pooled = pooled
        self.connection: psycopg.Connection[Any] = pooled.driver_connection
        self.used_at = time.monotonic()
        self._cursors: dict[str | bytes, psycopg.Cursor[Any]] = {}
        # What comes back are documents that this system wrote: the faster reader gives the same.
        set_json_loads(from_json, self.connection)

    def execute(
        self, statement: str | bytes, values: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> psycopg.Cursor[Any]:
        """Run one statement, a transaction of its own. The cursor's rows are good until the statement is run again."""
        cursor = self._cursors.get(statement)
        if cursor is None:
            cursor = self._cursors[statement] = self.connection.cursor()
        return cursor.execute(statement, values)

    def is_alive(self) -> bool:
        if time.monotonic() - self.used_at < IDLE_SECONDS:
            return True
        try:
            self.connection.execute("")
        except psycopg.Error:
            return False
        return True

    def is_at_rest(self) -> bool:
        """Whether the next one can have it: no answer is still on its way, and nothing is open."""
        return self.connection.pgconn.transaction_status == TransactionStatus.IDLE


class Lending:
    """So many connections and no more, the one last used first; each is opened when all others are lent out."""

    def __init__(self, engine: Engine, connections: int, patience: float) -> None:
        self._engine = engine
        self._patience = patience
        self._free: list[Statements] = []
        self._guard = threading.Lock()
        self._places = threading.Semaphore(connections)
        #: another one when all that were opened before are to be left
        self._era = 1

    def borrow(self) -> tuple[Statements, int]:
        """A connection, and its era. Raise what the driver or the pool raises where there is none."""
        if not self._places.acquire(timeout=self._patience):
            raise PoolTimeoutError(f"All connections were in use for {self._patience:g} s.")
        try:
            while True:
                with self._guard:
                    era, lent = self._era, self._free.pop() if self._free else None
                if lent is None:
                    return Statements(self._engine.raw_connection()), era
                if lent.is_alive():
                    return lent, era
                # The server went away: the others are dead as well, and need not be tried one by one.
                lent.pooled.invalidate()
                self.dispose()
        except BaseException:
            self._places.release()
            raise

    def give_back(self, lent: Statements, era: int) -> None:
        """`era` is that of the loan; another one leaves the connection."""
        with self._guard:
            kept = era == self._era and lent.is_at_rest()
            if kept:
                lent.used_at = time.monotonic()
                self._free.append(lent)
        if not kept:
            lent.pooled.invalidate()
        self._places.release()

    def dispose(self) -> None:
        """Leave every connection: those that are free now, those that are lent out when they come back."""
        with self._guard:
            self._era += 1
            left, self._free = self._free, []
        for one in left:
            one.pooled.invalidate()
        self._engine.dispose()


#: the era of no connection: for one that is not to be kept
LEFT = 0
#: what opening or borrowing a connection may raise where the database cannot be used
UNUSABLE = (psycopg.OperationalError, OperationalError, PoolTimeoutError)

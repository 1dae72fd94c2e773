"""The database handle: an engine, and the two ways to open a transaction.

`write()` and `read()` are the only transactions in the system, so where one begins and ends can be seen by eye. On SQLite
a write takes the write lock at BEGIN (a lock upgrade in mid-transaction fails at once, whatever the busy time-out) and
waits its turn behind other threads of this process on a plain lock, which is fairer and faster than SQLite's polling.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

Tx = Connection

BUSY_SECONDS = 10.0


class StoreUnavailable(Exception):
    """The database cannot be used just now: locked, full, unreachable. Nothing of the transaction was kept."""


class Database:
    """One per process. `url` is a SQLAlchemy URL; `connections` bounds how many are open at once."""

    def __init__(self, url: str, *, connections: int = 20, busy_seconds: float = BUSY_SECONDS) -> None:
        parsed = make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if parsed.get_backend_name() == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.url = parsed.render_as_string(hide_password=False)
        arguments: dict[str, Any] = {}
        if self.is_sqlite:
            if parsed.database and parsed.database != ":memory:":
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            arguments = {"timeout": busy_seconds, "isolation_level": None, "check_same_thread": False}
        else:
            arguments = {"connect_timeout": 5}
        self.engine = create_engine(
            parsed,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=busy_seconds,
            pool_pre_ping=not self.is_sqlite,
            connect_args=arguments,
        )
        self._turn = threading.Lock()
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A transaction that changes nothing. Raises `StoreUnavailable`."""
        with _named_errors(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """A transaction, committed at the end of the block and rolled back by any error. Raises `StoreUnavailable`."""
        turn = self._turn if self.is_sqlite else nullcontext()
        with _named_errors(), turn, self.engine.connect() as connection:
            writing = connection.execution_options(caseworker_write=True)
            with writing.begin():
                yield writing

    def ping(self) -> None:
        with self.read() as tx:
            tx.execute(text("SELECT 1"))

    def dispose(self) -> None:
        self.engine.dispose()


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except (OperationalError, PoolTimeoutError) as error:
        raise StoreUnavailable(str(getattr(error, "orig", None) or error)) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise StoreUnavailable(str(error.orig)) from error
        raise


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in (
        "journal_mode=WAL",
        "foreign_keys=ON",
        # FULL: a webhook is acknowledged after the commit, so the commit must survive a power cut, not just a kill.
        "synchronous=FULL",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("caseworker_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

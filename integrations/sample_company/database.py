"""The sample company's SQLite file: connections, transactions, and what a locked or full disk means to a caller.

Used by everything in this folder and by nothing outside it. Several threads and several processes may share one file:
reads see one snapshot, writes take the write lock first, and every refusal of SQLite leaves as a `Temporary` or a
`Permanent`. A connection is never shared between two threads at one time, and never carried over a fork.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from integrations.errors import IntegrationError, Permanent, Temporary

SCHEMA = Path(__file__).with_name("schema.sql")
SCHEMA_VERSION = 1

#: Rows by table, as the generator makes them: all rows of a table have the same keys.
Rows = Mapping[str, Sequence[Mapping[str, Any]]]

_PASSING = ("BUSY", "LOCKED", "FULL", "IOERR", "CANTOPEN", "NOMEM", "INTERRUPT", "PROTOCOL")
_IDLE_KEPT = 8
_AGAIN_SECONDS = 0.01


def _consequence(error: sqlite3.Error) -> IntegrationError:
    name = getattr(error, "sqlite_errorname", None) or ""
    if name.removeprefix("SQLITE_").startswith(_PASSING):
        return Temporary(f"the sample company's database cannot answer now: {error}")
    return Permanent(f"the sample company's database refused: {error}")


class Database:
    """One SQLite file. `patience` is how many seconds to wait for another writer's lock."""

    def __init__(self, path: Path, *, patience: float = 5.0) -> None:
        self.path = path
        self._patience = patience
        self._idle: list[sqlite3.Connection] = []
        self._left_behind: list[sqlite3.Connection] = []
        self._process = os.getpid()

    def prepare(self, fill: Callable[[], Rows]) -> None:
        """Create the file with its tables and first rows, once, however many processes start at the same time."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Permanent(f"{self.path.parent} cannot be made: {error.strerror}") from error
        if self._found() == SCHEMA_VERSION:
            return
        with self.writing() as connection:
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            if found == SCHEMA_VERSION:
                return
            if found:
                raise Permanent(
                    f"{self.path} was made by another version of the sample company: delete it to start anew"
                )
            for statement in _statements(SCHEMA.read_text(encoding="utf-8")):
                connection.execute(statement)
            for table, rows in fill().items():
                insert(connection, table, rows)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _found(self) -> int:
        with self.reading() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            return int(version)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One snapshot: everything read inside belongs together."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that holds the write lock from the start, so that what it checks stays true until it commits."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._take()
        except sqlite3.Error as error:
            raise _consequence(error) from error
        try:
            connection.execute(begin)
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            # After an error of SQLite's own the connection is not worth trusting; closing it rolls back.
            connection.close()
            raise _consequence(error) from error
        except (UnicodeEncodeError, OverflowError) as error:
            connection.close()
            raise Permanent(f"a value cannot be stored: {error}") from error
        except BaseException:
            connection.rollback()
            self._give_back(connection)
            raise
        self._give_back(connection)

    def _take(self) -> sqlite3.Connection:
        if self._process != os.getpid():
            # SQLite connections must not cross a fork, not even to be closed: they are put aside for good.
            self._left_behind += self._idle
            self._idle, self._process = [], os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return self._open()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=self._patience, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            connection.row_factory = sqlite3.Row
            self._write_ahead(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _write_ahead(self, connection: sqlite3.Connection) -> None:
        """Of several that change the mode of a new file at one moment SQLite refuses all but one at once, whatever their patience."""
        until = time.monotonic() + self._patience
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                time.sleep(_AGAIN_SECONDS)
            else:
                return

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if len(self._idle) < _IDLE_KEPT:
            self._idle.append(connection)
        else:
            connection.close()


def insert(connection: sqlite3.Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that share their keys. Table and column names are this folder's own words, never input."""
    if not rows:
        return
    columns = list(rows[0])
    sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(':' + name for name in columns)})"  # noqa: S608 - own names
    connection.executemany(sql, rows)


def _statements(script: str) -> Iterator[str]:
    # `executescript` would commit first; the schema must appear in the same transaction as its rows.
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""

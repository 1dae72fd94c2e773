"""The database handle: an engine, and the two ways to open a transaction.

`write()` and `read()` are the only transactions in the system, so where one begins and ends can be seen by eye. On SQLite
a write takes the write lock at BEGIN (a lock upgrade in mid-transaction fails at once, whatever the busy time-out) and
waits its turn behind other threads of this process on a plain lock, which is fairer and faster than SQLite's polling.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from workers.store.direct import IDLE_SECONDS, LEFT, UNUSABLE, BeforeCommit, Lending, Statements
from workers.store.group_commit import LOCK_MILLISECONDS, MOST_IN_TURN, TURN_MILLISECONDS, GroupCommit, Lost
from workers.store.phrasing import Rows, Values, bound, read

Tx = Connection
#: a statement and its values
Asked = tuple[str | bytes, Values]

BUSY_SECONDS = 10.0
#: longest wait for a server to take a connection
CONNECT_SECONDS = 5
#: longest wait for a row that somebody else holds
ROW_MILLISECONDS = 10_000
#: longest wait for whoever stands still between two statements of a transaction, as one does that was stopped there: the server
#: ends his session, and what he held is free
IDLE_MILLISECONDS = 10_000
_SESSION: dict[str, str | int] = {
    "timezone": "UTC",
    # No compiling on the server: it takes half a second for a statement that runs in a tenth of a millisecond.
    "jit": "off",
    # What a server, a database or a role may say otherwise: how values are written, as they are read here, and what a statement
    # sees that waited for a row, on which the fences count.
    "datestyle": "ISO",
    "bytea_output": "hex",
    "extra_float_digits": 1,
    "default_transaction_isolation": "read committed",
}


class StoreUnavailable(Exception):
    """The database cannot be used just now: locked, full, unreachable. Nothing of the transaction was kept."""


#: what asking the database may come to instead of an answer
UNANSWERED: tuple[type[Exception], ...] = (StoreUnavailable, psycopg.Error)


class WrongUrl(ValueError):
    """A database's URL says nothing that could be opened. The message does not quote it."""


def read_url(url: str) -> URL:
    """A URL with the driver that we have. Raise `WrongUrl`."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise WrongUrl("what stands where host and port are expected is neither") from None
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise WrongUrl("it names no file")
        return parsed.set(drivername="sqlite")
    if "@" in (parsed.host or ""):
        raise WrongUrl("it has an @ more than the one before the host")
    try:
        make_conninfo("", **dict.fromkeys(parsed.query, ""))
    except psycopg.ProgrammingError as error:
        raise WrongUrl(first_line(error)) from None
    return parsed.set(drivername="postgresql+psycopg")


def sqlite_file(url: str) -> Path | None:
    """The file of a database on SQLite; None of others."""
    parsed = read_url(url)
    return Path(str(parsed.database)) if parsed.get_backend_name() == "sqlite" else None


class Database:
    """One per process. `url` is a SQLAlchemy URL; `connections` bounds how many are open at once: on PostgreSQL so many
    for the flow's statements and so many for all others, and two for statements that go together; each is opened when
    first needed."""

    def __init__(self, url: str, *, connections: int = 20, busy_seconds: float = BUSY_SECONDS) -> None:
        parsed = read_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.url = parsed.render_as_string(hide_password=False)
        arguments: dict[str, Any] = {}
        if self.is_sqlite:
            Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
            arguments = {"timeout": busy_seconds, "isolation_level": None, "check_same_thread": False}
        else:
            # A server that vanished without a word is noticed after seconds, not after the kernel's quarter of an hour.
            arguments = {
                "connect_timeout": CONNECT_SECONDS,
                "keepalives_idle": 5,
                "keepalives_interval": 2,
                "keepalives_count": 3,
                "tcp_user_timeout": 10_000,
            }
        # Statements are told without their parameters, wherever an error ends up.
        pool: dict[str, Any] = {
            "hide_parameters": True,
            "pool_size": connections,
            "max_overflow": 0,
            "pool_timeout": busy_seconds,
        }
        self.engine = create_engine(parsed, connect_args=arguments, **pool)
        self._direct = self._grouped = self._turning = self.engine
        self._turn = threading.Lock()
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
            return
        patience = {"lock_timeout": ROW_MILLISECONDS, "idle_in_transaction_session_timeout": IDLE_MILLISECONDS}
        _begin_sessions(self.engine, _SESSION | patience)
        # Connections of their own: the flow's statements all go by a key, so a plan made for the very values is no better,
        # and making one each time took a quarter of the server's time. Pages and sweepers do need such plans. Made while
        # the tables were still empty, a plan would read them from end to end, and be kept: so that is not on offer.
        by_key = {**_SESSION, **patience, "plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
        # What is sent there is put into bytes without asking the connection.
        arguments["client_encoding"] = "utf8"
        pool |= {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None}
        self._direct = create_engine(parsed, connect_args=arguments, **pool)
        _begin_sessions(self._direct, by_key)
        self._lending = Lending(self._direct, connections, busy_seconds)
        # What several threads ask together must not wait for long: each can wait by itself.
        self._grouped, self._turning = (
            create_engine(parsed, connect_args=arguments, **{**pool, "pool_size": 1}) for _ in range(2)
        )
        _begin_sessions(self._grouped, by_key | {"lock_timeout": LOCK_MILLISECONDS})
        _begin_sessions(self._turning, by_key | {"lock_timeout": TURN_MILLISECONDS})
        self._common, self._turns = (Lending(each, 1, busy_seconds) for each in (self._grouped, self._turning))
        self._group, self._in_turn = GroupCommit(self._common), GroupCommit(self._turns, most=MOST_IN_TURN)
        event.listen(self.engine, "checkout", _ping_if_idle)
        event.listen(self.engine, "checkin", _note_use)
        event.listen(self.engine, "handle_error", _leave_read_only)

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A transaction that changes nothing. Raises `StoreUnavailable`."""
        with named_errors(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """A transaction, committed at the end of the block and rolled back by any error. Raises `StoreUnavailable`."""
        turn = self._turn if self.is_sqlite else nullcontext()
        with named_errors(), turn, self.engine.connect() as connection:
            writing = connection.execution_options(caseworker_write=True)
            with writing.begin():
                yield writing

    @contextmanager
    def direct(self) -> Iterator[Statements]:
        """PostgreSQL only: a connection on which each statement is a transaction of its own. Raises `StoreUnavailable`.

        For the commits of the flow, which are one statement each: BEGIN, COMMIT and what SQLAlchemy does around a
        statement cost more than the statement.
        """
        try:
            lent, era = self._lending.borrow()
        except UNUSABLE as error:
            raise StoreUnavailable(first_line(getattr(error, "orig", None) or error)) from error
        with self._using(lent, era):
            yield lent

    @contextmanager
    def _using(self, lent: Statements, era: int) -> Iterator[None]:
        try:
            yield
        except (psycopg.OperationalError, psycopg.InternalError) as error:
            if lent.connection.broken or isinstance(error, psycopg.InternalError):
                self._leave_all()
            era = LEFT
            raise StoreUnavailable(first_line(error)) from error
        finally:
            self._lending.give_back(lent, era)

    def ahead(self, statements: Sequence[Asked]) -> Callable[[], list[Rows]] | None:
        """PostgreSQL only: ask several in one transaction, and have what hears the answers, which must be called and may raise
        `StoreUnavailable`. None, and nothing asked, where asking takes more than sending a few bytes. For questions only: where the
        connection has died meanwhile, nobody knows what became of them."""
        asked = [bound(*one) for one in statements]
        found = self._lending.at_hand()
        if found is None:
            return None
        lent, era = found
        try:
            sent = lent.send(asked)
        except psycopg.Error:
            sent, era = False, LEFT
        if not sent:
            self._lending.give_back(lent, era)
            return None

        def hear() -> list[Rows]:
            with self._using(lent, era):
                return [read(result) for result in lent.heard(asked)]

        return hear

    def ask(
        self,
        order: str,
        statement: str | bytes,
        values: Values,
        *,
        in_turn: bool = False,
        before_commit: BeforeCommit | None = None,
        first: Asked | None = None,
    ) -> Rows:
        """PostgreSQL only: one statement, committed when this returns, together with those that other threads ask at this
        moment (`group_commit`). `order` is the case that it is about. Those that take turns wait for other processes: they go by
        themselves, and hold their turn once for all of them. `before_commit` is called with the rows, in most cases,
        and again where the statement has to be asked again. With a statement that goes `first`, in the same transaction and for
        `before_commit` alone, it is called with the rows of that, in most cases. Raises `StoreUnavailable`, and psycopg's own errors."""
        asked = bound(statement, values)
        group = self._in_turn if in_turn else self._group
        try:
            result = group.answer(order, asked, before_commit, first and bound(*first))
        except (psycopg.OperationalError, psycopg.InternalError) as error:
            if isinstance(error, (Lost, psycopg.InternalError)):
                self._leave_all()
            raise StoreUnavailable(first_line(error)) from error
        if result is None:
            with self.direct() as alone:
                result = alone.answer(asked, before_commit)
        return read(result)

    def _leave_all(self) -> None:
        """The server went away, or may only be read: the other connections are no better, and need not be tried one by one."""
        self._lending.dispose()
        self._common.dispose()
        self._turns.dispose()

    def dispose(self) -> None:
        self.engine.dispose()
        if not self.is_sqlite:
            self._leave_all()


@contextmanager
def named_errors() -> Iterator[None]:
    """Whatever keeps the database from answering, as `StoreUnavailable`."""
    try:
        yield
    except (OperationalError, InternalError, PoolTimeoutError) as error:
        # Internal errors are those of a server that was made read-only, as the loser of a failover is.
        raise StoreUnavailable(first_line(getattr(error, "orig", None) or error)) from error
    except DBAPIError as error:
        if error.connection_invalidated or type(error.orig) in (sqlite3.DatabaseError, InsufficientPrivilege):
            # A file that is no database, or no longer one; a table that belongs to somebody else.
            raise StoreUnavailable(first_line(error.orig)) from error
        raise


def first_line(error: object) -> str:
    """What a driver says. Its further lines quote rows and statements."""
    return str(error).strip().partition("\n")[0]


def _begin_sessions(engine: Engine, settings: Mapping[str, str | int]) -> None:
    """Let each connection begin with these settings, before what the database or the role says. Said in statements: proxies refuse
    or drop what comes with the login, and nobody would hear of it."""
    said = "; ".join(f"SET {name} = '{value}'" for name, value in settings.items())

    def begin(connection: psycopg.Connection[Any], record: Any) -> None:
        connection.execute(said)
        connection.commit()
        _note_use(connection, record)

    event.listen(engine, "connect", begin)


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in (
        "journal_mode=WAL",
        "foreign_keys=ON",
        # FULL: a webhook is acknowledged after the commit, so the commit must survive a power cut, not just a kill.
        "synchronous=FULL",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _ping_if_idle(connection: psycopg.Connection[Any], record: Any, _proxy: object) -> None:
    """A connection that lay unused may be dead by now; one that was just used is not asked, which halves the round trips."""
    if time.monotonic() - record.info.get("used_at", 0.0) < IDLE_SECONDS:
        return
    try:
        connection.execute("")
        connection.rollback()
    except psycopg.OperationalError as error:
        raise DisconnectionError(first_line(error)) from error


def _leave_read_only(context: ExceptionContext) -> None:
    """A session that may only read, as one of a standby, stays as it is when another server or a new session takes writes."""
    if isinstance(context.original_exception, psycopg.InternalError):
        context.is_disconnect = True


def _note_use(_connection: object, record: Any) -> None:
    record.info["used_at"] = time.monotonic()


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("caseworker_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

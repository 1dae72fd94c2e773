"""Connections for statements that are a transaction each, kept by hand: `Database.direct` lends one out for a statement or two.

The flow asks the database eight times a case. A pool that serves everybody, events and all, took a third of the time of such a
statement; this one keeps a list. psycopg's cursor took the half: a statement's text is put into the protocol's form once
(`phrasing`), prepared once on a connection, and sent by `libpq`'s own calls. Answers are waited for and read here as well: the
driver's own way lets go of the interpreter five times for each, and where hundreds of threads want it each time is somebody
else's turn. PostgreSQL only; nothing here knows a table.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg.errors import FeatureNotSupported, InvalidSqlStatementName, error_from_result
from psycopg.pq import ConnStatus, ExecStatus, PipelineStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from workers.store.phrasing import ENCODING, Bound, Rows, Values, bound, read

#: a connection unused for longer is asked whether it still lives before it is lent out
IDLE_SECONDS = 2.0
#: a plan is some ten thousands of bytes at the server; of more than so many the one made first is given up
MOST_PREPARED = 150
#: so often who waits for an answer reads without being told to: what an encrypted connection has taken in already, no poll tells of
LOOK_AGAIN_MILLISECONDS = 100
#: what says that a statement must be prepared again: its tables have changed, or somebody has dropped it
_OUTDATED = (FeatureNotSupported, InvalidSqlStatementName)


#: called with rows that are not committed yet
BeforeCommit = Callable[[PGresult], object]


class Statements:
    """One connection, as whoever borrowed it sees it."""

    def __init__(self, pooled: Any) -> None:
        self.pooled = pooled
        self.connection: psycopg.Connection[Any] = pooled.driver_connection
        self.used_at = time.monotonic()
        self._server: PGconn = self.connection.pgconn
        self._reading, self._both = select.poll(), select.poll()
        self._reading.register(self._server.socket, select.POLLIN)
        self._both.register(self._server.socket, select.POLLIN | select.POLLOUT)
        self._prepared: dict[tuple[bytes, tuple[int, ...]], bytes] = {}
        self._named = 0

    def execute(self, statement: str | bytes, values: Values = None) -> Rows:
        """Run one statement, a transaction of its own. Raise what psycopg raises."""
        return read(self.answer(bound(statement, values)))

    def together(self, statements: Sequence[tuple[str | bytes, Values]]) -> list[Rows]:
        """Run several in one transaction and one round trip: all of them, or none."""
        return [read(result) for result in self.answers([bound(*one) for one in statements])]

    def answer(self, asked: Bound, before_commit: BeforeCommit | None = None) -> PGresult:
        """What the server says to one statement: rows, or that it is done. Raise the error that it tells."""
        try:
            return self._answered(asked, before_commit)
        except _OUTDATED:
            self._forget()
            return self._answered(asked, before_commit)

    def answers(
        self, asked: Sequence[Bound], before_commit: BeforeCommit | None = None, *, after: int | None = None
    ) -> list[PGresult]:
        """The same for several: what is sent before one `Sync` is one transaction, committed with it. `before_commit` is called with
        the rows of statement number `after`, counted from one, as soon as there are any, while the server goes on to the next; with those of
        the last, if it is not told which, while the server writes its commit to disk. All of it may still fail then."""
        try:
            return self._in_one_go(asked, before_commit, after)
        except _OUTDATED:
            self._forget()
            return self._in_one_go(asked, before_commit, after)

    def send(self, asked: Sequence[Bound]) -> bool:
        """Ask several in one transaction, and do not wait: `heard` does. False, and nothing sent, of what is not prepared yet, which
        takes a journey of its own. Raise what psycopg raises."""
        names = [self._prepared.get((one.text, one.types)) for one in asked]
        if None in names:
            return False
        self._server.enter_pipeline_mode()
        for name, one in zip(names, asked, strict=True):
            self._server.send_query_prepared(name or b"", one.params, one.formats)
        self._server.pipeline_sync()
        return True

    def heard(self, asked: Sequence[Bound]) -> list[PGresult]:
        """What the server says to what was sent."""
        results = self._results(until=ExecStatus.PIPELINE_SYNC)
        self._server.exit_pipeline_mode()
        try:
            return _unless_refused(results)[:-1]
        except _OUTDATED:
            self._forget()
            return self._in_one_go(asked)

    def _answered(self, asked: Bound, before_commit: BeforeCommit | None) -> PGresult:
        if before_commit is not None:
            return self._in_one_go([asked], before_commit)[0]
        self._server.send_query_prepared(self._prepared_as(asked), asked.params, asked.formats)
        (result,) = _unless_refused(self._results())
        return result

    def _in_one_go(
        self, asked: Sequence[Bound], before_commit: BeforeCommit | None = None, after: int | None = None
    ) -> list[PGresult]:
        names = [self._prepared_as(one) for one in asked]
        heard = 0 if before_commit is None else after or len(asked)
        self._server.enter_pipeline_mode()
        for number, (name, one) in enumerate(zip(names, asked, strict=True), 1):
            self._server.send_query_prepared(name, one.params, one.formats)
            if number == heard:
                # What the server has to say by then it says before it goes on, and not with the rest.
                self._server.send_flush_request()
        results: list[PGresult] = []
        try:
            self._server.pipeline_sync()
            if before_commit is not None:
                results += self._results(most=heard)
                if results[-1].status == ExecStatus.TUPLES_OK:
                    before_commit(results[-1])
        finally:
            results += self._results(until=ExecStatus.PIPELINE_SYNC)
            self._server.exit_pipeline_mode()
        return _unless_refused(results)[:-1]

    def _results(self, until: ExecStatus | None = None, most: int | None = None) -> list[PGresult]:
        """Send what waits to be sent, and take in what the server says to it: up to its end, `until` there is such a result, or so
        many and no more."""
        server = self._server
        while server.flush():
            # It may want to be heard before it takes more.
            self._both.poll(LOOK_AGAIN_MILLISECONDS)
            server.consume_input()
        results: list[PGresult] = []
        while True:
            while server.is_busy():
                self._reading.poll(LOOK_AGAIN_MILLISECONDS)
                server.consume_input()
            result = server.get_result()
            if result is not None:
                results.append(result)
                if result.status == until or len(results) == most:
                    return results
            elif server.status != ConnStatus.OK:
                raise psycopg.OperationalError("the connection is lost")
            elif until is None and most is None:
                return results

    def _prepared_as(self, asked: Bound) -> bytes:
        """The name under which the server knows a statement with parameters of these types."""
        name = self._prepared.get((asked.text, asked.types))
        if name is not None:
            return name
        while len(self._prepared) >= MOST_PREPARED:
            self._drop(next(iter(self._prepared)))
        self._named += 1
        name = b"cw%d" % self._named
        self._server.send_prepare(name, asked.text, asked.types)
        self._expect(ExecStatus.COMMAND_OK)
        self._prepared[asked.text, asked.types] = name
        return name

    def _drop(self, key: tuple[bytes, tuple[int, ...]]) -> None:
        self._server.send_query(b"DEALLOCATE " + self._prepared.pop(key))
        self._expect(ExecStatus.COMMAND_OK)

    def _forget(self) -> None:
        """All that is prepared here: after a change to the tables one is hardly the only one."""
        self._prepared.clear()
        self._server.send_query(b"DEALLOCATE ALL")
        self._expect(ExecStatus.COMMAND_OK)

    def _expect(self, status: ExecStatus) -> None:
        for result in self._results():
            if result.status != status:
                raise error_from_result(result, encoding=ENCODING)

    def is_alive(self) -> bool:
        if time.monotonic() - self.used_at < IDLE_SECONDS:
            return True
        try:
            self._server.send_query(b"")
            self._expect(ExecStatus.EMPTY_QUERY)
        except psycopg.Error:
            return False
        return True

    def is_at_rest(self) -> bool:
        """Whether the next one can have it: no answer is still on its way, and nothing is open."""
        server = self._server
        return server.transaction_status == TransactionStatus.IDLE and server.pipeline_status == PipelineStatus.OFF


def _unless_refused(results: list[PGresult]) -> list[PGresult]:
    """Raise the error that is among them: a commit may be refused after its statement was answered."""
    for result in results:
        if result.status == ExecStatus.FATAL_ERROR:
            raise error_from_result(result, encoding=ENCODING)
    return results


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

    def at_hand(self) -> tuple[Statements, int] | None:
        """A connection that nobody has to wait for, and its era. It may have died since it was used."""
        if not self._places.acquire(blocking=False):
            return None
        with self._guard:
            if self._free:
                return self._free.pop(), self._era
        self._places.release()
        return None

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

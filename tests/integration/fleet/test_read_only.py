"""The database takes no writes for a while: a standby before it is promoted, or a server that an operator made read-only."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text
from starlette.testclient import TestClient

from workers import web
from workers.cli import fleet_checks
from workers.cli.findings import Level
from workers.store.database import Database, StoreUnavailable

WRITE = "DELETE FROM cases WHERE id = 'case_nobody'"


def through_a_transaction(db):
    with db.write() as tx:
        tx.execute(text(WRITE))


def by_itself(db):
    with db.direct() as lent:
        lent.execute(WRITE)


def with_others(db):
    db.ask("case_nobody", WRITE, None)


def in_turn(db):
    db.ask("case_nobody", WRITE, None, in_turn=True)


@pytest.fixture
def read_only(on_postgresql):
    """The block in which sessions begin that may only read; they stay so, as a standby's do when another server is promoted."""
    name = sql.Identifier(urlsplit(on_postgresql).path[1:])

    def say(what):
        with psycopg.connect(on_postgresql, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(sql.SQL(what).format(name))

    @contextmanager
    def block():
        say("ALTER DATABASE {} SET default_transaction_read_only = on")
        yield
        say("ALTER DATABASE {} RESET default_transaction_read_only")

    return block


@pytest.mark.parametrize("write", [through_a_transaction, by_itself, with_others, in_turn])
def test_a_session_that_may_only_read_is_not_kept(on_postgresql, read_only, write):
    """Every other write of the process would fail on it, until somebody starts it anew."""
    db = Database(on_postgresql, connections=2)
    try:
        with read_only(), pytest.raises(StoreUnavailable, match="read-only"):
            write(db)
        write(db)
    finally:
        db.dispose()


def test_who_may_only_read_is_not_ready_until_it_is_over(shared, read_only):
    with TestClient(web.make_app(shared.system, webhooks={})) as client:
        with read_only():
            shared.system.db.dispose()
            answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["detail"]) == (503, web.READ_ONLY)

        shared.system.db.dispose()
        assert client.get("/readyz").status_code == 200


def test_the_doctor_says_that_the_database_takes_no_writes(on_postgresql, read_only):
    def look():
        db = Database(on_postgresql, connections=2)
        with db.read() as tx:
            found = {one.about: one.level for one in fleet_checks.database_server(tx, datetime.now(UTC))}
        db.dispose()
        return found

    with read_only():
        assert look()["database writes"] is Level.PROBLEM
    assert "database writes" not in look()

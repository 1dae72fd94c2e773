"""Connections for single statements: so many and no more, whole when the next one has them, and new when the server was away."""

from __future__ import annotations

import threading

import psycopg
import pytest

from workers.store.database import Database, StoreUnavailable


@pytest.fixture
def db(on_postgresql):
    made = Database(on_postgresql, connections=2, busy_seconds=0.2)
    yield made
    made.dispose()


def number_of(db: Database) -> int:
    with db.direct() as asked:
        return int(asked.execute("SELECT pg_backend_pid()").fetchone()[0])


def test_a_connection_is_used_again(db):
    assert number_of(db) == number_of(db)


def test_no_more_are_lent_than_there_may_be(db):
    with db.direct() as one, db.direct() as other:
        assert one is not other
        with pytest.raises(StoreUnavailable, match="in use"), db.direct():
            pytest.fail("a third one was lent out")

    assert number_of(db)


def test_who_waits_for_one_gets_it(on_postgresql):
    db = Database(on_postgresql, connections=1, busy_seconds=30)
    found: list[int] = []
    waiting = threading.Thread(target=lambda: found.append(number_of(db)))
    with db.direct() as lent:
        mine = int(lent.execute("SELECT pg_backend_pid()").fetchone()[0])
        waiting.start()
    waiting.join(30)

    assert found == [mine]
    db.dispose()


def test_a_refused_statement_leaves_it_whole(db):
    before = number_of(db)

    with pytest.raises(psycopg.errors.DivisionByZero), db.direct() as asked:
        asked.execute("SELECT 1 / 0")

    assert number_of(db) == before


def test_one_with_an_open_transaction_is_not_lent_again(db):
    before = number_of(db)

    with db.direct() as asked:
        asked.execute("BEGIN")

    assert number_of(db) != before


def test_after_the_server_ended_them_there_are_new_ones(db, on_postgresql):
    with db.direct() as one, db.direct() as other:
        numbers = [int(lent.execute("SELECT pg_backend_pid()").fetchone()[0]) for lent in (one, other)]
    with psycopg.connect(on_postgresql.replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", (numbers,))

    with pytest.raises(StoreUnavailable):
        number_of(db)

    assert number_of(db) not in numbers


def test_what_a_statement_gives_is_read_alike_each_time(db):
    statement = 'SELECT %(n)s::int, \'{"a": [1, 2.5, null, "\u00e4"]}\'::jsonb, now()'
    with db.direct() as asked:
        first, again = (asked.execute(statement, {"n": n}).fetchone() for n in (1, 2))

    assert (first[0], again[0]) == (1, 2)
    assert first[1] == again[1] == {"a": [1, 2.5, None, "\u00e4"]}
    assert first[2].tzinfo is not None
    assert again[2].tzinfo is not None

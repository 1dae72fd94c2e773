"""Connections for single statements: so many and no more, whole when the next one has them, and new when the server was away."""

from __future__ import annotations

import threading

import psycopg
import pytest
from sqlalchemy import event

from workers.store import database, direct
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


@pytest.mark.parametrize("dead", [True, False])
def test_one_that_lay_unused_is_asked_whether_it_lives_before_it_is_lent(db, on_postgresql, dead):
    before = number_of(db)
    (at_rest,) = db._lending._free
    at_rest.used_at -= 2 * direct.IDLE_SECONDS
    if dead:
        with psycopg.connect(on_postgresql.replace("+psycopg", ""), autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(%s, 30000)", (before,))

    assert (number_of(db) == before) is not dead


def test_what_a_statement_gives_is_read_alike_each_time(db):
    statement = 'SELECT %(n)s::int, \'{"a": [1, 2.5, null, "\u00e4"]}\'::jsonb, now()'
    with db.direct() as asked:
        first, again = (asked.execute(statement, {"n": n}).fetchone() for n in (1, 2))

    assert (first[0], again[0]) == (1, 2)
    assert first[1] == again[1] == {"a": [1, 2.5, None, "\u00e4"]}
    assert first[2].tzinfo is not None
    assert again[2].tzinfo is not None


def test_a_plan_that_a_change_to_its_table_made_useless_is_made_again(db):
    with db.direct() as asked:
        asked.execute("CREATE TABLE looked_at (id int, name text)")
        asked.execute("INSERT INTO looked_at VALUES (%s, %s)", (1, "one"))
        assert asked.execute("SELECT * FROM looked_at WHERE id = %s", (1,)).fetchall() == [(1, "one")]
        with db.write() as tx:
            tx.exec_driver_sql("ALTER TABLE looked_at ALTER id TYPE bigint, ADD more timestamptz")

        found = asked.execute("SELECT * FROM looked_at WHERE id = %s", (1,)).fetchall()
        with db.write() as tx:
            tx.exec_driver_sql("ALTER TABLE looked_at ADD still_more int")
        (also,) = asked.together([("SELECT * FROM looked_at WHERE id = %s", (1,))])

    assert (found, also.fetchall()) == ([(1, "one", None)], [(1, "one", None, None)])


def test_plans_are_not_kept_without_end(db, monkeypatch):
    monkeypatch.setattr(direct, "MOST_PREPARED", 3)
    with db.direct() as asked:
        found = [asked.execute(f"SELECT {n} + %s", (1,)).fetchone() for n in range(8)] * 2
        (kept,) = asked.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()

    assert found == [(n + 1,) for n in range(8)] * 2
    assert kept == 3


def test_a_statement_is_the_same_whatever_types_its_values_have(db):
    with db.direct() as asked:
        found = [asked.execute("SELECT %(n)s::numeric", {"n": n}).fetchone() for n in (1, 2**40, None, 2.5)]

    assert [None if value is None else float(value) for (value,) in found] == [1, 2**40, None, 2.5]


def test_together_is_all_or_nothing(db):
    with db.direct() as asked:
        asked.execute("CREATE TABLE kept (id int PRIMARY KEY)")
        add = "INSERT INTO kept VALUES (%s) RETURNING id"
        both = asked.together([(add, (1,)), (add, (2,))])
        with pytest.raises(psycopg.errors.UniqueViolation) as refused:
            asked.together([(add, (3,)), (add, (2,)), (add, (4,))])

        assert [rows.fetchone() for rows in both] == [(1,), (2,)]
        assert refused.value.diag.constraint_name == "kept_pkey"
        assert asked.execute("SELECT id FROM kept ORDER BY id").fetchall() == [(1,), (2,)]


@pytest.mark.parametrize("way", ["execute", "together"])
def test_a_value_that_cannot_be_sent_leaves_it_whole(db, way):
    before = number_of(db)
    statement = ("SELECT %s", ("half\0",))

    with pytest.raises(psycopg.DataError), db.direct() as asked:
        asked.execute(*statement) if way == "execute" else asked.together([statement])

    assert number_of(db) == before


@pytest.mark.parametrize("way", ["execute", "together"])
def test_a_connection_cut_while_a_statement_runs_is_an_outage(db, way):
    before = number_of(db)
    statement = ("SELECT pg_terminate_backend(pg_backend_pid())", None)

    with pytest.raises(StoreUnavailable), db.direct() as asked:
        asked.execute(*statement) if way == "execute" else asked.together([statement])

    assert number_of(db) != before


def test_values_are_asked_for_by_name_or_by_place(db):
    with db.direct() as asked:
        assert asked.execute("SELECT %(a)s || %(b)s || %(a)s || '%%'", {"b": "-", "a": "x"}).fetchone() == ("x-x%",)
        assert asked.execute("SELECT %s || %s", ("x", "y")).fetchone() == ("xy",)
        assert asked.execute("SELECT '%'").fetchone() == ("%",)
        with pytest.raises(psycopg.ProgrammingError, match="2 values are asked for, 1 were given"):
            asked.execute("SELECT %s || %s", ("x",))


class Deaf:
    """Polls as one does whose connection has read everything already: it never tells of anything."""

    def poll(self, milliseconds: int) -> list[tuple[int, int]]:
        assert milliseconds > 0, "nobody would ever look again"
        return []


def test_what_no_poll_tells_of_is_read_all_the_same(db):
    """As on an encrypted connection, which takes in more than it is asked for."""
    with db.direct() as asked:
        asked._reading = Deaf()
        found = asked.execute("SELECT repeat('x', 100000) FROM generate_series(1, 3)").fetchall()
        together = asked.together([("SELECT 1", ()), ("SELECT repeat('y', 100000)", ())])

    assert [len(row[0]) for row in found] == [100_000] * 3
    assert [len(str(rows.fetchone()[0])) for rows in together] == [1, 100_000]


def test_more_than_fits_on_the_way_is_sent_while_the_answers_come(db):
    """The server stops listening until it is heard: who only sends would wait for ever."""
    long = "z" * 300_000
    with db.direct() as asked:
        answers = asked.together([("SELECT %(text)s::text", {"text": long}) for _ in range(30)])

    assert [len(rows.fetchone()[0]) for rows in answers] == [300_000] * 30


_ASKED = "SELECT current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout'), current_setting('timezone')"


def test_what_a_session_begins_with_is_not_said_at_the_login(on_postgresql):
    db = Database(f"{on_postgresql}?options=-csearch_path%3Dhere%2Cpublic", connections=2)
    with db.read() as tx, db.direct() as lent:
        found = [tuple(tx.exec_driver_sql(_ASKED).one()), tuple(lent.execute(_ASKED).fetchone())]
        said = {tx.connection.driver_connection.info.options, lent.connection.info.options}
        path = tx.exec_driver_sql("SHOW search_path").scalar()
    db.dispose()

    # PgBouncer refuses a login that brings anything more, or drops it and says nothing.
    assert said == {"-csearch_path=here,public"}
    assert path == "here,public"
    times = [f"{each // 60_000}min" for each in (database.ROW_MILLISECONDS, database.IDLE_MILLISECONDS)]
    assert set(found) == {(*times, "UTC")}


def test_values_are_read_alike_whatever_the_server_is_set_to(on_postgresql, monkeypatch):
    plain = Database(on_postgresql, connections=2)
    unlike = "-c datestyle=SQL,DMY -c bytea_output=escape -c extra_float_digits=-3 -c default_transaction_isolation=serializable"
    monkeypatch.setenv("PGOPTIONS", unlike)
    set_otherwise = Database(on_postgresql, connections=2)
    asked = (
        "SELECT '2026-03-01 12:30:00.25+01'::timestamptz, '\\x00ff41'::bytea, 0.1::float8 + 0.2::float8, "
        "current_setting('transaction_isolation')"
    )
    found = []
    for db in (plain, set_otherwise):
        with db.read() as tx, db.direct() as lent:
            found += [tuple(tx.exec_driver_sql(asked).one()), tuple(lent.execute(asked).fetchone())]
        db.dispose()

    assert found[0] == found[2]
    assert found[1] == found[3]


def test_a_proxy_that_lets_in_and_hangs_up_is_a_database_that_is_away(db):
    event.listen(db.engine, "connect", lambda connection, _record: connection.close())

    with pytest.raises(StoreUnavailable), db.read() as tx:
        tx.exec_driver_sql("SELECT 1")

"""A migration beside running work: nobody waits for it for long, it waits for nobody for ever, and a second try finishes."""

from __future__ import annotations

import contextlib
import threading

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import event, text

from tests.integration.growth import before
from tests.kit.engine import make_engine
from workers.cli import opening
from workers.cli.failures import Failure
from workers.store import proof, schema
from workers.store.database import Database, StoreUnavailable
from workers.store.schema import Standing

BEFORE = before.SCHEMA
#: before any migration built an index beside running work, or said which code may run on it
BEFORE_FLEETS = "0003"
AFTER = [
    step for step in list(ScriptDirectory(str(schema.MIGRATIONS)).walk_revisions())[::-1] if step.revision > BEFORE
]


class CutOff(Exception):
    """Stands for the end of what migrates: its connection is gone, and nothing more is said to the database."""


@pytest.fixture
def engine(on_postgresql, tmp_path):
    """A system at work on the schema of the version before."""
    made = make_engine(tmp_path, url=on_postgresql)
    schema.downgrade(made.system.db, BEFORE)
    yield made
    made.system.close()


@pytest.fixture
def other(engine):
    """The database as another process has it open."""
    db = Database(engine.system.db.url, connections=4)
    yield db
    db.dispose()


@pytest.fixture
def impatient(engine, on_postgresql):
    """The database as somebody has it open who gives up where a lock is held for longer than a moment.

    A migration waits for three seconds at most, and whoever comes after it as long; what it does then takes no time.
    """
    with engine.system.db.engine.connect() as connection, connection.begin():
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f"ALTER DATABASE \"{name}\" SET lock_timeout = '12s'"))
    db = Database(on_postgresql, connections=2)
    yield db
    db.dispose()


def work(engine, number: str) -> None:
    """What a process of the version before goes on doing meanwhile: let an event in, claim its case, record a step."""
    before.work(engine.system.db, number, engine.clock())


def invalid(db) -> list[str]:
    with db.read() as tx:
        return list(tx.execute(text("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")).scalars())


def test_cases_are_worked_all_the_while_and_none_is_disturbed(engine, other, impatient):
    done, failed, stop = [], [], threading.Event()

    def go_on() -> None:
        number = 0
        while not stop.is_set() or number < 5:
            number += 1
            try:
                before.work(impatient, str(number), engine.clock())
                done.append(number)
            except StoreUnavailable as error:
                failed.append(str(error))

    worker = threading.Thread(target=go_on)
    worker.start()
    try:
        schema.upgrade(other)
    finally:
        stop.set()
        worker.join(60)

    assert failed == []
    assert len(done) >= 5
    assert schema.standing(other) is Standing.CURRENT
    assert schema.differences(other) == []
    assert invalid(other) == []
    with other.write() as tx:
        assert proof.verify(tx) == []


def test_a_transaction_that_will_not_end_is_waited_for_only_so_long_and_stops_nobody(engine, other, monkeypatch):
    monkeypatch.setattr(schema, "TRIES", 2)
    monkeypatch.setattr(schema, "PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(schema, "LOCK_TIMEOUT", "300ms")
    work(engine, "7")
    with other.engine.connect() as idle:
        # Somebody has looked at a case and gone to lunch with the transaction open: nobody can change the table.
        idle.execute(text("SELECT id FROM cases LIMIT 1"))

        with pytest.raises(StoreUnavailable, match="waited in vain for a lock, 2 times"):
            schema.upgrade(engine.system.db)
        work(engine, "8")
        assert schema.standing(engine.system.db) is Standing.BEHIND
        idle.rollback()

    schema.upgrade(engine.system.db)

    assert schema.standing(engine.system.db) is Standing.CURRENT
    assert schema.differences(engine.system.db) == []


def test_an_index_whose_building_was_cut_off_is_built_again(engine, other):
    schema.downgrade(engine.system.db, BEFORE_FLEETS)
    with other.engine.connect() as connection, connection.begin():
        connection.execute(text("CREATE INDEX ix_cases_closed ON cases (closed_at) WHERE closed_at IS NOT NULL"))
        connection.execute(
            text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass('ix_cases_closed')")
        )
    assert invalid(other) == ["ix_cases_closed"]

    schema.upgrade(other)

    assert invalid(other) == []


def test_wherever_a_migration_is_cut_off_the_next_one_finishes(postgres):
    """Between any two statements that are committed one by one; cut off anywhere else, a migration leaves what there was before it."""
    db = Database(postgres.database("cut_off"), connections=4)
    met: set[tuple[str, str]] = set()
    last = ""

    def cut_off_once(connection, cursor, statement, *_: object) -> None:
        nonlocal last
        if cursor.connection.autocommit and not statement.lstrip().startswith("SELECT"):
            place, last = (last, statement), statement
            if place not in met:
                met.add(place)
                raise CutOff

    event.listen(db.engine, "before_cursor_execute", cut_off_once)
    while True:
        with contextlib.suppress(CutOff):
            schema.upgrade(db)
            break
        last = ""

    assert met, "no statement was committed by itself"
    assert schema.standing(db) is Standing.CURRENT
    assert schema.differences(db) == []
    assert invalid(db) == []
    db.dispose()


def test_two_processes_that_migrate_at_once_both_find_it_done(engine, other):
    both = [threading.Thread(target=schema.upgrade, args=(db,)) for db in (engine.system.db, other)]
    for one in both:
        one.start()
    for one in both:
        one.join(60)

    assert schema.standing(other) is Standing.CURRENT
    assert schema.differences(other) == []


def test_what_would_be_applied_is_told_in_whole_sentences():
    assert [step.revision for step in schema.outstanding(None) if not step.summary.endswith(".")] == []


def test_what_would_be_applied_is_told_first(engine):
    told = [(step.revision, step.summary) for step in schema.outstanding(engine.system.db)]
    assert told == [(step.revision, " ".join(step.doc.split())) for step in AFTER]

    schema.upgrade(engine.system.db)

    assert schema.outstanding(engine.system.db) == []


@pytest.mark.parametrize(
    ("floor", "standing"), [(BEFORE, Standing.AHEAD), (AFTER[0].revision, Standing.AHEAD), ("0999", Standing.TOO_NEW)]
)
def test_code_runs_on_a_newer_schema_only_where_nothing_was_taken_from_it(engine, floor, standing):
    db = engine.system.db
    schema.upgrade(db)
    with db.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '1000'"))
        tx.execute(text("UPDATE schema_floor SET revision = :floor"), {"floor": floor})

    assert schema.standing(db) is standing
    assert schema.pending(db) == (standing is Standing.TOO_NEW)
    if standing is Standing.TOO_NEW:
        with pytest.raises(Failure, match="newer version"):
            opening.must_be_migrated(db)
    else:
        opening.must_be_migrated(db)


def test_a_newer_schema_that_says_nothing_is_refused(engine):
    db = engine.system.db
    schema.downgrade(db, BEFORE_FLEETS)
    with db.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '1000'"))

    assert schema.standing(db) is Standing.TOO_NEW

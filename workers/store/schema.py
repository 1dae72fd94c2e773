"""Bringing a database to the schema that this code needs, and telling whether it is there.

Migrations run before the processes of a new version and beside those of the old one, so they only add, and wait for no lock
for long: somebody who waits for a table's lock holds up everybody who comes after. What cannot be had in time is tried
again a few times and then given up, with nothing half done that a second run would not finish.

Alembic is imported where something is migrated: every process asks how its schema stands, and few change it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg.errors import DeadlockDetected, InsufficientPrivilege, LockNotAvailable
from sqlalchemy import Connection, ForeignKeyConstraint, column, func, inspect, select, table, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.schema import SchemaItem

from workers.store import (  # noqa: F401 - declared here, so that the check for differences sees them
    audit_tables,
    autonomy_tables,
    consultation_tables,
    learning_tables,
    limit_tables,
    notice_tables,
    people_tables,
    policy_tables,
    rehearsal_tables,
)
from workers.store.archive_tables import schema_floor
from workers.store.columns import HELD
from workers.store.database import Database, StoreUnavailable, Tx, first_line, named_errors
from workers.store.memory_tables import declared
from workers.store.tables import cases

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
#: Alembic's own
_VERSION = table("alembic_version", column("version_num"))
_LOCK = 0x63617365  # "case": one migration at a time, whoever starts first
#: longest wait for a lock that others queue behind
LOCK_TIMEOUT = "3s"
#: how often a migration that could not get a lock is tried
TRIES = 5
#: pause between tries, in which others get their turn
PAUSE_SECONDS = 2.0
#: longest wait for another process that is migrating the same database
TURN_SECONDS = 600.0


class Standing(StrEnum):
    """How the database's schema and this code stand to each other."""

    CURRENT = "current"
    BEHIND = "behind"  # migrations have yet to be applied
    AHEAD = "ahead"  # a newer version migrated it, by additions that this code need not know
    TOO_NEW = "too_new"  # a newer version changed what this code relies on, or nobody knows


@dataclass(frozen=True, slots=True)
class Step:
    """One migration that would be applied."""

    revision: str
    summary: str


def upgrade(db: Database) -> None:
    """Apply what is missing; several processes may try at once. Raises `StoreUnavailable` when a lock cannot be had."""
    from alembic import command  # noqa: PLC0415 - see the module's opening

    if db.is_sqlite:
        with db.write() as tx:
            command.upgrade(_config(tx), "head")
        return
    with named_errors(), _my_turn(db):
        for left in reversed(range(TRIES)):
            try:
                with _patient(db) as connection:
                    command.upgrade(_config(connection), "head")
            except OperationalError as error:
                if left:
                    time.sleep(PAUSE_SECONDS)
                elif isinstance(error.orig, LockNotAvailable | DeadlockDetected):
                    raise StoreUnavailable(
                        f"a migration waited in vain for a lock, {TRIES} times: {error.orig} "
                        "Nothing was left half done. Look for long transactions in pg_stat_activity and run it again."
                    ) from error
                else:
                    raise
            except ProgrammingError as error:
                if not isinstance(error.orig, InsufficientPrivilege):
                    raise
                raise StoreUnavailable(
                    f"its user may not migrate it ({first_line(error.orig)}). Let that user own the database and its "
                    "tables; for the first migration GRANT CREATE ON SCHEMA public will do."
                ) from error
            else:
                return


def downgrade(db: Database, revision: str) -> None:
    from alembic import command  # noqa: PLC0415 - see the module's opening

    with db.write() as tx:
        command.downgrade(_config(tx), revision)


def outstanding(db: Database | None) -> list[Step]:
    """What `upgrade` would apply, in order; without a database all that there is."""
    if db is not None and standing(db) is not Standing.BEHIND:
        return []
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - see the module's opening

    scripts = ScriptDirectory(str(MIGRATIONS))
    steps = scripts.iterate_revisions(scripts.get_current_head(), (_current(db) if db is not None else None) or "base")
    return [Step(step.revision, " ".join((step.doc or "").split())) for step in reversed(list(steps))]


def standing(db: Database) -> Standing:
    """Whether this code may run on the database.

    A revision that this code does not know was made by a newer version. Each migration that only adds leaves the floor
    where it is; one that takes something away raises it to the first version that can do without.
    """
    known, current = revisions(), _current(db)
    if current == known[-1]:
        return Standing.CURRENT
    if current is None or current in known:
        return Standing.BEHIND
    return Standing.AHEAD if _floor(db) in known else Standing.TOO_NEW


def pending(db: Database) -> bool:
    """True when migrations have yet to be applied, or a newer version has taken away what this code needs."""
    return standing(db) in (Standing.BEHIND, Standing.TOO_NEW)


def revision(tx: Tx) -> str:
    """The last migration that was applied; "" where none was."""
    if not inspect(tx).has_table(_VERSION.name):
        return ""
    return tx.execute(select(_VERSION.c.version_num)).scalar() or ""


@cache
def revisions() -> tuple[str, ...]:
    """Every migration that this code knows, oldest first: their files' names begin with them."""
    return tuple(sorted(file.name.partition("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py")))


def differences(db: Database) -> list[object]:
    """What distinguishes the migrated database from the tables declared in code; empty when they agree."""
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415 - see the module's opening
    from alembic.migration import MigrationContext  # noqa: PLC0415 - see the module's opening

    opts: dict[str, Any] = {"compare_type": True, "include_name": declared}
    if not db.is_sqlite:
        opts["include_object"] = _is_checked
    with db.read() as tx:
        found: list[object] = list(compare_metadata(MigrationContext.configure(tx, opts=opts), cases.metadata))
    # What is packed on PostgreSQL leaves columns empty. SQLite, where nothing is, would have to write its tables anew for it.
    return [one for one in found if not (db.is_sqlite and _may_be_empty(one))]


def _may_be_empty(difference: object) -> bool:
    return isinstance(difference, list) and all(one[0] == "modify_nullable" and one[-1] for one in difference)


def _is_checked(item: SchemaItem, _name: str | None, _kind: str, _reflected: bool, _other: SchemaItem | None) -> bool:
    """False for the references that the statements keep: PostgreSQL checks none of them."""
    return not isinstance(item, ForeignKeyConstraint) or not any(e.info.get(HELD) for e in item.elements)


def _current(db: Database) -> str | None:
    with db.read() as tx:
        return revision(tx) or None


def _floor(db: Database) -> str | None:
    with db.read() as tx:
        if not inspect(tx).has_table(schema_floor.name):
            return None
        floor: str | None = tx.execute(select(func.max(schema_floor.c.revision))).scalar()
        return floor


@contextmanager
def _my_turn(db: Database) -> Iterator[None]:
    """One migration at a time. Asked for again and again: whoever waits inside the database holds a snapshot, for which the
    building of an index waits in turn.
    """
    with db.engine.connect() as connection:
        mine = connection.execution_options(isolation_level="AUTOCOMMIT")
        deadline = time.monotonic() + TURN_SECONDS
        while not mine.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}).scalar():
            if time.monotonic() > deadline:
                raise StoreUnavailable("another process has been migrating this database for too long")
            time.sleep(0.2)
        try:
            yield
        finally:
            mine.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})


@contextmanager
def _patient(db: Database) -> Iterator[Connection]:
    """A connection that does not wait for locks for long, and may think for as long as it takes. Nobody else gets it."""
    with db.engine.connect() as connection:
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.execute(text("SET idle_in_transaction_session_timeout = 0"))
        connection.commit()
        try:
            yield connection
        finally:
            connection.rollback()
            connection.invalidate()


def _config(tx: Connection) -> Config:
    from alembic.config import Config  # noqa: PLC0415 - see the module's opening

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = tx
    return config

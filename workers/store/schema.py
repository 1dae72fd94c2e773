"""Bringing a database to the schema that this code needs, and telling whether it is there."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from workers.store.database import Database, Tx
from workers.store.tables import cases

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x63617365  # "case": one migration at a time, whoever starts first


def upgrade(db: Database) -> None:
    """Apply what is missing, in one transaction; several processes may try at once."""
    with db.write() as tx:
        if not db.is_sqlite:
            tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config = _config(tx)
        command.upgrade(config, "head")


def downgrade(db: Database, revision: str) -> None:
    with db.write() as tx:
        command.downgrade(_config(tx), revision)


def pending(db: Database) -> bool:
    """True when migrations have yet to be applied."""
    with db.read() as tx:
        return MigrationContext.configure(tx).get_current_revision() != _head()


def differences(db: Database) -> list[object]:
    """What distinguishes the migrated database from the tables declared in code; empty when they agree."""
    with db.read() as tx:
        return list(compare_metadata(MigrationContext.configure(tx, opts={"compare_type": True}), cases.metadata))


def _head() -> str | None:
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


def _config(tx: Tx) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = tx
    return config

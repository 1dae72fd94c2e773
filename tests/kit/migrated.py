"""Databases with the tables of this code, for tests that are about something else than migrating.

Migrating takes longer than most tests: it is done once a process, and what came of it is copied.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import event

from workers.store import schema
from workers.store.database import Database


def migrate(db: Database) -> None:
    """As `schema.upgrade` leaves it. A SQLite file that is not there yet is a copy of one."""
    if db.is_sqlite:
        path = Path(db.engine.url.database)
        if not path.exists():
            path.write_bytes(_new_file())
    if schema.pending(db):
        schema.upgrade(db)


def forgetful(db: Database) -> None:
    """Waits for no disk. A process may be killed at any moment and loses nothing; the machine must stay up."""
    if db.is_sqlite:
        event.listen(db.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))


@cache
def _new_file() -> bytes:
    with tempfile.TemporaryDirectory(prefix="caseworker-new-") as folder:
        path = Path(folder) / "new.db"
        db = Database(f"sqlite:///{path}", connections=2)
        forgetful(db)
        schema.upgrade(db)
        # Closing the last connection brings all of the log into the file.
        db.dispose()
        return path.read_bytes()

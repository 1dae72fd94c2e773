"""What the database server says of itself, and whether a proxy stands before it, for `caseworker doctor` and
`/readyz`. Changes nothing."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from workers.store.database import Database, Tx

#: what must be on for an acknowledged event to survive a power cut
DURABLE = ("fsync", "full_page_writes", "synchronous_commit")


@dataclass(frozen=True, slots=True)
class Server:
    """A PostgreSQL server: `version` as it counts (150004 is 15.4), its clock, and settings by name."""

    version: int
    now: datetime
    settings: Mapping[str, str]
    connections: int
    most_connections: int
    read_only: bool


def about(tx: Tx) -> Server | None:
    """None on SQLite, which is no server."""
    if tx.dialect.name == "sqlite":
        return None
    # `clock_timestamp`, not `now()`: that one stands still for a whole transaction.
    row = tx.execute(
        text(
            "SELECT current_setting('server_version_num')::int, clock_timestamp(), "
            "current_setting('max_connections')::int, "
            "(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
        )
    ).one()
    shown = tx.execute(text("SELECT name, setting FROM pg_settings WHERE name = ANY(:names)"), {"names": list(DURABLE)})
    return Server(
        version=row[0],
        now=row[1],
        settings={row[0]: row[1] for row in shown},
        connections=row[3],
        most_connections=row[2],
        read_only=_read_only(tx),
    )


def is_read_only(db: Database) -> bool:
    """Whether nothing can be written, as on a standby or where an operator said so. Raises `StoreUnavailable`."""
    if db.is_sqlite:
        return False
    with db.read() as tx:
        return _read_only(tx)


def _read_only(tx: Tx) -> bool:
    return tx.execute(text("SHOW transaction_read_only")).scalar() == "on"


def shares_sessions(db: Database) -> bool:
    """Whether a proxy lends one session to several connections, a transaction each. A statement that one of them has prepared is
    then run in the place of another's, and what is set for a session holds for strangers. Seen only where it happens just now.
    Raises `StoreUnavailable`."""
    if db.is_sqlite:
        return False
    mark = secrets.token_hex(8)
    with db.direct() as lent:
        ours = lent.connection
        before = ours.execute("SELECT pg_backend_pid(), set_config('caseworker.mark', %s, false)", (mark,)).fetchone()
        with db.read() as tx:
            theirs = tx.execute(text("SELECT current_setting('caseworker.mark', true)")).scalar()
        after = ours.execute("SELECT pg_backend_pid()").fetchone()
    return bool(theirs == mark or before is None or after is None or before[0] != after[0])

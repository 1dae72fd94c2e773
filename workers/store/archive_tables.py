"""Tables and indexes for what is over: archives of closed cases, and what finds a closed case among millions.

Declared beside `tables` so that the tables of the flow stay readable. `workers.store.schema` imports it, which makes the
check for differences see it. All indexes here hold closed cases only: an open case pays for them once, when it closes.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, UniqueConstraint, text

from workers.store.columns import at, identity, metadata, ref
from workers.store.tables import cases, decisions

archives = Table(
    "archives",
    metadata,
    identity(),
    Column("month", String(7), nullable=False),
    Column("part", Integer, nullable=False),
    Column("file", String(500), nullable=False),
    # writing: the file is not proved yet · sealed: it is, rows are being removed · done
    Column("state", String(8), nullable=False),
    Column("sha256", String(64)),
    Column("bytes", BigInteger),
    Column("cases", Integer),
    Column("entries", Integer),
    # Over the numbers and hashes of all audit entries in the file, in its order; the log holds the same.
    Column("seal", String(64)),
    Column("removed", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    at("started_at"),
    at("sealed_at", nullable=True),
    at("finished_at", nullable=True),
    UniqueConstraint("month", "part"),
)

archived_entries = Table(
    "archived_entries",
    metadata,
    ref("archive_id", "archives.id"),
    Column("number", Integer, nullable=False),
    Column("first_id", BigInteger, nullable=False),
    Column("last_id", BigInteger, nullable=False),
    # 40 bytes an entry: its number, then its hash. Anchors of the log are recomputed from these.
    Column("pairs", LargeBinary, nullable=False),
    UniqueConstraint("archive_id", "number"),
    Index("ix_archived_entries_first_id", "first_id"),
)

schema_floor = Table(
    "schema_floor",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # The oldest revision whose code may still run on this database.
    Column("revision", String(32), nullable=False),
)

_CLOSED = text("closed_at IS NOT NULL")


def _of_closed(name: str, *columns: Column[Any]) -> Index:
    return Index(name, *columns, sqlite_where=_CLOSED, postgresql_where=_CLOSED)


INDEXES = (
    # What is to be archived, by month of closing.
    _of_closed("ix_cases_closed", cases.c.closed_at),
    # Earlier cases of a customer or on a subject: for the page of a case, and for finding one.
    _of_closed("ix_cases_closed_customer", cases.c.customer, cases.c.closed_at),
    _of_closed("ix_cases_closed_subject", cases.c.subject, cases.c.closed_at),
    # Removing a case has the database look for decisions that name it, and so does its page.
    Index("ix_decisions_case_id", decisions.c.case_id),
)

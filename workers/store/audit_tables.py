"""The tables of the audit log. `workers.store.audit` writes them and `proof` proves them; nobody else may change a row.

Where a case's chain ends is on its row in `cases`, which every commit that adds to the chain changes anyway. `audit_heads` has
the ends of all other chains, and of cases that nobody has added to since they were kept there as well.
"""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, String, Table, UniqueConstraint

from workers.store.columns import Json, at, metadata

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("chain", String(40), nullable=False),
    Column("seq", Integer, nullable=False),
    at("at"),
    Column("actor", String(200), nullable=False),
    Column("verb", String(40), nullable=False),
    Column("data", Json, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    # Of a case's entry on PostgreSQL all of the five above, which are empty then; read through `audit_rows`.
    Column("packed", LargeBinary),
    UniqueConstraint("chain", "seq"),
)

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("chain", String(40), primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
)

audit_anchors = Table(
    "audit_anchors",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    at("at"),
    Column("last_audit_id", Integer, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
)

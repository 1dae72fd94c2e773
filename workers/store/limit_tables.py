"""The table of limits: what each approved action uses up of each limit that it falls under.

Declared beside `tables` so that the tables of the flow stay readable. A row says nothing of who it is about: what a limit
counts apart (a customer, say) is kept as a digest. No foreign key: what was spent stays spent when its case is archived, and
when its customer is erased, which puts a name in the place of the action's id that leads nowhere.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, String, Table

from workers.store.columns import UtcDateTime, at, metadata, partial

limit_uses = Table(
    "limit_uses",
    metadata,
    Column("action_id", String(40), nullable=False),
    # A digest of the limit and what it counts apart: everybody who reserves from the same has the same.
    Column("counter", String(64), nullable=False),
    Column("limit_ref", String(140), nullable=False),
    Column("window_minutes", Integer, nullable=False),
    Column("minor", BigInteger, nullable=False),
    at("at"),
    # Empty as long as the action's own row says whether this counts. Then: when it was done, and when it is out of the window.
    Column("done_at", UtcDateTime()),
    Column("gone_at", UtcDateTime()),
    PrimaryKeyConstraint("action_id", "counter"),
    partial("ix_limit_uses_done", "counter", "done_at", "minor", where="done_at IS NOT NULL"),
    partial("ix_limit_uses_open", "counter", where="done_at IS NULL"),
    partial("ix_limit_uses_gone", "gone_at", where="gone_at IS NOT NULL"),
)

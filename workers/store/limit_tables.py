"""The tables of limits: what each approved action uses up of the limits that it falls under, and how much that is in all.

Declared beside `tables` so that the tables of the flow stay readable. A row says nothing of who it is about: what a limit
counts apart (a customer, say) is kept as a number made of its digest. No foreign key: what was spent stays spent when its case
is archived, and when its customer is erased, which puts a name in the place of the action's id that leads nowhere.
What is kept in a row is told, and read, by `limit_shares` alone.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, PrimaryKeyConstraint, String, Table
from sqlalchemy.dialects.postgresql import ARRAY

from workers.store.columns import UtcDateTime, at, metadata, partial

#: a list of numbers
Numbers = ARRAY(BigInteger).with_variant(JSON(none_as_null=True), "sqlite")

#: One row for each counter: how many uses `limit_holds` has of it, and how much they come to. Whoever changes those holds
#: this row until the commit.
limit_counters = Table(
    "limit_counters",
    metadata,
    Column("counter", BigInteger, primary_key=True, autoincrement=False),
    Column("limit_ref", String(140), nullable=False),
    Column("times", BigInteger, nullable=False),
    Column("minor", BigInteger, nullable=False),
    # Nothing leaves its window before this; then the sweeper looks. No index: it is read once a minute, and written by everybody.
    at("look_at"),
    # Whether it counts what many do, and is therefore looked for in rows that other counters lead. None where nobody has said.
    Column("wide", Boolean),
)

#: One row for what an action holds, of one counter that leads it and of others that ride along. A narrow counter, as one of a
#: customer is, always leads a row: it is found by index. Where no narrow one is, a wide one leads.
limit_holds = Table(
    "limit_holds",
    metadata,
    Column("counter", BigInteger, nullable=False),
    Column("minor", BigInteger, nullable=False),
    # When it was held; where no action's row says more of it, when it was done.
    at("at"),
    # A window's length later: it may leave then, or, done later than it was held, as much later.
    at("leaves_at"),
    Column("action_id", String(40), nullable=False),
    # Of each that rides along three numbers: the counter, how much, and when it leaves, in microseconds since 1970.
    Column("more", Numbers),
    # What an action holds is found by the key, what a counter has by a number alone: so neither names the action twice.
    PrimaryKeyConstraint("action_id", "counter"),
    Index("ix_limit_holds_counter", "counter"),
)

#: As it was kept before there were counters. What is found in it is taken over; nothing is written to it any more.
limit_uses = Table(
    "limit_uses",
    metadata,
    Column("action_id", String(40), nullable=False),
    Column("counter", String(64), nullable=False),
    Column("limit_ref", String(140), nullable=False),
    Column("window_minutes", Integer, nullable=False),
    Column("minor", BigInteger, nullable=False),
    at("at"),
    Column("done_at", UtcDateTime()),
    Column("gone_at", UtcDateTime()),
    PrimaryKeyConstraint("action_id", "counter"),
    partial("ix_limit_uses_done", "counter", "done_at", "minor", where="done_at IS NOT NULL"),
    partial("ix_limit_uses_open", "counter", where="done_at IS NULL"),
    partial("ix_limit_uses_gone", "gone_at", where="gone_at IS NOT NULL"),
)

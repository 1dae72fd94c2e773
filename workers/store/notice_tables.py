"""Tables of what people are told once it is done, and how far each of them has read.

Declared beside `tables` so that the tables of the flow stay readable. A notice is one row for a whole group, whoever is in it
when it is read. It holds no word of what was done: that stays with the action, and goes when the action is forgotten.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, PrimaryKeyConstraint, String, Table, UniqueConstraint

from workers.store.columns import at, identity, metadata

notices = Table(
    "notices",
    metadata,
    identity(),
    Column("action_id", String(40), nullable=False),
    Column("case_id", String(40), nullable=False),
    # The group that is told; "" for everybody.
    Column("role", String(64), nullable=False),
    # outcome: the policy said “notify” · obligation: a rule asked for this group · rung: nobody had decided by then
    # taken_back: the rule that allowed it lost its permission
    Column("cause", String(12), nullable=False),
    at("at"),
    UniqueConstraint("action_id", "role", "cause"),
    Index("ix_notices_role_at", "role", "at"),
    Index("ix_notices_at", "at"),
)

notice_reads = Table(
    "notice_reads",
    metadata,
    Column("person_id", String(40), nullable=False),
    Column("notice_id", String(40), nullable=False),
    at("at"),
    PrimaryKeyConstraint("person_id", "notice_id"),
    Index("ix_notice_reads_at", "at"),
)

notice_marks = Table(
    "notice_marks",
    metadata,
    # Everything up to here was marked as read at once.
    Column("person_id", String(40), primary_key=True),
    at("upto"),
)

"""The table of who stands in for whom. Declared beside `tables` so that the tables of the flow stay readable.

A row is never changed after it was added, but for its end: what somebody approved for another has to be explained years on.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table, Text

from workers.store.columns import at, identity, metadata, ref

delegations = Table(
    "delegations",
    metadata,
    identity(),
    # Who is away, and who speaks for them meanwhile.
    ref("person_id", "people.id"),
    ref("stand_in_id", "people.id"),
    at("starts_at"),
    at("ends_at"),
    Column("reason", Text, nullable=False),
    Column("created_by", String(200), nullable=False),
    at("created_at"),
    # Set where it was ended before its time, or called off before it began.
    at("ended_at", nullable=True),
    Index("ix_delegations_ends_at", "ends_at"),
)

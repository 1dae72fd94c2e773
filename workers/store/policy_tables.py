"""Tables of the policy's life: every set of rules that was ever in force or proposed, as it was, and which came into force when.

Declared beside `tables` so that the tables of the flow stay readable. A set is never changed after it was added, but for
where it stands; an activation is never changed at all, and the newest one says what is in force.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from workers.store.columns import at, metadata

policy_sets = Table(
    "policy_sets",
    metadata,
    # What the bundles mean, as `policies` reckons it; what is loaded must come to the same again.
    Column("hash", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    # The YAML files by name, tests included, as JSON, compressed.
    Column("files", LargeBinary, nullable=False),
    Column("added_by", String(200), nullable=False),
    Column("why", Text, nullable=False),
    at("added_at"),
    # proposed · shadow · active · retired
    Column("state", String(16), nullable=False),
    Index("ix_policy_sets_added_at", "added_at"),
)

policy_activations = Table(
    "policy_activations",
    metadata,
    # One after the other: of two that would be the next, the key lets one be it.
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("hash", String(64), ForeignKey("policy_sets.hash"), nullable=False),
    Column("from_hash", String(64)),
    # genesis · approved · folder
    Column("how", String(16), nullable=False),
    Column("by", String(200), nullable=False),
    # The action that was approved; none where nobody was asked.
    Column("action_id", String(40), unique=True),
    at("at"),
)

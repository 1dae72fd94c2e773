"""Tables of rehearsal: how often each rule matched, what another policy would have said, and backtests that were asked for.

Nothing here holds a word of a customer: ids, names of rules, outcomes and counts alone, so archiving and erasing a case
leave these as they are. Declared beside `tables` so that the tables of the flow stay readable.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, String, Table, Text

from workers.store.columns import Json, at, identity, metadata, partial

rule_days = Table(
    "rule_days",
    metadata,
    # "bundle/rule", and the day (UTC) on which the action was drafted.
    Column("rule", String(140), nullable=False),
    Column("day", String(10), nullable=False),
    Column("matched", Integer, nullable=False),
    # Of those, how often its answer was the strictest, so that it decided.
    Column("decided", Integer, nullable=False),
    # Ids of the last few actions, newest first.
    Column("actions", Json, nullable=False),
    at("last_at"),
    PrimaryKeyConstraint("rule", "day"),
)

policy_shadows = Table(
    "policy_shadows",
    metadata,
    # The other policy's hash; its name is for people.
    Column("shadow", String(64), nullable=False),
    Column("action_id", String(40), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("name", String(400), nullable=False),
    Column("domain", String(32), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("was", String(8), nullable=False),
    Column("would_be", String(8), nullable=False),
    Column("differs", Boolean, nullable=False),
    # Where they differ, beyond the outcome too: both requirements and rules.
    Column("told", Json),
    at("decided_at"),
    at("at"),
    PrimaryKeyConstraint("shadow", "action_id", "revision"),
    Index("ix_policy_shadows_shadow_decided_at", "shadow", "decided_at"),
    partial("ix_policy_shadows_differing", "shadow", "action_id", where="differs"),
)

backtests = Table(
    "backtests",
    metadata,
    identity(),
    # waiting · running · done · failed
    Column("state", String(8), nullable=False),
    Column("name", String(400), nullable=False),
    Column("policy_hash", String(64), nullable=False),
    # The policy's files as they were given, compressed.
    Column("files", LargeBinary, nullable=False),
    Column("options", Json, nullable=False),
    Column("asked_by", String(200), nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("report", Json),
    Column("error", Text),
    Column("claimed_by", String(80)),
    # A run that has not moved this since is taken for dead and begun again.
    at("moved_at"),
    at("asked_at"),
    at("finished_at", nullable=True),
    partial("ix_backtests_open", "asked_at", where="finished_at IS NULL"),
)

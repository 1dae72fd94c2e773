"""Tables of earned autonomy: what people made of proposals and on which facts, what became of what rules let through, the test
that each such rule is under, and what was proposed.

Declared beside `tables` so that the tables of the flow stay readable. Decisions go when their customer is forgotten; outcomes
name nobody and stay, so that a test that is running does not change under it.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, String, Table, Text, UniqueConstraint

from workers.store.columns import Json, at, identity, metadata, partial

autonomy_decisions = Table(
    "autonomy_decisions",
    metadata,
    # The action's: one action gives one row, however often it is looked at.
    identity(),
    Column("case_id", String(40), nullable=False),
    Column("customer", String(320), nullable=False),
    Column("domain", String(32), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("person_id", String(40)),
    # approved · edited · rejected · changes
    Column("verdict", String(10), nullable=False),
    # What the policy was told when it was proposed, without what names anybody.
    Column("facts", Json, nullable=False),
    at("decided_at"),
    # done · failed · uncertain · stopped · reversed, once that is known; "" until then, where it was never carried out, or where
    # nobody looked any more
    Column("fate", String(10), nullable=False),
    Index("ix_autonomy_decisions_kind", "domain", "kind", "decided_at"),
    Index("ix_autonomy_decisions_customer", "customer"),
)

autonomy_outcomes = Table(
    "autonomy_outcomes",
    metadata,
    Column("action_id", String(40), primary_key=True),
    # bundle/rule; an action that two rules let through counts for both.
    Column("rule", String(130), primary_key=True),
    Column("kind", String(40), nullable=False),
    # Which test of the rule it belongs to: one begins whenever a person gives back what was taken.
    Column("epoch", Integer, nullable=False),
    # Its place in that test, kept for good.
    Column("number", Integer, nullable=False),
    Column("sampled", Boolean, nullable=False),
    Column("wrong", Boolean, nullable=False),
    # failed · uncertain · stopped · reversed · edited · rejected · changes, where it went wrong
    Column("why", String(20), nullable=False),
    # Still being carried out.
    Column("open", Boolean, nullable=False),
    at("at"),
    at("wrong_at", nullable=True),
    UniqueConstraint("rule", "epoch", "number"),
    partial("ix_autonomy_outcomes_open", "action_id", where="open"),
)

autonomy_watches = Table(
    "autonomy_watches",
    metadata,
    Column("rule", String(130), primary_key=True),
    Column("epoch", Integer, nullable=False),
    # watched · taken_back
    Column("state", String(10), nullable=False),
    # How far its test stands, as was last reckoned.
    Column("outcomes", Integer, nullable=False),
    Column("wrong", Integer, nullable=False),
    Column("sampled", Integer, nullable=False),
    Column("suspicion", Float, nullable=False),
    Column("peak", Float, nullable=False),
    Column("tolerated", Float, nullable=False),
    Column("alpha", Float, nullable=False),
    at("since"),
    at("taken_back_at", nullable=True),
    Column("reason", Text),
)

autonomy_proposals = Table(
    "autonomy_proposals",
    metadata,
    identity(),
    Column("domain", String(32), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("rule", String(130), nullable=False),
    Column("condition", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    # Counts, bounds, by person and month, the bound over time.
    Column("evidence", Json, nullable=False),
    Column("diff", Text, nullable=False),
    # The policy that it would change, and the one that it would make.
    Column("from_hash", String(64), nullable=False),
    Column("to_hash", String(64), nullable=False),
    Column("by", String(200), nullable=False),
    # The case in which people decide about it; none where it was only written to a folder.
    Column("in_case", String(40)),
    at("at"),
    UniqueConstraint("to_hash"),
    Index("ix_autonomy_proposals_at", "at"),
)

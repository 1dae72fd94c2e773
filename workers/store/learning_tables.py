"""Tables of learning: what people made of each proposal, what a second model would have said, and how far was looked.

Declared beside `tables` so that the tables of the flow stay readable. Nothing here refers to a case by a foreign key: what
was learned outlives the archiving of its case, and goes when the customer is forgotten.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Numeric, String, Table, Text, UniqueConstraint

from workers.store.columns import Json, at, identity, metadata

examples = Table(
    "examples",
    metadata,
    # The action's: one action gives one example, however often it is looked at.
    identity(),
    Column("case_id", String(40), nullable=False),
    Column("customer", String(320), nullable=False),
    Column("domain", String(32), nullable=False),
    Column("task", String(16), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("intent", String(40), nullable=False),
    # The standard way of working that applied, and what it alone would have proposed; "" and NULL where none did.
    Column("macro", String(80), nullable=False),
    Column("base", Json),
    Column("situation", Json, nullable=False),
    Column("text", Text, nullable=False),
    Column("proposed", Json, nullable=False),
    # approved · edited · rejected · changes
    Column("verdict", String(10), nullable=False),
    Column("made", Json),
    Column("diff", Json, nullable=False),
    Column("reason", Text),
    Column("person_id", String(40)),
    Column("groups", Json, nullable=False),
    Column("provider", String(40), nullable=False),
    Column("model", String(120), nullable=False),
    at("decided_at"),
    Index("ix_examples_domain_decided_at", "domain", "decided_at"),
    Index("ix_examples_customer", "customer"),
)

shadow_answers = Table(
    "shadow_answers",
    metadata,
    identity(),
    Column("case_id", String(40), nullable=False),
    Column("customer", String(320), nullable=False),
    Column("domain", String(32), nullable=False),
    Column("candidate", String(200), nullable=False),
    Column("provider", String(40), nullable=False),
    Column("model", String(120), nullable=False),
    Column("output", Json),
    # How the candidate's draft, and the live one, compare with what people decided.
    Column("measured", Json),
    Column("live", Json),
    Column("cost_usd", Numeric(12, 6)),
    Column("latency_ms", Integer, nullable=False),
    Column("error", Text),
    at("at"),
    UniqueConstraint("case_id", "candidate"),
    Index("ix_shadow_answers_candidate_at", "candidate", "at"),
    Index("ix_shadow_answers_customer", "customer"),
)

learning_marks = Table(
    "learning_marks",
    metadata,
    # How far a job has looked, so that it begins there next time.
    Column("name", String(240), primary_key=True),
    Column("value", String(80), nullable=False),
    at("at"),
)

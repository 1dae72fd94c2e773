"""What people made of each proposal, what a second model would have said, and how far was looked. Only adds tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"

JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "examples",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("case_id", sa.String(length=40), nullable=False),
        sa.Column("customer", sa.String(length=320), nullable=False),
        sa.Column("domain", sa.String(length=32), nullable=False),
        sa.Column("task", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("intent", sa.String(length=40), nullable=False),
        sa.Column("macro", sa.String(length=80), nullable=False),
        sa.Column("base", JSON, nullable=True),
        sa.Column("situation", JSON, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("proposed", JSON, nullable=False),
        sa.Column("verdict", sa.String(length=10), nullable=False),
        sa.Column("made", JSON, nullable=True),
        sa.Column("diff", JSON, nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("person_id", sa.String(length=40), nullable=True),
        sa.Column("groups", JSON, nullable=False),
        sa.Column("provider", sa.String(length=40), nullable=False),
        sa.Column("model", sa.String(length=120), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_examples")),
    )
    op.create_index("ix_examples_domain_decided_at", "examples", ["domain", "decided_at"])
    op.create_index("ix_examples_customer", "examples", ["customer"])
    op.create_table(
        "shadow_answers",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("case_id", sa.String(length=40), nullable=False),
        sa.Column("customer", sa.String(length=320), nullable=False),
        sa.Column("domain", sa.String(length=32), nullable=False),
        sa.Column("candidate", sa.String(length=200), nullable=False),
        sa.Column("provider", sa.String(length=40), nullable=False),
        sa.Column("model", sa.String(length=120), nullable=False),
        sa.Column("output", JSON, nullable=True),
        sa.Column("measured", JSON, nullable=True),
        sa.Column("live", JSON, nullable=True),
        sa.Column("cost_usd", sa.Numeric(precision=12, scale=6), nullable=True),
        sa.Column("latency_ms", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shadow_answers")),
        sa.UniqueConstraint("case_id", "candidate", name=op.f("uq_shadow_answers_case_id_candidate")),
    )
    op.create_index("ix_shadow_answers_candidate_at", "shadow_answers", ["candidate", "at"])
    op.create_index("ix_shadow_answers_customer", "shadow_answers", ["customer"])
    op.create_table(
        "learning_marks",
        sa.Column("name", sa.String(length=240), nullable=False),
        sa.Column("value", sa.String(length=80), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_learning_marks")),
    )


def downgrade() -> None:
    op.drop_table("learning_marks")
    op.drop_table("shadow_answers")
    op.drop_table("examples")

"""What another policy would have said, what was proposed to run by itself, and how that went. Only adds tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"

JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "rule_days",
        sa.Column("rule", sa.String(length=140), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("matched", sa.Integer(), nullable=False),
        sa.Column("decided", sa.Integer(), nullable=False),
        sa.Column("actions", JSON, nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("rule", "day", name=op.f("pk_rule_days")),
    )
    op.create_table(
        "policy_shadows",
        sa.Column("shadow", sa.String(length=64), nullable=False),
        sa.Column("action_id", sa.String(length=40), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=400), nullable=False),
        sa.Column("domain", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("was", sa.String(length=8), nullable=False),
        sa.Column("would_be", sa.String(length=8), nullable=False),
        sa.Column("differs", sa.Boolean(), nullable=False),
        sa.Column("told", JSON, nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("shadow", "action_id", "revision", name=op.f("pk_policy_shadows")),
    )
    op.create_index("ix_policy_shadows_shadow_decided_at", "policy_shadows", ["shadow", "decided_at"])
    op.create_index(
        "ix_policy_shadows_differing",
        "policy_shadows",
        ["shadow", "action_id"],
        sqlite_where=sa.text("differs"),
        postgresql_where=sa.text("differs"),
    )
    op.create_table(
        "backtests",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=400), nullable=False),
        sa.Column("policy_hash", sa.String(length=64), nullable=False),
        sa.Column("files", sa.LargeBinary(), nullable=False),
        sa.Column("options", JSON, nullable=False),
        sa.Column("asked_by", sa.String(length=200), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("report", JSON, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("claimed_by", sa.String(length=80), nullable=True),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backtests")),
    )
    op.create_index(
        "ix_backtests_open",
        "backtests",
        ["asked_at"],
        sqlite_where=sa.text("finished_at IS NULL"),
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_table(
        "autonomy_decisions",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("case_id", sa.String(length=40), nullable=False),
        sa.Column("customer", sa.String(length=320), nullable=False),
        sa.Column("domain", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=40), nullable=True),
        sa.Column("verdict", sa.String(length=10), nullable=False),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fate", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_autonomy_decisions")),
    )
    op.create_index("ix_autonomy_decisions_kind", "autonomy_decisions", ["domain", "kind", "decided_at"])
    op.create_index("ix_autonomy_decisions_customer", "autonomy_decisions", ["customer"])
    op.create_table(
        "autonomy_outcomes",
        sa.Column("action_id", sa.String(length=40), nullable=False),
        sa.Column("rule", sa.String(length=130), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sampled", sa.Boolean(), nullable=False),
        sa.Column("wrong", sa.Boolean(), nullable=False),
        sa.Column("why", sa.String(length=20), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wrong_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("action_id", "rule", name=op.f("pk_autonomy_outcomes")),
        sa.UniqueConstraint("rule", "epoch", "number", name=op.f("uq_autonomy_outcomes_rule_epoch_number")),
    )
    op.create_index(
        "ix_autonomy_outcomes_open",
        "autonomy_outcomes",
        ["action_id"],
        sqlite_where=sa.text("open"),
        postgresql_where=sa.text("open"),
    )
    op.create_table(
        "autonomy_watches",
        sa.Column("rule", sa.String(length=130), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("outcomes", sa.Integer(), nullable=False),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.Column("sampled", sa.Integer(), nullable=False),
        sa.Column("suspicion", sa.Float(), nullable=False),
        sa.Column("peak", sa.Float(), nullable=False),
        sa.Column("tolerated", sa.Float(), nullable=False),
        sa.Column("alpha", sa.Float(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_back_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("rule", name=op.f("pk_autonomy_watches")),
    )
    op.create_table(
        "autonomy_proposals",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("domain", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("rule", sa.String(length=130), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("evidence", JSON, nullable=False),
        sa.Column("diff", sa.Text(), nullable=False),
        sa.Column("from_hash", sa.String(length=64), nullable=False),
        sa.Column("to_hash", sa.String(length=64), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("in_case", sa.String(length=40), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_autonomy_proposals")),
        sa.UniqueConstraint("to_hash", name=op.f("uq_autonomy_proposals_to_hash")),
    )
    op.create_index("ix_autonomy_proposals_at", "autonomy_proposals", ["at"])


def downgrade() -> None:
    op.drop_table("autonomy_proposals")
    op.drop_table("autonomy_watches")
    op.drop_table("autonomy_outcomes")
    op.drop_table("autonomy_decisions")
    op.drop_table("backtests")
    op.drop_table("policy_shadows")
    op.drop_table("rule_days")

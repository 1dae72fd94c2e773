"""The policies that were ever in force or proposed, as they were, and which is. Only adds tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "policy_sets",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("files", sa.LargeBinary(), nullable=False),
        sa.Column("added_by", sa.String(length=200), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_policy_sets")),
    )
    op.create_index("ix_policy_sets_added_at", "policy_sets", ["added_at"])
    op.create_table(
        "policy_activations",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("from_hash", sa.String(length=64), nullable=True),
        sa.Column("how", sa.String(length=16), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("action_id", sa.String(length=40), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["hash"], ["policy_sets.hash"], name=op.f("fk_policy_activations_hash")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_policy_activations")),
        sa.UniqueConstraint("action_id", name=op.f("uq_policy_activations_action_id")),
    )


def downgrade() -> None:
    op.drop_table("policy_activations")
    op.drop_index("ix_policy_sets_added_at", table_name="policy_sets")
    op.drop_table("policy_sets")

"""How much is used up of each limit, kept as a sum instead of being added up at each decision. Only adds tables.

What the version before has written of uses stays where it is and is taken over when its counter is next asked, or by the
sweeper (`workers.store.limit_cleanup`).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "limit_counters",
        sa.Column("counter", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("limit_ref", sa.String(length=140), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("look_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("counter", name=op.f("pk_limit_counters")),
    )
    op.create_index("ix_limit_counters_look_at", "limit_counters", ["look_at"])
    op.create_table(
        "limit_holds",
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("leaves_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action_id", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("counter", "action_id", name=op.f("pk_limit_holds")),
    )
    op.create_index("ix_limit_holds_action_id", "limit_holds", ["action_id"])
    if op.get_bind().dialect.name == "postgresql":
        # A row that all decisions of a minute change stays on its page, and its index is left alone.
        op.execute("ALTER TABLE limit_counters SET (fillfactor = 50)")


def downgrade() -> None:
    op.drop_table("limit_holds")
    op.drop_table("limit_counters")

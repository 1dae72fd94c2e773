"""Many workers: who lives, what could not be read, what a vendor allows; and indexes that steps do not rewrite.

Only adds, and code of the version before runs on it: migrations are applied before the new processes start.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

ATTENTION = sa.text("attention IS NOT NULL AND closed_at IS NULL")
CLAIMED = sa.text("claimed_by IS NOT NULL")
URGENT = sa.text("priority = 'urgent' AND claimed_by IS NULL AND wake_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("door", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("headers", JSON, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replay_result", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
    )
    op.create_index("ix_dead_letters_received_at", "dead_letters", ["received_at"], unique=False)
    op.create_table(
        "processes",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("queues", JSON, nullable=False),
        sa.Column("beat", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processes")),
        postgresql_with={"fillfactor": "30"},
    )
    op.create_table(
        "allowances",
        sa.Column("vendor", sa.String(length=80), nullable=False),
        sa.Column("tokens", sa.Float(), nullable=False),
        sa.Column("refilled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("vendor", name=op.f("pk_allowances")),
        postgresql_with={"fillfactor": "30"},
    )
    op.drop_index("ix_cases_attention", "cases", sqlite_where=ATTENTION, postgresql_where=ATTENTION)
    for name, columns, where in (
        ("ix_cases_attention", ["opened_at"], ATTENTION),
        ("ix_cases_claimed", ["customer", "source"], CLAIMED),
        ("ix_cases_urgent", ["domain", "wake_at"], URGENT),
    ):
        op.create_index(name, "cases", columns, sqlite_where=where, postgresql_where=where)
    op.create_index("ix_actions_target", "actions", ["target", "kind"])
    if op.get_bind().dialect.name == "postgresql":
        for table in ("cases", "actions"):
            op.execute(f"ALTER TABLE {table} SET (fillfactor = 70)")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in ("cases", "actions"):
            op.execute(f"ALTER TABLE {table} RESET (fillfactor)")
    op.drop_index("ix_actions_target", "actions")
    op.drop_index("ix_cases_urgent", "cases", sqlite_where=URGENT, postgresql_where=URGENT)
    op.drop_index("ix_cases_claimed", "cases", sqlite_where=CLAIMED, postgresql_where=CLAIMED)
    op.drop_index("ix_cases_attention", "cases", sqlite_where=ATTENTION, postgresql_where=ATTENTION)
    op.create_index("ix_cases_attention", "cases", ["updated_at"], sqlite_where=ATTENTION, postgresql_where=ATTENTION)
    op.drop_table("allowances")
    op.drop_table("processes")
    op.drop_index("ix_dead_letters_received_at", "dead_letters")
    op.drop_table("dead_letters")

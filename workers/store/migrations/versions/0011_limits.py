"""How much of each limit is used up, and by which action; counting what was done lately; switches of rules have long names.

Only adds. Indexes on tables that may be large are built without stopping their writers; cut off in between, the migration is
run again from its beginning and finds what is there.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

INDEXES = (
    ("ix_actions_kind_decided_at", "actions", ["kind", "decided_at"], "decided_at IS NOT NULL"),
    ("ix_cases_open_customer", "cases", ["customer"], "closed_at IS NULL AND customer <> ''"),
)
#: widest name of a switch: a bundle's rule
SCOPE, SCOPE_BEFORE = 140, 80
DONE, OPEN, GONE = "done_at IS NOT NULL", "done_at IS NULL", "gone_at IS NOT NULL"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        with op.get_context().autocommit_block():
            # Waiting for its turn, such a build stops nobody; only its own patience is bounded.
            op.execute("SET lock_timeout = '60s'")
            for name, table, columns, where in INDEXES:
                # A build that was cut off leaves an index that is written and never read.
                if not _valid(name):
                    op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
                op.create_index(
                    name,
                    table,
                    columns,
                    postgresql_where=sa.text(where),
                    postgresql_concurrently=True,
                    if_not_exists=True,
                )
            op.execute("SET lock_timeout = '3s'")
        op.alter_column("switches", "scope", type_=sa.String(length=SCOPE), existing_nullable=False)
    else:
        for name, table, columns, where in INDEXES:
            op.create_index(name, table, columns, sqlite_where=sa.text(where))
        with op.batch_alter_table("switches") as batch_op:
            batch_op.alter_column("scope", type_=sa.String(length=SCOPE), existing_nullable=False)
    op.create_table(
        "limit_uses",
        sa.Column("action_id", sa.String(length=40), nullable=False),
        sa.Column("counter", sa.String(length=64), nullable=False),
        sa.Column("limit_ref", sa.String(length=140), nullable=False),
        sa.Column("window_minutes", sa.Integer(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("action_id", "counter", name=op.f("pk_limit_uses")),
    )
    for name, columns, where in (
        ("ix_limit_uses_done", ["counter", "done_at", "minor"], DONE),
        ("ix_limit_uses_open", ["counter"], OPEN),
        ("ix_limit_uses_gone", ["gone_at"], GONE),
    ):
        op.create_index(name, "limit_uses", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def downgrade() -> None:
    op.drop_table("limit_uses")
    with op.batch_alter_table("switches") as batch_op:
        batch_op.alter_column("scope", type_=sa.String(length=SCOPE_BEFORE), existing_nullable=False)
    for name, table, _, _ in reversed(INDEXES):
        op.drop_index(name, table)


def _valid(index: str) -> bool:
    query = sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
    return bool(op.get_bind().execute(query, {"name": index}).scalar())

"""What is over: archives of closed cases, indexes that find a closed case among millions, vacuum for busy tables.

Only adds, and code of the version before runs on it. Indexes on tables that may be large are built without stopping their
writers, before the rest; cut off in between, the migration is run again from its beginning and finds what is there.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

CLOSED = "closed_at IS NOT NULL"
INDEXES = (
    ("ix_cases_closed", "cases", ["closed_at"], CLOSED),
    ("ix_cases_closed_customer", "cases", ["customer", "closed_at"], CLOSED),
    ("ix_cases_closed_subject", "cases", ["subject", "closed_at"], CLOSED),
    ("ix_decisions_case_id", "decisions", ["case_id"], None),
)
#: By default a table is vacuumed when a fifth of it is dead. These rows change five to ten times in their first minutes
#: and never again, so what matters are the newest pages: after so many dead rows, however large the table is.
BUSY = ("cases", "actions")
#: Only grow. Vacuum keeps their visibility map fresh, for reads from the index alone.
GROWING = ("events", "steps", "facts", "audit", "audit_heads", "model_usage")


def upgrade() -> None:
    postgresql = op.get_bind().dialect.name == "postgresql"
    if postgresql:
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
                    postgresql_where=sa.text(where) if where else None,
                    postgresql_concurrently=True,
                    if_not_exists=True,
                )
            op.execute("SET lock_timeout = '3s'")
    else:
        for name, table, columns, where in INDEXES:
            op.create_index(name, table, columns, sqlite_where=sa.text(where) if where else None)
    op.create_table(
        "archives",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("file", sa.String(length=500), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("cases", sa.Integer(), nullable=True),
        sa.Column("entries", sa.Integer(), nullable=True),
        sa.Column("seal", sa.String(length=64), nullable=True),
        sa.Column("removed", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archives")),
        sa.UniqueConstraint("month", "part", name=op.f("uq_archives_month_part")),
    )
    op.create_table(
        "archived_entries",
        sa.Column("archive_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("first_id", sa.BigInteger(), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("pairs", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["archive_id"], ["archives.id"], name=op.f("fk_archived_entries_archive_id")),
        sa.UniqueConstraint("archive_id", "number", name=op.f("uq_archived_entries_archive_id_number")),
    )
    op.create_index("ix_archived_entries_first_id", "archived_entries", ["first_id"])
    op.create_table(
        "schema_floor",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schema_floor")),
    )
    op.execute("INSERT INTO schema_floor (id, revision) VALUES (1, '0003')")
    if postgresql:
        for table in BUSY:
            op.execute(
                f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, "
                "autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 1)"
            )
        for table in GROWING:
            op.execute(
                f"ALTER TABLE {table} SET (autovacuum_vacuum_insert_scale_factor = 0.05, "
                "autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02)"
            )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in (*BUSY, *GROWING):
            op.execute(
                f"ALTER TABLE {table} RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, "
                "autovacuum_analyze_scale_factor, autovacuum_vacuum_cost_delay, autovacuum_vacuum_insert_scale_factor)"
            )
    op.drop_table("schema_floor")
    op.drop_index("ix_archived_entries_first_id", "archived_entries")
    op.drop_table("archived_entries")
    op.drop_table("archives")
    for name, table, _, _ in reversed(INDEXES):
        op.drop_index(name, table)


def _valid(index: str) -> bool:
    query = sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
    return bool(op.get_bind().execute(query, {"name": index}).scalar())

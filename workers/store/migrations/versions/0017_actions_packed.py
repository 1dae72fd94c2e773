"""What is written once of actions and their revisions, packed into one column of bytes each.

On PostgreSQL the columns that it was in may be empty from now on; nothing is written anew, and rows from before are read as they
are. Code from before cannot read what is packed, so the floor is raised. SQLite keeps its columns filled.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from workers.store import action_rows

revision = "0017"
down_revision = "0015"

PACKED = {"actions": action_rows.OF_ACTION, "revisions": action_rows.OF_REVISION}
KEYS = {"actions": ("id",), "revisions": ("action_id", "revision")}
GONE = "ix_actions_kind_decided_at"
#: in its place: what rules let through as it is drafted is not in it
NEW, WHERE = "ix_actions_decided_later", sa.text("decided_at > created_at")


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        for table in PACKED:
            op.add_column(table, sa.Column("packed", sa.LargeBinary(), nullable=True))
        op.create_index(NEW, "actions", ["kind", "decided_at"], sqlite_where=WHERE)
        op.drop_index(GONE, "actions")
        return
    with op.get_context().autocommit_block():
        # Waiting for its turn, such a build stops nobody; only its own patience is bounded.
        op.execute("SET lock_timeout = '60s'")
        # A build that was cut off leaves an index that is written and never read.
        if not _valid():
            op.drop_index(NEW, "actions", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            NEW,
            "actions",
            ["kind", "decided_at"],
            postgresql_where=WHERE,
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.drop_index(GONE, "actions", if_exists=True, postgresql_concurrently=True)
        op.execute("SET lock_timeout = '3s'")
    for table, columns in PACKED.items():
        emptied = ", ".join(f"ALTER COLUMN {name} DROP NOT NULL" for name in columns)
        op.add_column(table, sa.Column("packed", sa.LargeBinary(), nullable=True))
        op.execute(f"ALTER TABLE {table} {emptied}")
    op.execute("INSERT INTO schema_floor (id, revision) VALUES (17, '0017')")


def downgrade() -> None:
    op.drop_index(NEW, "actions")
    decided = sa.text("decided_at IS NOT NULL")
    op.create_index(GONE, "actions", ["kind", "decided_at"], sqlite_where=decided, postgresql_where=decided)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DELETE FROM schema_floor WHERE id = 17")
        for table, columns in PACKED.items():
            _unpack(table)
            filled = ", ".join(f"ALTER COLUMN {name} SET NOT NULL" for name in columns)
            op.execute(f"ALTER TABLE {table} {filled}")
    for table in PACKED:
        op.drop_column(table, "packed")


def _unpack(name: str) -> None:
    """Fill the columns that are empty, row by row."""
    table = sa.Table(name, sa.MetaData(), autoload_with=op.get_bind())
    for row in op.get_bind().execute(sa.select(table).where(table.c.packed.is_not(None))).mappings().all():
        this = [table.c[key] == row[key] for key in KEYS[name]]
        op.get_bind().execute(sa.update(table).where(*this).values(**action_rows.empty_of(name, row)))


def _valid() -> bool:
    query = sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
    return bool(op.get_bind().execute(query, {"name": NEW}).scalar())

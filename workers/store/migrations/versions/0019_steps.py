"""Steps as they are written: packed into bytes, with the call that answered, found by case or by time and by no id of their own.

Columns may be empty, so nothing is written anew. Rows from before are read as they are. Code from before cannot read what is
packed, so the floor is raised. Going back leaves the rows, and of those that this version wrote no more than that they were.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

#: of fixed width first: so they need no filling in between
COLUMNS: tuple[tuple[str, sa.types.TypeEngine[Any]], ...] = (
    ("gathered_from", sa.DateTime(timezone=True)),
    ("gathered_at", sa.DateTime(timezone=True)),
    ("input_tokens", sa.Integer()),
    ("output_tokens", sa.Integer()),
    ("cache_read_tokens", sa.Integer()),
    ("cache_write_tokens", sa.Integer()),
    ("latency_ms", sa.Integer()),
    ("cost_usd", sa.Numeric(12, 6)),
    ("provider", sa.String(length=40)),
    ("model", sa.String(length=120)),
    ("request_id", sa.String(length=120)),
    ("stop_reason", sa.String(length=40)),
    ("domain", sa.String(length=32)),
    ("packed", sa.LargeBinary()),
)
INDEX = "ix_steps_finished_at"
PAGE = 8192


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _upgrade_beside_work()
    else:
        op.create_index(INDEX, "steps", ["finished_at"])
    for name, kind in COLUMNS:
        op.add_column("steps", sa.Column(name, kind, nullable=True))
    op.execute("UPDATE schema_floor SET revision = '0019'")


def _upgrade_beside_work() -> None:
    with op.get_context().autocommit_block():
        # Waiting for its turn, such a build stops nobody; only its own patience is bounded.
        op.execute("SET lock_timeout = '60s'")
        # A build that was cut off leaves an index that is written and never read.
        if not _valid():
            op.drop_index(INDEX, "steps", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            INDEX,
            "steps",
            ["finished_at"],
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 16, "autosummarize": True},
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        # Pages that are being filled are summed up when they are full: until then a row need not write to the index.
        op.execute(f"SELECT brin_desummarize_range('{INDEX}', greatest(0, pg_relation_size('steps') / {PAGE} - 1))")
        # A moment each, and given up sooner than a statement of the flow would wait for.
        op.execute("SET lock_timeout = '400ms'")
        op.execute("ALTER TABLE steps DROP CONSTRAINT IF EXISTS pk_steps")
        op.execute("SET lock_timeout = '3s'")


def downgrade() -> None:
    op.execute("UPDATE schema_floor SET revision = '0018'")
    op.drop_index(INDEX, "steps")
    if op.get_bind().dialect.name == "postgresql":
        # Those that were written without one get an id that says where they stand.
        op.execute("UPDATE steps SET id = 'step_' || md5(case_id || '/' || round || '/' || name) WHERE id = ''")
        op.create_primary_key("pk_steps", "steps", ["id"])
    with op.batch_alter_table("steps") as batch_op:
        for name, _ in reversed(COLUMNS):
            batch_op.drop_column(name)


def _valid() -> bool:
    query = sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
    return bool(op.get_bind().execute(query, {"name": INDEX}).scalar())

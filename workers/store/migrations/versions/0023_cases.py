"""An action's first revision may stand in its own row; what an action holds of limits is found by its key, and what a counter has
by an index of the counter alone, so that an entry names the action once where two did.

Columns are added and may be empty: rows from before stay as they are and are read as they were. Code of before does not look for a
revision in an action's row and would take such an action for one without; so the floor says that it must not run any more. The
key of holds stands over the same two columns as before, the other way round, which no statement depends on; the index by
counters is built before it changes. Going back gives each first revision a row again.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"

COLUMNS: tuple[tuple[str, sa.types.TypeEngine[Any]], ...] = (
    ("first_revision", sa.LargeBinary()),
    ("author", sa.String(length=200)),
)
#: as the version before looks for them
APART = (
    "INSERT INTO revisions (action_id, revision, author, created_at, packed) "
    "SELECT id, 1, author, created_at, first_revision FROM actions WHERE first_revision IS NOT NULL"
)
KEY = "pk_limit_holds"
#: as the new key is called while it is built
BUILT = "uq_limit_holds_action_id_counter"
BY_COUNTER = "ix_limit_holds_counter"
BY_ACTION = "ix_limit_holds_action_id"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _upgrade_beside_work()
    else:
        op.drop_index(BY_ACTION, "limit_holds")
        _key_of("action_id", "counter")
        op.create_index(BY_COUNTER, "limit_holds", ["counter"])
    for name, kind in COLUMNS:
        op.add_column("actions", sa.Column(name, kind, nullable=True))
    op.execute("UPDATE schema_floor SET revision = '0023'")


def _upgrade_beside_work() -> None:
    with op.get_context().autocommit_block():
        # Waiting for its turn, such a build stops nobody; only its own patience is bounded.
        op.execute("SET lock_timeout = '60s'")
        _build(BY_COUNTER, ["counter"])
        if not _keyed_by_action():
            _build(BUILT, ["action_id", "counter"], unique=True)
            # A moment: the index is there, and none of its columns may be empty.
            op.execute("SET lock_timeout = '3s'")
            op.execute(
                f"ALTER TABLE limit_holds DROP CONSTRAINT IF EXISTS {KEY}, "
                f"ADD CONSTRAINT {KEY} PRIMARY KEY USING INDEX {BUILT}"
            )
            op.execute("SET lock_timeout = '60s'")
        op.drop_index(BY_ACTION, "limit_holds", if_exists=True, postgresql_concurrently=True)
        op.execute("SET lock_timeout = '3s'")


def downgrade() -> None:
    op.execute("UPDATE schema_floor SET revision = '0022'")
    op.execute(APART)
    for name, _ in reversed(COLUMNS):
        op.drop_column("actions", name)
    op.create_index(BY_ACTION, "limit_holds", ["action_id"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"ALTER TABLE limit_holds DROP CONSTRAINT {KEY}, ADD CONSTRAINT {KEY} PRIMARY KEY (counter, action_id)"
        )
        op.drop_index(BY_COUNTER, "limit_holds")
    else:
        op.drop_index(BY_COUNTER, "limit_holds")
        op.drop_index(BY_ACTION, "limit_holds")
        _key_of("counter", "action_id")
        op.create_index(BY_ACTION, "limit_holds", ["action_id"])


def _key_of(*columns: str) -> None:
    """On SQLite, which writes the table anew for it."""
    with op.batch_alter_table("limit_holds", recreate="always") as holds:
        holds.drop_constraint(KEY, type_="primary")
        holds.create_primary_key(KEY, list(columns))


def _build(name: str, columns: list[str], *, unique: bool = False) -> None:
    if not _valid(name):
        # One whose building was cut off is written and never read.
        op.drop_index(name, "limit_holds", if_exists=True, postgresql_concurrently=True)
    op.create_index(name, "limit_holds", columns, unique=unique, postgresql_concurrently=True, if_not_exists=True)


def _valid(index: str) -> bool:
    query = sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
    return bool(op.get_bind().execute(query, {"name": index}).scalar())


def _keyed_by_action() -> bool:
    query = sa.text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name")
    return "(action_id" in (op.get_bind().execute(query, {"name": KEY}).scalar() or "")

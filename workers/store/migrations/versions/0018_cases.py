"""What a case is held until, in a column that no index names, so that a claim writes the row and none of its indexes.

Code of the version before runs on it as long as no process of this version works beside it: what this one claims looks due
to it (`wake_at` stays), so a worker of before would take it away, and a model would be asked twice. Nothing is written
twice, the fence sees to that; but the floor says that code of before is not to be started any more.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

URGENT = "priority = 'urgent' AND wake_at IS NOT NULL"
#: (name, columns, where)
NEW = (
    ("ix_cases_urgent_due", ["domain", "wake_at"], URGENT),
    ("ix_cases_going_on", ["customer"], "outcome IS NULL AND customer <> ''"),
)
#: those of before, two of which named who has claimed
OLD = (
    ("ix_cases_open_customer", ["customer"], "closed_at IS NULL AND customer <> ''"),
    ("ix_cases_claimed", ["customer", "source"], "claimed_by IS NOT NULL"),
    ("ix_cases_urgent", ["domain", "wake_at"], "priority = 'urgent' AND claimed_by IS NULL AND wake_at IS NOT NULL"),
)
#: longest wait of what stops nobody while it waits
PATIENT = "SET lock_timeout = '60s'"
SHORTLY = "SET lock_timeout = '3s'"


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        op.add_column("cases", sa.Column("held_until", sa.DateTime(timezone=True), nullable=True))
        for name, columns, where in NEW:
            op.create_index(name, "cases", columns, sqlite_where=sa.text(where))
        for name, _, _ in OLD:
            op.drop_index(name, "cases")
    else:
        with op.get_context().autocommit_block():
            op.execute(SHORTLY)
            op.execute("ALTER TABLE cases ADD COLUMN IF NOT EXISTS held_until TIMESTAMP WITH TIME ZONE")
            op.execute(PATIENT)
            for name, columns, where in NEW:
                if not _valid(name):
                    # One whose building was cut off is written and never read.
                    op.drop_index(name, "cases", if_exists=True, postgresql_concurrently=True)
                op.create_index(
                    name,
                    "cases",
                    columns,
                    postgresql_where=sa.text(where),
                    postgresql_concurrently=True,
                    if_not_exists=True,
                )
            for name, _, _ in OLD:
                op.drop_index(name, "cases", if_exists=True, postgresql_concurrently=True)
            op.execute(SHORTLY)
    op.execute("UPDATE schema_floor SET revision = '0018'")


def downgrade() -> None:
    op.execute("UPDATE schema_floor SET revision = '0015'")
    for name, columns, where in OLD:
        op.create_index(name, "cases", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    for name, _, _ in NEW:
        op.drop_index(name, "cases")
    # What is claimed is due at its lease's end, as code of before has it.
    op.execute("UPDATE cases SET wake_at = held_until WHERE held_until > wake_at")
    op.drop_column("cases", "held_until")


def _valid(index: str) -> bool:
    query = sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
    return bool(op.get_bind().execute(query, {"name": index}).scalar())

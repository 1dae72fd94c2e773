"""What a case is held until, in a column that no index names, so that a claim writes the row and none of its indexes; and what
came with an event in one packed column instead of three.

Code of the version before runs on it as long as no process of this version works beside it: what this one claims looks due
to it (`wake_at` stays), so a worker of before would take it away, and a model would be asked twice. Nothing is written
twice, the fence sees to that. What this one stores of events it cannot read at all. So the floor says that code of before
is not to be started any more.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from workers.store.parcels import opened

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
BODY_KEY = "body_key IS NOT NULL"
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
#: what is packed into one, as it was
APART = (("data", JSON), ("raw", sa.LargeBinary()), ("headers", JSON))


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        op.add_column("cases", sa.Column("held_until", sa.DateTime(timezone=True), nullable=True))
        for name, columns, where in NEW:
            op.create_index(name, "cases", columns, sqlite_where=sa.text(where))
        for name, _, _ in OLD:
            op.drop_index(name, "cases")
        # SQLite changes no column: it writes the table anew.
        with op.batch_alter_table("events", recreate="always") as events:
            events.add_column(sa.Column("packed", sa.LargeBinary(), nullable=True))
            for name, kind in APART:
                events.alter_column(name, existing_type=kind, nullable=True)
            events.drop_constraint("uq_events_source_body_key", type_="unique")
        op.create_index(
            "uq_events_body_key", "events", ["source", "body_key"], unique=True, sqlite_where=sa.text(BODY_KEY)
        )
    else:
        with op.get_context().autocommit_block():
            op.execute(SHORTLY)
            op.execute("ALTER TABLE cases ADD COLUMN IF NOT EXISTS held_until TIMESTAMP WITH TIME ZONE")
            op.execute("ALTER TABLE events ADD COLUMN IF NOT EXISTS packed BYTEA")
            for name, _ in APART:
                op.execute(f"ALTER TABLE events ALTER COLUMN {name} DROP NOT NULL")
            op.execute(PATIENT)
            for name, columns, where in NEW:
                _build(name, "cases", columns, where)
            _build("uq_events_body_key", "events", ["source", "body_key"], BODY_KEY, unique=True)
            for name, _, _ in OLD:
                op.drop_index(name, "cases", if_exists=True, postgresql_concurrently=True)
            op.execute(SHORTLY)
            op.execute("ALTER TABLE events DROP CONSTRAINT IF EXISTS uq_events_source_body_key")
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
    _lay_open()
    op.drop_index("uq_events_body_key", "events")
    with op.batch_alter_table("events") as events:
        for name, kind in APART:
            events.alter_column(name, existing_type=kind, nullable=False)
        events.create_unique_constraint("uq_events_source_body_key", ["source", "body_key"])
        events.drop_column("packed")


def _lay_open() -> None:
    """Put what is packed back into columns of its own."""
    events = sa.table("events", sa.column("id"), sa.column("packed"), *(sa.column(*one) for one in APART))
    packed = events.c.packed.is_not(None)
    while rows := op.get_bind().execute(sa.select(events.c.id, events.c.packed).where(packed).limit(500)).all():
        for event_id, kept in rows:
            data, headers, raw = opened(bytes(kept))
            apart = {"data": data, "headers": headers, "raw": raw, "packed": None}
            op.execute(sa.update(events).where(events.c.id == event_id).values(apart))


def _build(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    if not _valid(name):
        # One whose building was cut off is written and never read.
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
    op.create_index(
        name,
        table,
        columns,
        unique=unique,
        postgresql_where=sa.text(where),
        postgresql_concurrently=True,
        if_not_exists=True,
    )


def _valid(index: str) -> bool:
    query = sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
    return bool(op.get_bind().execute(query, {"name": index}).scalar())

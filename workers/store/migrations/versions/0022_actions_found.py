"""Where an action is found until it is over, in a column of its own, so that the end of one that was begun with its decision writes
the row and none of its indexes. The digest of what a rule allowed is packed with what else is written once.

Code of the version before may go on beside it for as long as no process of this version has begun anything: it knows nothing of
`standing`, so a trigger sees to it that no action is left where nobody looks, whoever writes. What this version has begun it would not
find when its lease is over. So the floor says that code of before is not to be started any more.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"

OVER = "settled_at IS NULL"
STANDING = "standing IS NOT NULL"
#: where an action is to be found: by its state, unless it is over or was begun with its decision
FOUND = (
    "CASE WHEN NEW.settled_at IS NULL AND NOT (NEW.state = 'executing' AND NEW.wake_at IS NULL "
    "AND NEW.held_until IS NOT NULL) THEN NEW.state END"
)
SEE_TO_IT = """
CREATE OR REPLACE FUNCTION actions_standing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE actions SET standing = ({FOUND}) WHERE id = NEW.id;
    RETURN NULL;
END $$""".replace("{FOUND}", FOUND)
#: after the row is written, not before: then it would be locked first, which is one more record of the log
SEEN_TO = f"""
CREATE OR REPLACE TRIGGER actions_standing AFTER INSERT OR UPDATE ON actions FOR EACH ROW
WHEN (NEW.standing IS DISTINCT FROM {FOUND}) EXECUTE FUNCTION actions_standing()"""
#: longest wait of what stops nobody while it waits
PATIENT = "SET lock_timeout = '60s'"
SHORTLY = "SET lock_timeout = '3s'"
#: so many rows are held at once
LOT = 500


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        op.add_column("actions", sa.Column("standing", sa.String(20), nullable=True))
        op.add_column("actions", sa.Column("held_until", sa.DateTime(timezone=True), nullable=True))
        op.execute("UPDATE actions SET standing = state WHERE settled_at IS NULL")
        op.drop_index("ix_actions_open", "actions")
        op.drop_index("ix_actions_target", "actions")
        op.create_index("ix_actions_standing", "actions", ["standing", "created_at"], sqlite_where=sa.text(STANDING))
        op.create_index("ix_actions_done_to", "actions", ["target"])
    else:
        with op.get_context().autocommit_block():
            op.execute(SHORTLY)
            op.execute("ALTER TABLE actions ADD COLUMN IF NOT EXISTS standing VARCHAR(20)")
            op.execute("ALTER TABLE actions ADD COLUMN IF NOT EXISTS held_until TIMESTAMP WITH TIME ZONE")
            op.execute("ALTER TABLE actions ALTER COLUMN digest DROP NOT NULL")
            op.execute(SEE_TO_IT)
            op.execute(SEEN_TO)
            op.execute(PATIENT)
            _build("ix_actions_standing", ["standing", "created_at"], STANDING)
            _build("ix_actions_done_to", ["target"])
            op.execute(SHORTLY)
            _place()
            op.execute(PATIENT)
            op.drop_index("ix_actions_open", "actions", if_exists=True, postgresql_concurrently=True)
            op.drop_index("ix_actions_target", "actions", if_exists=True, postgresql_concurrently=True)
            op.execute(SHORTLY)
    op.execute("UPDATE schema_floor SET revision = '0022'")


def downgrade() -> None:
    op.execute("UPDATE schema_floor SET revision = '0021'")
    op.create_index(
        "ix_actions_open",
        "actions",
        ["state", "created_at"],
        sqlite_where=sa.text(OVER),
        postgresql_where=sa.text(OVER),
    )
    op.create_index("ix_actions_target", "actions", ["target", "kind"])
    op.drop_index("ix_actions_done_to", "actions")
    op.drop_index("ix_actions_standing", "actions")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER actions_standing ON actions")
        op.execute("DROP FUNCTION actions_standing()")
        op.execute(
            "UPDATE actions SET digest = encode(substr(packed, length(packed) - 64, 32), 'hex') WHERE digest IS NULL"
        )
        op.execute("ALTER TABLE actions ALTER COLUMN digest SET NOT NULL")
    # What was begun with its decision is due at its lease's end, as code of before has it.
    op.execute(
        "UPDATE actions SET wake_at = held_until "
        "WHERE state = 'executing' AND wake_at IS NULL AND held_until IS NOT NULL AND settled_at IS NULL"
    )
    op.drop_column("actions", "held_until")
    op.drop_column("actions", "standing")


def _place() -> None:
    """What is open from before, a few rows at once: each is held for a moment only, and is left alone where it has ended since."""
    bind = op.get_bind()
    actions = sa.table("actions", *(sa.column(name) for name in ("id", "state", "settled_at", "standing")))
    left = (actions.c.settled_at.is_(None), actions.c.standing.is_(None))
    ids = list(bind.execute(sa.select(actions.c.id).where(*left)).scalars())
    for at in range(0, len(ids), LOT):
        lot = actions.c.id.in_(ids[at : at + LOT])
        bind.execute(sa.update(actions).where(lot, *left).values(standing=actions.c.state))


def _build(name: str, columns: list[str], where: str | None = None) -> None:
    if not _valid(name):
        # One whose building was cut off is written and never read.
        op.drop_index(name, "actions", if_exists=True, postgresql_concurrently=True)
    op.create_index(
        name,
        "actions",
        columns,
        postgresql_where=sa.text(where) if where else None,
        postgresql_concurrently=True,
        if_not_exists=True,
    )


def _valid(index: str) -> bool:
    query = sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
    return bool(op.get_bind().execute(query, {"name": index}).scalar())

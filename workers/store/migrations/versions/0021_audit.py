"""What a case's entry of the audit log says is packed into bytes on PostgreSQL, its hash with it. Only adds a column.

The columns that said it stay, with nothing in them, and entries from before are read as they are. Code from before cannot read
what is packed, so the floor is raised. Going back says everything again where it was said before: the log can be proved on either
side.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from workers.store import audit_rows
from workers.store.audit_tables import audit

revision = "0021"
down_revision = "0020"

PAGE = 1000


def upgrade() -> None:
    op.add_column("audit", sa.Column("packed", sa.LargeBinary(), nullable=True))
    op.execute("UPDATE schema_floor SET revision = '0021'")


def downgrade() -> None:
    op.execute("UPDATE schema_floor SET revision = '0020'")
    _lay_open()
    _say_what_waits()
    op.drop_column("audit", "packed")


def _lay_open() -> None:
    """Page by page, in the order of their numbers."""
    last, connection = 0, op.get_bind()
    packed = sa.select(audit).where(audit.c.packed.is_not(None)).order_by(audit.c.id).limit(PAGE)
    while rows := connection.execute(packed.where(audit.c.id > last)).mappings().all():
        for row in rows:
            told = audit_rows.laid_open(row)
            said = {name: told[name] for name in audit_rows.EMPTY}
            connection.execute(sa.update(audit).where(audit.c.id == row["id"]).values(packed=None, **said))
        last = rows[-1]["id"]


def _say_what_waits() -> None:
    """What cases keep for the next entry, in words as well."""
    kept = sa.text("SELECT id, untold FROM cases WHERE untold IS NOT NULL AND untold NOT LIKE '[%'")
    plain = sa.text("UPDATE cases SET untold = :told WHERE id = :id")
    for case_id, untold in op.get_bind().execute(kept).all():
        op.get_bind().execute(plain, {"id": case_id, "told": audit_rows.text_in(untold)})

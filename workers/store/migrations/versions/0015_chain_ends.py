"""Where a case's chain of the audit log ends is kept with the case, which each entry's commit changes anyway. Only adds columns.

Beside it stands what the next entry is to tell first.

The ends of before stay in `audit_heads` until somebody adds to their chain. Code of the version before finds no end to a chain
that this version began or went on with, and cannot add to it: the unique key of the entries refuses it. So the floor is raised.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from workers.store.audit import append
from workers.store.columns import UtcDateTime

revision = "0015"
down_revision = "0014"

#: as the version before looks for them
BACK = {
    "postgresql": "INSERT INTO audit_heads (chain, seq, hash) SELECT id, chain_seq, encode(chain_hash, 'hex') FROM cases "
    "WHERE chain_seq IS NOT NULL",
    "sqlite": "INSERT INTO audit_heads (chain, seq, hash) SELECT id, chain_seq, lower(hex(chain_hash)) FROM cases "
    "WHERE chain_seq IS NOT NULL",
}


def upgrade() -> None:
    op.add_column("cases", sa.Column("chain_seq", sa.Integer(), nullable=True))
    op.add_column("cases", sa.Column("chain_hash", sa.LargeBinary(), nullable=True))
    op.add_column("cases", sa.Column("untold", sa.Text(), nullable=True))
    op.execute("UPDATE schema_floor SET revision = '0015'")


def downgrade() -> None:
    op.execute("UPDATE schema_floor SET revision = '0003'")
    waiting = sa.text("SELECT id, updated_at FROM cases WHERE untold IS NOT NULL ORDER BY id")
    for case_id, at in op.get_bind().execute(waiting.columns(id=sa.String(), updated_at=UtcDateTime())).all():
        # Whatever still waits to be told is told now: the version before knows of none.
        append(op.get_bind(), case_id, at, plain=True)
    op.execute(BACK[op.get_bind().dialect.name])
    op.drop_column("cases", "untold")
    op.drop_column("cases", "chain_hash")
    op.drop_column("cases", "chain_seq")

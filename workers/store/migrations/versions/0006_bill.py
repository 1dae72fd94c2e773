"""The bill: what a paid call was for, whether it gave anything, and whose it was.

The columns may be empty, so the version before goes on writing its rows beside this one.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

COLUMNS = (("task", 16), ("outcome", 8), ("domain", 32))


def upgrade() -> None:
    for name, length in COLUMNS:
        op.add_column("model_usage", sa.Column(name, sa.String(length=length), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("model_usage") as batch_op:
        for name, _ in reversed(COLUMNS):
            batch_op.drop_column(name)

"""What an action holds of several limits is one row: what rides along with the first, and which counters may be among those.

Only adds columns. Rows in the form of before stay as they are and are read as they were. Code of before would not see what rides
along, and let more through than a limit allows: it must not run beside this any more, which is what the floor says.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"

NUMBERS = postgresql.ARRAY(sa.BigInteger()).with_variant(sa.JSON(), "sqlite")

#: as the version before looks for them: a row for each limit
BACK = {
    "postgresql": "INSERT INTO limit_holds (counter, minor, at, leaves_at, action_id) SELECT h.more[i], h.more[i + 1], h.at, "
    "timestamptz 'epoch' + h.more[i + 2] * interval '1 microsecond', h.action_id "
    "FROM limit_holds h, generate_series(1, cardinality(h.more), 3) i",
    "sqlite": "INSERT INTO limit_holds (counter, minor, at, leaves_at, action_id) SELECT p.value, "
    "json_extract(h.more, printf('$[%d]', p.key + 1)), h.at, "
    "strftime('%Y-%m-%d %H:%M:%S', json_extract(h.more, printf('$[%d]', p.key + 2)) / 1000000, 'unixepoch') "
    "|| printf('.%06d', json_extract(h.more, printf('$[%d]', p.key + 2)) % 1000000), h.action_id "
    "FROM limit_holds h, json_each(h.more) p WHERE p.key % 3 = 0",
}


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        with op.get_context().autocommit_block():
            # Waiting for its turn, it stops nobody; only its own patience is bounded.
            op.execute("SET lock_timeout = '60s'")
            op.drop_index("ix_limit_counters_look_at", "limit_counters", if_exists=True, postgresql_concurrently=True)
            op.execute("SET lock_timeout = '3s'")
        # After the block, which commits what came before it; and a database on which that was cut off has them already.
        op.execute("ALTER TABLE limit_holds ADD COLUMN IF NOT EXISTS more BIGINT[]")
        op.execute("ALTER TABLE limit_counters ADD COLUMN IF NOT EXISTS wide BOOLEAN")
    else:
        op.add_column("limit_holds", sa.Column("more", NUMBERS, nullable=True))
        op.add_column("limit_counters", sa.Column("wide", sa.Boolean(), nullable=True))
        op.drop_index("ix_limit_counters_look_at", "limit_counters")
    op.execute("UPDATE schema_floor SET revision = '0020'")


def downgrade() -> None:
    op.execute("UPDATE schema_floor SET revision = '0019'")
    op.execute(BACK[op.get_bind().dialect.name])
    op.create_index("ix_limit_counters_look_at", "limit_counters", ["look_at"])
    op.drop_column("limit_counters", "wide")
    op.drop_column("limit_holds", "more")

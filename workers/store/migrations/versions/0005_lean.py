"""What each case paid for and nothing needed: an index, a second key, and references that the statements keep themselves.

Code of the version before runs on it: it asks for none of what goes. References are dropped on PostgreSQL alone, where each
cost a look-up and a lock for every row; SQLite would have to write its tables anew. Why, and what holds them now, is in
``docs/decisions``.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"

#: (table, column, what it names)
HELD = (
    ("events", "case_id", "cases"),
    ("steps", "case_id", "cases"),
    ("facts", "case_id", "cases"),
    ("model_usage", "case_id", "cases"),
    ("actions", "case_id", "cases"),
    ("revisions", "action_id", "actions"),
    ("attempts", "action_id", "actions"),
)


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        op.drop_index("ix_cases_opened_at", "cases")
        return
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '60s'")
        op.drop_index("ix_cases_opened_at", "cases", if_exists=True, postgresql_concurrently=True)
        # One at a time, each a moment: together they would hold every table of the flow until the last lock is had. Dropping a
        # reference locks both its tables, perhaps in the other order than a statement of the flow. Whoever then waits for a
        # second is told of a deadlock; this must never be the flow, so the migration gives up sooner and is tried again.
        op.execute("SET lock_timeout = '400ms'")
        for table, column, _ in HELD:
            op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS fk_{table}_{column}")
        op.execute("ALTER TABLE facts DROP CONSTRAINT IF EXISTS pk_facts")
        op.execute("SET lock_timeout = '3s'")


def downgrade() -> None:
    op.create_index("ix_cases_opened_at", "cases", ["opened_at"])
    if op.get_bind().dialect.name != "postgresql":
        return
    op.create_primary_key("pk_facts", "facts", ["id"])
    for table, column, target in HELD:
        op.create_foreign_key(f"fk_{table}_{column}", table, target, [column], ["id"])

"""Alembic's entry: runs migrations on the connection that `workers.store.schema` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from workers.store.tables import cases

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=cases.metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()

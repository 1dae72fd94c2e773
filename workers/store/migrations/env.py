"""Alembic's entry: runs migrations on the connection that `workers.store.schema` hands over, one transaction each."""

from __future__ import annotations

from alembic import context

from workers.store.tables import cases

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=cases.metadata,
    render_as_batch=True,
    # A migration that builds an index without stopping writers has to leave its transaction for it.
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()

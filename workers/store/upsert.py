"""An `INSERT` that can say what becomes of a row that is there already: the same words in both databases, and two classes."""

from __future__ import annotations

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from workers.store.database import Tx


def insert_into(tx: Tx, table: Table) -> postgresql.Insert | sqlite.Insert:
    """For `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return sqlite.insert(table) if tx.dialect.name == "sqlite" else postgresql.insert(table)

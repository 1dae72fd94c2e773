"""The audit log as tests look at it and change it, whichever way the database keeps an entry."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from workers.store import audit_rows
from workers.store.audit_tables import audit
from workers.store.database import Tx


def entries(tx: Tx, chain: str | None = None) -> list[dict[str, Any]]:
    """Each entry as a row in which every column says what it is called, in the order of the chains and their numbers."""
    query = select(audit).order_by(audit.c.chain, audit.c.seq)
    if chain is not None:
        query = query.where(audit.c.chain == chain)
    return [audit_rows.laid_open(row) for row in tx.execute(query).mappings()]


def rewrite(tx: Tx, entry: dict[str, Any], **said: Any) -> None:
    """Keep an entry as versions before packing did, with something else in it."""
    columns = {name: entry[name] for name in audit_rows.EMPTY} | said
    tx.execute(update(audit).where(audit.c.id == entry["id"]).values(packed=None, **columns))

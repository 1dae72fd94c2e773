"""Revisions as rows, for tests that change one by hand, whichever way they are kept."""

from __future__ import annotations

from sqlalchemy import select

from workers.store.database import Tx
from workers.store.revision_rows import set_apart
from workers.store.tables import cases


def in_rows(tx: Tx) -> None:
    """Each revision a row of its own, as versions before left them: what is done to the row is seen."""
    set_apart(tx, list(tx.execute(select(cases.c.id)).scalars()))

"""Named queries on requests that were turned away and kept, bounded, so that a botched secret loses nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Select, delete, func, insert, select, update

from workers.store.database import Tx
from workers.store.records import Quarantined
from workers.store.rows import columns, many, one
from workers.store.tables import quarantine

QueryT = TypeVar("QueryT", bound=Select[Any])

_COLUMNS = columns(quarantine, Quarantined)


def usage(tx: Tx, source: str) -> tuple[int, int]:
    """Rows and bytes kept for a source."""
    row = tx.execute(
        select(func.count(), func.coalesce(func.sum(quarantine.c.size), 0)).where(quarantine.c.source == source)
    ).one()
    return int(row[0]), int(row[1])


def add(tx: Tx, item: Quarantined) -> None:
    tx.execute(
        insert(quarantine).values(
            id=item.id,
            source=item.source,
            received_at=item.received_at,
            reason=item.reason,
            headers=item.headers,
            body=item.body,
            size=item.size,
            sha256=item.sha256,
        )
    )


def get(tx: Tx, item_id: str) -> Quarantined | None:
    return one(Quarantined, tx.execute(select(*_COLUMNS).where(quarantine.c.id == item_id)).first())


def listing(tx: Tx, *, source: str | None = None, limit: int = 100) -> list[Quarantined]:
    """The newest first; with `source` only those of one."""
    query = select(*_COLUMNS).order_by(quarantine.c.received_at.desc(), quarantine.c.id.desc()).limit(limit)
    return many(Quarantined, tx.execute(_of(query, source)).all())


def ids(tx: Tx, *, source: str | None = None) -> list[str]:
    """All that are kept, oldest first, without what they hold, which may be much."""
    query = select(quarantine.c.id).order_by(quarantine.c.received_at, quarantine.c.id)
    return list(tx.execute(_of(query, source)).scalars())


def count(tx: Tx, *, source: str | None = None) -> int:
    return int(tx.execute(_of(select(func.count()).select_from(quarantine), source)).scalar_one())


def mark_replayed(tx: Tx, item_id: str, *, result: str, now: datetime) -> None:
    tx.execute(update(quarantine).where(quarantine.c.id == item_id).values(replayed_at=now, replay_result=result))


def drop_older(tx: Tx, before: datetime) -> int:
    return tx.execute(delete(quarantine).where(quarantine.c.received_at < before)).rowcount


def _of(query: QueryT, source: str | None) -> QueryT:
    return query.where(quarantine.c.source == source) if source else query

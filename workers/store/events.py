"""Named queries on events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from workers.store.database import Tx
from workers.store.records import Event
from workers.store.rows import columns, many, one
from workers.store.tables import events

_COLUMNS = columns(events, Event)


def insert_once(tx: Tx, row: Mapping[str, Any]) -> bool:
    """Insert unless (source, delivery id) or (source, body key) is there. The index decides, so races cannot."""
    make = sqlite_insert if tx.dialect.name == "sqlite" else pg_insert
    inserted = tx.execute(make(events).values(**row).on_conflict_do_nothing().returning(events.c.id))
    return inserted.first() is not None


def count_duplicate(tx: Tx, source: str, delivery_id: str, body_key: str | None) -> str | None:
    """Note another delivery of a known event; its id, or None when it is not known."""
    same = events.c.delivery_id == delivery_id
    if body_key is not None:
        same = or_(same, events.c.body_key == body_key)
    row = tx.execute(
        update(events)
        .where(events.c.source == source, same)
        .values(duplicates=events.c.duplicates + 1)
        .returning(events.c.id)
    ).first()
    return None if row is None else str(row[0])


def attach(tx: Tx, event_id: str, case_id: str, position: int) -> None:
    tx.execute(update(events).where(events.c.id == event_id).values(case_id=case_id, position=position))


def of_case(tx: Tx, case_id: str) -> list[Event]:
    """Oldest first, in the order in which they joined."""
    query = select(*_COLUMNS).where(events.c.case_id == case_id).order_by(events.c.position)
    return many(Event, tx.execute(query).all())


def get(tx: Tx, event_id: str) -> Event | None:
    return one(Event, tx.execute(select(*_COLUMNS).where(events.c.id == event_id)).first())


def find(tx: Tx, source: str, delivery_id: str) -> Event | None:
    query = select(*_COLUMNS).where(events.c.source == source, events.c.delivery_id == delivery_id)
    return one(Event, tx.execute(query).first())


def count_since(tx: Tx, since: datetime) -> int:
    return int(tx.execute(select(func.count()).where(events.c.received_at >= since)).scalar_one())

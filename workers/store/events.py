"""Named queries on events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from workers.store.database import Tx
from workers.store.parcels import DATA
from workers.store.records import Event
from workers.store.rows import columns, many, one
from workers.store.tables import events

_COLUMNS = tuple(DATA if column is events.c.data else column for column in columns(events, Event))

# Statements of the door are built once: building them anew costs as much as running them.
_INSERT_ONCE = {
    "sqlite": sqlite_insert(events).on_conflict_do_nothing().returning(events.c.id),
    "postgresql": pg_insert(events).on_conflict_do_nothing().returning(events.c.id),
}
_ATTACH = (
    update(events)
    .where(events.c.id == bindparam("event"))
    .values(case_id=bindparam("case"), position=bindparam("place"))
)
_OF_CASE = select(*_COLUMNS).where(events.c.case_id == bindparam("case")).order_by(events.c.position)


def insert_once(tx: Tx, row: Mapping[str, Any]) -> bool:
    """Insert unless (source, delivery id) or (source, body key) is there. The index decides, so races cannot."""
    return tx.execute(_INSERT_ONCE[tx.dialect.name], row).first() is not None


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
    tx.execute(_ATTACH, {"event": event_id, "case": case_id, "place": position})


def of_case(tx: Tx, case_id: str) -> list[Event]:
    """Oldest first, in the order in which they joined."""
    return many(Event, tx.execute(_OF_CASE, {"case": case_id}).all())


def get(tx: Tx, event_id: str) -> Event | None:
    return one(Event, tx.execute(select(*_COLUMNS).where(events.c.id == event_id)).first())


def find(tx: Tx, source: str, delivery_id: str) -> Event | None:
    query = select(*_COLUMNS).where(events.c.source == source, events.c.delivery_id == delivery_id)
    return one(Event, tx.execute(query).first())

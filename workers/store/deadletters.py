"""Named queries on dead letters: messages from the queue that could not become an event, kept with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update

from workers.store.database import Tx
from workers.store.rows import columns, many, one
from workers.store.tables import dead_letters


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message as it came. Nothing of it was proved or checked."""

    id: str
    received_at: datetime
    #: how it came: the Celery task, or the exchange for plain CloudEvents
    door: str
    reason: str
    detail: str
    headers: Sequence[Sequence[str]]
    body: bytes
    replayed_at: datetime | None
    replay_result: str | None


_COLUMNS = columns(dead_letters, DeadLetter)


def add(tx: Tx, letter: DeadLetter) -> None:
    tx.execute(
        insert(dead_letters).values(
            id=letter.id,
            received_at=letter.received_at,
            door=letter.door,
            reason=letter.reason,
            detail=letter.detail,
            headers=[list(pair) for pair in letter.headers],
            body=letter.body,
        )
    )


def get(tx: Tx, letter_id: str) -> DeadLetter | None:
    return one(DeadLetter, tx.execute(select(*_COLUMNS).where(dead_letters.c.id == letter_id)).first())


def listing(tx: Tx, *, waiting: bool = False, limit: int = 100) -> list[DeadLetter]:
    """The newest first; with `waiting` only those that are not settled."""
    query = select(*_COLUMNS).order_by(dead_letters.c.received_at.desc(), dead_letters.c.id.desc()).limit(limit)
    if waiting:
        query = query.where(dead_letters.c.replayed_at.is_(None))
    return many(DeadLetter, tx.execute(query).all())


def waiting_ids(tx: Tx) -> list[str]:
    """All that are not settled, oldest first, without what they hold, which may be much."""
    query = select(dead_letters.c.id).where(dead_letters.c.replayed_at.is_(None))
    return list(tx.execute(query.order_by(dead_letters.c.received_at, dead_letters.c.id)).scalars())


def count(tx: Tx, *, waiting: bool = True) -> int:
    """How many there are; with `waiting` only those that are not settled."""
    query = select(func.count()).select_from(dead_letters)
    if waiting:
        query = query.where(dead_letters.c.replayed_at.is_(None))
    return int(tx.execute(query).scalar_one())


def settle(tx: Tx, letter_id: str, *, result: str, now: datetime) -> bool:
    """What became of it when it was first received, or that nothing will; an event is a duplicate each time after that. False
    where it was settled before, or there is none."""
    changed = tx.execute(
        update(dead_letters)
        .where(dead_letters.c.id == letter_id, dead_letters.c.replayed_at.is_(None))
        .values(replayed_at=now, replay_result=result[:200])
    )
    return bool(changed.rowcount)

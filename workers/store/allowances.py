"""What a vendor allows, shared by all processes: a token bucket where no Redis keeps it, and until when it asked for quiet.

`workers.guards` asks. The arithmetic is passed in, so that both keepers of buckets reckon alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from workers.store.database import Tx
from workers.store.tables import allowances

T = TypeVar("T")
#: what is in the bucket and how long ago that was -> what is in it now, and the answer
Reckoning = Callable[[float, float], tuple[float, T]]


def take(tx: Tx, vendor: str, now: datetime, *, full: float, reckon: Reckoning[T]) -> T:
    """Ask a vendor's bucket, holding its row until commit. One that is not there yet is `full`."""
    query = select(allowances.c.tokens, allowances.c.refilled_at).where(allowances.c.vendor == vendor)
    row = tx.execute(query.with_for_update()).first()
    if row is None:
        tx.execute(_new(tx, vendor, now, full).on_conflict_do_nothing())
        row = tx.execute(query.with_for_update()).one()
    tokens, answer = reckon(row[0], (now - row[1]).total_seconds())
    tx.execute(
        update(allowances)
        .where(allowances.c.vendor == vendor)
        # A process whose clock is behind must not make the same seconds count twice.
        .values(tokens=tokens, refilled_at=max(now, row[1]))
    )
    return answer


def close(tx: Tx, vendor: str, *, until: datetime, now: datetime) -> None:
    """Nobody calls this vendor before `until`. A later moment that is already known stays."""
    closed = tx.execute(
        update(allowances)
        .where(
            allowances.c.vendor == vendor,
            or_(allowances.c.closed_until.is_(None), allowances.c.closed_until < until),
        )
        .values(closed_until=until)
    ).rowcount
    if not closed:
        tx.execute(_new(tx, vendor, now, 0.0, closed_until=until).on_conflict_do_nothing())


def closed(tx: Tx, now: datetime) -> Mapping[str, datetime]:
    """The vendors that asked for quiet, and until when."""
    query = select(allowances.c.vendor, allowances.c.closed_until).where(allowances.c.closed_until > now)
    return {row[0]: row[1] for row in tx.execute(query)}


def _new(tx: Tx, vendor: str, now: datetime, tokens: float, **more: Any) -> Any:
    make = {"sqlite": sqlite_insert, "postgresql": pg_insert}[tx.dialect.name]
    return make(allowances).values(vendor=vendor, tokens=tokens, refilled_at=now, **more)

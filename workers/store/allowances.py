"""What a vendor allows, shared by all processes: a token bucket where no Redis keeps it, and until when it asked for quiet.

`workers.guards` asks. The arithmetic is passed in, so that both keepers of buckets reckon alike. On PostgreSQL times are those
of the server: a clock of one process that is wrong must hold up no other's. A `now` of the caller's goes before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, func, literal, or_, select, update

from workers.store.database import Tx
from workers.store.tables import allowances
from workers.store.upsert import insert_into

T = TypeVar("T")
#: what is in the bucket and how long ago that was -> what is in it now, and the answer
Reckoning = Callable[[float, float], tuple[float, T]]
#: by so little a kept time lies ahead where two ask at once; by more only where a clock was wrong
AHEAD = timedelta(seconds=1)
_MOMENT = allowances.c.refilled_at.type


def take(tx: Tx, vendor: str, now: datetime | None = None, *, full: float, reckon: Reckoning[T]) -> T:
    """Ask a vendor's bucket, holding its row until commit. One that is not there yet is `full`."""
    query = select(allowances.c.tokens, allowances.c.refilled_at, _clock(tx, now)).where(allowances.c.vendor == vendor)
    row = tx.execute(query.with_for_update()).first()
    if row is None:
        tx.execute(_new(tx, vendor, now, full).on_conflict_do_nothing())
        row = tx.execute(query.with_for_update()).one()
    tokens, kept, asked_at = row
    tokens, answer = reckon(tokens, (asked_at - kept).total_seconds())
    # Two that asked at once must not make the same seconds count twice.
    refilled_at = max(asked_at, kept) if kept - asked_at < AHEAD else asked_at
    tx.execute(update(allowances).where(allowances.c.vendor == vendor).values(tokens=tokens, refilled_at=refilled_at))
    return answer


def close(tx: Tx, vendor: str, seconds: float, now: datetime | None = None) -> None:
    """Nobody calls this vendor for so long. A later moment that is already known stays."""
    until = _moment(tx, now) + timedelta(seconds=seconds)
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


def closed(tx: Tx, now: datetime | None = None) -> Mapping[str, float]:
    """The vendors that asked for quiet, and for how many seconds more."""
    clock = _clock(tx, now)
    rows = tx.execute(
        select(allowances.c.vendor, allowances.c.closed_until, clock).where(allowances.c.closed_until > clock)
    )
    return {vendor: (until - asked_at).total_seconds() for vendor, until, asked_at in rows}


def _clock(tx: Tx, now: datetime | None) -> ColumnElement[datetime]:
    """This moment, in a statement. SQLite's processes are on one machine, and have its clock."""
    if now is None and tx.dialect.name == "postgresql":
        return func.clock_timestamp(type_=_MOMENT)
    return literal(now or datetime.now(UTC), _MOMENT)


def _moment(tx: Tx, now: datetime | None) -> datetime:
    return now or tx.execute(select(_clock(tx, now))).scalar_one()


def _new(tx: Tx, vendor: str, now: datetime | None, tokens: float, **more: Any) -> Any:
    return insert_into(tx, allowances).values(vendor=vendor, tokens=tokens, refilled_at=_clock(tx, now), **more)

"""Rows of limits as they are written, and the one rule that keeps sums right: what a counter's row says is what its holds come to.

So whoever adds or removes a hold changes the counter's row in the same commit, and holds it until then: the counter's turn. All
turns of a transaction are taken at once and in one order, so no two wait for each other; who cannot keep to that is alone.
Called by `limits`, `limit_upkeep` and `limit_adoption`; the straight way on PostgreSQL says the same in one statement
(`limit_statements`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, text, tuple_, update

from workers.store.columns import UtcDateTime
from workers.store.database import Tx
from workers.store.limit_tables import limit_counters, limit_holds
from workers.store.records import ActionState
from workers.store.tables import actions

#: still to be done, or perhaps done
LIVE = (ActionState.APPROVED, ActionState.EXECUTING, ActionState.UNCERTAIN)
#: taken before any counter's turn, by all who take theirs at once together, and by others alone
GATE = 0
#: rows that are looked through at once, while others may be waiting for their turn
MOST = 1_000
#: more than any counter has
ANY = 2**62
#: rows that are named in one statement
LOT = 500
_GATE_ALONE = text("SELECT pg_advisory_xact_lock(:number)")
_GATE_TOGETHER = text("SELECT pg_advisory_xact_lock_shared(:number)")
_LOOK_AT = bindparam("look_at", type_=UtcDateTime())
_NAMED = "INSERT INTO limit_counters (counter, limit_ref, times, minor, look_at) VALUES (:counter, :ref, :times, :minor, :look_at)"
# It need not be there yet, and may go at any moment before it is held.
_TURN = text(f"{_NAMED} ON CONFLICT (counter) DO UPDATE SET times = limit_counters.times").bindparams(_LOOK_AT)
_ADD = text(
    f"{_NAMED} ON CONFLICT (counter) DO UPDATE SET times = limit_counters.times + excluded.times, "
    "minor = limit_counters.minor + excluded.minor"
).bindparams(_LOOK_AT)
_HOLD = insert(limit_holds)
_AGAIN = limit_counters.alias("again")
_SUMS = (
    select(
        _AGAIN.c.counter,
        func.count(limit_holds.c.counter).label("times"),
        func.coalesce(func.sum(limit_holds.c.minor), 0).label("minor"),
    )
    .select_from(_AGAIN.outerjoin(limit_holds, limit_holds.c.counter == _AGAIN.c.counter))
    .where(_AGAIN.c.counter.in_(bindparam("counters", expanding=True)), _AGAIN.c.times <= bindparam("most"))
    .group_by(_AGAIN.c.counter)
    .subquery()
)
_RECOUNT = (
    update(limit_counters)
    .where(limit_counters.c.counter == _SUMS.c.counter)
    .values(times=_SUMS.c.times, minor=_SUMS.c.minor)
)
_LESS = (
    update(limit_counters)
    .where(limit_counters.c.counter == bindparam("of"))
    .values(times=limit_counters.c.times - bindparam("fewer"), minor=limit_counters.c.minor - bindparam("less"))
)
_AS_READ = tuple_(limit_holds.c.counter, limit_holds.c.action_id, limit_holds.c.at)
#: holds with how their actions stand
STANDING = select(limit_holds, actions.c.id, actions.c.state, actions.c.settled_at).outerjoin(
    actions, actions.c.id == limit_holds.c.action_id
)


@dataclass(frozen=True, slots=True)
class Holding:
    """What one action holds of one limit."""

    action_id: str
    counter: int
    limit_ref: str
    window_minutes: int
    minor: int


def enter(tx: Tx, *, alone: bool) -> None:
    """Before the first turn. On SQLite whoever writes is alone."""
    if tx.dialect.name != "sqlite":
        tx.execute(_GATE_ALONE if alone else _GATE_TOGETHER, {"number": GATE})


def take(tx: Tx, holdings: Iterable[Holding], now: datetime) -> None:
    """Hold the rows of these counters until the commit, each made where it is missing."""
    wanted = {held.counter: _counter(held, now, times=0, minor=0) for held in holdings}
    if wanted and tx.dialect.name != "sqlite":
        tx.execute(_TURN, [wanted[number] for number in sorted(wanted)])


def take_known(tx: Tx, counters: Iterable[int]) -> None:
    """The same for counters that have a row; those that have none any more have no holds."""
    wanted = sorted(set(counters))
    if wanted and tx.dialect.name != "sqlite":
        query = select(limit_counters.c.counter).where(limit_counters.c.counter.in_(wanted))
        tx.execute(query.order_by(limit_counters.c.counter).with_for_update()).all()


def put(tx: Tx, holdings: Sequence[tuple[Holding, datetime]]) -> None:
    """Hold, each from its moment on, and count what is held. Whoever asks before whether there is room has taken the turns."""
    ordered = sorted(holdings, key=lambda held: held[0].counter)
    if ordered:
        tx.execute(_ADD, [_counter(held, at, times=1, minor=held.minor) for held, at in ordered])
        tx.execute(_HOLD, [_row(held, at) for held, at in ordered])


def remove(tx: Tx, rows: Sequence[Any]) -> None:
    """Take away holds as they were read, and what they came to. Their counters' turns have been taken."""
    gone: dict[int, list[int]] = defaultdict(list)
    for start in range(0, len(rows), LOT):
        # One that was given back and held anew since is another.
        same = _AS_READ.in_([(row.counter, row.action_id, row.at) for row in rows[start : start + LOT]])
        for row in tx.execute(delete(limit_holds).where(same).returning(limit_holds.c.counter, limit_holds.c.minor)):
            gone[row.counter].append(row.minor)
    if gone:
        tx.execute(_LESS, [{"of": c, "fewer": len(each), "less": sum(each)} for c, each in sorted(gone.items())])


def recount(tx: Tx, counters: Iterable[int], *, most: int = ANY) -> None:
    """Add up anew what these counters' holds come to, whatever their rows said; of those alone, where told, that say they have
    no more than so many. Their turns have been taken."""
    tx.execute(_RECOUNT, {"counters": sorted(counters), "most": most})


def _row(held: Holding, at: datetime) -> dict[str, Any]:
    return {
        "counter": held.counter,
        "minor": held.minor,
        "at": at,
        "leaves_at": at + timedelta(minutes=held.window_minutes),
        "action_id": held.action_id,
    }


def is_over(row: Any, now: datetime) -> bool:
    """Whether a row of `STANDING` counts no longer, and never will again as it is."""
    leaving = leaves(row)
    return leaving is not None and leaving <= now


def leaves(row: Any) -> datetime | None:
    """When a row of `STANDING` leaves its window. None where nobody knows: its action may still be carried out."""
    length: timedelta = row.leaves_at - row.at
    if row.id is None:
        since: datetime | None = row.at
    elif row.state in LIVE:
        since = None
    else:
        since = row.settled_at
        if row.state != ActionState.DONE:
            return since
    return None if since is None else since + length


def _counter(held: Holding, now: datetime, *, times: int, minor: int) -> dict[str, Any]:
    look_at = now + timedelta(minutes=held.window_minutes)
    return {"counter": held.counter, "ref": held.limit_ref, "times": times, "minor": minor, "look_at": look_at}

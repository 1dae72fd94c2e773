"""Named queries on what is used up of limits: taking a counter's turn, adding up what counts in a window that rolls, holding.

A use counts as long as its action is approved, being carried out or uncertain, and for the length of its window after it was
done. Nothing has to be released: the action's own state says it, so a process that dies leaves nothing behind. Called by
`workers.limits`; a caller must have taken a counter's turn (`take_turns`) before it adds up and holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, bindparam, delete, func, insert, literal, or_, select, text, union_all, update

from workers.store.database import Database, Tx
from workers.store.ids import new_id
from workers.store.limit_tables import limit_uses
from workers.store.records import ActionState
from workers.store.tables import actions

#: still to be done, or perhaps done
LIVE = (ActionState.APPROVED, ActionState.EXECUTING, ActionState.UNCERTAIN)
_TURN = text("SELECT pg_advisory_xact_lock(:number)")
#: taken before any counter's turn; no counter has this number but by a chance of one in 2^60
GATE = 0
_PASS = text("SELECT pg_advisory_xact_lock_shared(:number)")
_SINCE = bindparam("since", type_=limit_uses.c.at.type)
_DONE = select(limit_uses.c.minor.label("minor")).where(
    limit_uses.c.counter == bindparam("counter"),
    limit_uses.c.done_at > _SINCE,
    limit_uses.c.action_id != bindparam("own"),
)
_OPEN = (
    select(limit_uses.c.minor.label("minor"))
    .outerjoin(actions, actions.c.id == limit_uses.c.action_id)
    .where(
        limit_uses.c.counter == bindparam("counter"),
        limit_uses.c.done_at.is_(None),
        limit_uses.c.action_id != bindparam("own"),
        or_(
            # Held in this transaction, and its row is yet to be written; or its case has been archived.
            and_(actions.c.id.is_(None), limit_uses.c.at > _SINCE),
            actions.c.state.in_(LIVE),
            and_(actions.c.state == ActionState.DONE, actions.c.settled_at > _SINCE),
        ),
    )
)
_COUNTING = union_all(_DONE, _OPEN).subquery()
_USED = select(func.count(), func.coalesce(func.sum(_COUNTING.c.minor), 0)).select_from(_COUNTING)
_HOLD = insert(limit_uses)
_DROP = delete(limit_uses).where(limit_uses.c.action_id == bindparam("action"))
_WAITING = (
    select(
        limit_uses.c.action_id,
        limit_uses.c.counter,
        limit_uses.c.window_minutes,
        limit_uses.c.at,
        actions.c.id,
        actions.c.state,
        actions.c.settled_at,
    )
    .outerjoin(actions, actions.c.id == limit_uses.c.action_id)
    .where(limit_uses.c.done_at.is_(None))
)
_THIS = (limit_uses.c.action_id == bindparam("which"), limit_uses.c.counter == bindparam("of"))
_DROP_ONE = delete(limit_uses).where(*_THIS)
_ENDED = bindparam("ended", type_=limit_uses.c.done_at.type)
_OVER = bindparam("over", type_=limit_uses.c.gone_at.type)
_DONE_AT = update(limit_uses).where(*_THIS).values(done_at=_ENDED, gone_at=_OVER)
_RENAME = (
    update(limit_uses).where(*_THIS).values(action_id=bindparam("nobody"), at=_ENDED, done_at=_ENDED, gone_at=_OVER)
)
_HELD = select(literal(1)).where(limit_uses.c.action_id == bindparam("action")).limit(1)
_HELD_DIRECT = "SELECT 1 FROM limit_uses WHERE action_id = %s LIMIT 1"


@dataclass(frozen=True, slots=True)
class Holding:
    """What one action holds of one limit."""

    action_id: str
    counter: str
    limit_ref: str
    window_minutes: int
    minor: int


def take_turns(tx: Tx, counters: Iterable[str], *, alone: bool) -> None:
    """Wait until nobody else reserves from these, and keep them until the commit. On SQLite whoever writes is alone.

    Of those who take all their turns at once, in one order, no two wait for each other. A transaction that may come back for
    more cannot keep to that order: it is `alone`, and nobody else reserves anything until its commit.
    """
    numbers = sorted({number_of(counter) for counter in counters})
    if tx.dialect.name == "sqlite" or not numbers:
        return
    tx.execute(_TURN if alone else _PASS, {"number": GATE})
    for number in numbers:
        tx.execute(_TURN, {"number": number})


def number_of(counter: str) -> int:
    """The number of a counter's turn."""
    return int(counter[:15], 16)


def used(tx: Tx, counter: str, *, since: datetime, own: str) -> tuple[int, int]:
    """How many actions, and how much, count since a time; without the action `own`."""
    count, minor = tx.execute(_USED, {"counter": counter, "since": since, "own": own}).one()
    return int(count), int(minor)


def hold(tx: Tx, holdings: Sequence[Holding], now: datetime) -> None:
    tx.execute(
        _HOLD,
        [
            {
                "action_id": h.action_id,
                "counter": h.counter,
                "limit_ref": h.limit_ref,
                "window_minutes": h.window_minutes,
                "minor": h.minor,
                "at": now,
            }
            for h in holdings
        ],
    )


def drop(tx: Tx, action_id: str) -> None:
    """An action holds nothing any more, until it is judged again."""
    tx.execute(_DROP, {"action": action_id})


def holds(db: Database, action_id: str) -> bool:
    """Whether an action holds anything."""
    if not db.is_sqlite:
        with db.direct() as cursor:
            return cursor.execute(_HELD_DIRECT, (action_id,)).fetchone() is not None
    with db.read() as tx:
        return tx.execute(_HELD, {"action": action_id}).first() is not None


def tidy(tx: Tx, now: datetime, limit: int) -> int:
    """Write down of settled actions when they were done, drop what was released and what no window reaches any more. Returns
    how many rows that were; it changes nothing of what counts."""
    waiting = _WAITING.where(or_(actions.c.id.is_(None), actions.c.settled_at.is_not(None))).limit(limit)
    settled = _written_down(tx, waiting)
    old = select(limit_uses.c.action_id, limit_uses.c.counter).where(limit_uses.c.gone_at <= now).limit(limit)
    gone = [{"which": row.action_id, "of": row.counter} for row in tx.execute(old).all()]
    if gone:
        tx.execute(_DROP_ONE, gone)
    return settled + len(gone)


def wind_up(tx: Tx, case_ids: Sequence[str]) -> None:
    """Write down when the actions of these cases were done, as long as their rows say it: they are about to leave."""
    _written_down(tx, _WAITING.where(actions.c.case_id.in_(case_ids), actions.c.settled_at.is_not(None)))


def forget(tx: Tx, case_ids: Sequence[str], now: datetime) -> None:
    """Sever what these cases used up from them. What no window reaches any more goes; the rest goes on counting until then,
    under a name that leads to no action. What is still uncertain stays with its action: a person has to look."""
    wind_up(tx, case_ids)
    of_them = select(limit_uses).where(
        limit_uses.c.action_id.in_(_of_cases(case_ids)), limit_uses.c.done_at.is_not(None)
    )
    over, counting = [], []
    for row in tx.execute(of_them).all():
        key = {"which": row.action_id, "of": row.counter}
        if row.gone_at <= now:
            over.append(key)
            continue
        # Not to the moment, by which the action could be found; rounded up, so that nobody has more room by it.
        done = row.done_at.replace(second=0, microsecond=0) + timedelta(minutes=1)
        ends = done + timedelta(minutes=row.window_minutes)
        counting.append({**key, "nobody": new_id("use"), "ended": done, "over": ends})
    if over:
        tx.execute(_DROP_ONE, over)
    if counting:
        tx.execute(_RENAME, counting)


def count_of(tx: Tx, case_ids: Sequence[str]) -> int:
    """How many rows tell what the actions of these cases used up."""
    query = select(func.count()).select_from(limit_uses).where(limit_uses.c.action_id.in_(_of_cases(case_ids)))
    return int(tx.execute(query).scalar_one())


def _of_cases(case_ids: Sequence[str]) -> Select[Any]:
    return select(actions.c.id).where(actions.c.case_id.in_(case_ids))


def _written_down(tx: Tx, waiting: Select[Any]) -> int:
    """Of settled actions: when they were done, or nothing any more where they were not. Returns how many rows that were."""
    done, released = [], []
    for row in tx.execute(waiting).all():
        key = {"which": row.action_id, "of": row.counter}
        if row.id is not None and row.state not in (ActionState.DONE, *LIVE):
            released.append(key)
        else:
            ended = row.settled_at or row.at
            done.append({**key, "ended": ended, "over": ended + timedelta(minutes=row.window_minutes)})
    if done:
        tx.execute(_DONE_AT, done)
    if released:
        tx.execute(_DROP_ONE, released)
    return len(done) + len(released)

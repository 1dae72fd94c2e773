"""Named queries on what is used up of limits: taking a counter's turn, what it comes to, adding up exactly, holding.

A use counts as long as its action is approved, being carried out or uncertain, and for the length of its window after it was
done. Nothing has to be released: the action's own state says it, so a process that dies leaves nothing behind. What a counter's
row says (`total`) is never less than that, as it goes down later than the truth: where there is room by it there is room, and
where there is none `exact` adds up, and sets the row right. Called by `workers.limits`; a caller must have taken a counter's turn
(`take_turns`) before it asks and holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, bindparam, func, literal, or_, select, union_all

from workers.store import limit_adoption, limit_rows
from workers.store.database import Tx
from workers.store.limit_rows import LIVE, STANDING, Holding
from workers.store.limit_tables import limit_counters, limit_holds, limit_uses
from workers.store.records import ActionState
from workers.store.tables import actions

__all__ = ["Holding", "drop", "exact", "hold", "holds", "take_turns", "total", "used"]

_SINCE = bindparam("since", type_=limit_holds.c.at.type)
_TOTAL = select(limit_counters.c.times, limit_counters.c.minor).where(limit_counters.c.counter == bindparam("counter"))
_USED = (
    select(func.count(), func.coalesce(func.sum(limit_holds.c.minor), 0))
    .select_from(limit_holds.outerjoin(actions, actions.c.id == limit_holds.c.action_id))
    .where(
        limit_holds.c.counter == bindparam("counter"),
        or_(
            # Held in this transaction, and its row is yet to be written; or its case has been archived.
            and_(actions.c.id.is_(None), limit_holds.c.at > _SINCE),
            actions.c.state.in_(LIVE),
            and_(actions.c.state == ActionState.DONE, actions.c.settled_at > _SINCE),
        ),
    )
)
_OVER = STANDING.where(
    limit_holds.c.counter == bindparam("counter"),
    or_(
        limit_holds.c.leaves_at <= bindparam("now", type_=limit_holds.c.at.type),
        and_(actions.c.settled_at.is_not(None), actions.c.state.not_in((ActionState.DONE, *LIVE))),
    ),
).limit(limit_rows.MOST)
_OF_ACTION = select(limit_holds).where(limit_holds.c.action_id == bindparam("action"))
_HELD = union_all(
    *(select(literal(1)).where(table.c.action_id == bindparam("action")) for table in (limit_holds, limit_uses))
).limit(1)


def take_turns(tx: Tx, holdings: Sequence[Holding], *, now: datetime, alone: bool) -> None:
    """Wait until nobody else reserves from the counters of these, and keep them until the commit.

    Of those who take all their turns at once, in one order, no two wait for each other. A transaction that may come back for
    more cannot keep to that order: it is `alone`, and nobody else reserves anything until its commit.
    """
    if holdings:
        limit_rows.enter(tx, alone=alone)
        limit_rows.take(tx, holdings, now)
        limit_adoption.of_counters(tx, {held.counter for held in holdings}, now)


def total(tx: Tx, counter: int) -> tuple[int, int]:
    """How many uses a counter has, and what they come to: those that count, and some that no longer do."""
    row = tx.execute(_TOTAL, {"counter": counter}).first()
    return (int(row.times), int(row.minor)) if row is not None else (0, 0)


def used(tx: Tx, counter: int, *, since: datetime) -> tuple[int, int]:
    """How many actions, and how much, count since a time: added up one by one."""
    count, minor = tx.execute(_USED, {"counter": counter, "since": since}).one()
    return int(count), int(minor)


def exact(tx: Tx, counter: int, *, since: datetime, now: datetime) -> tuple[int, int]:
    """The same in a counter's turn, which is the time to drop what counts no longer, and to put down what the rest comes to."""
    found = tx.execute(_OVER, {"counter": counter, "now": now}).all()
    limit_rows.remove(tx, [row for row in found if limit_rows.is_over(row, now)])
    limit_rows.recount(tx, [counter])
    return used(tx, counter, since=since)


def hold(tx: Tx, holdings: Sequence[Holding], now: datetime) -> None:
    limit_rows.put(tx, [(held, now) for held in holdings])


def drop(tx: Tx, action_id: str) -> None:
    """An action holds nothing any more, until it is judged again."""
    held = tx.execute(_OF_ACTION, {"action": action_id}).all()
    if held:
        limit_rows.take_known(tx, (row.counter for row in held))
        limit_rows.remove(tx, held)


def holds(tx: Tx, action_id: str) -> bool:
    """Whether an action holds anything."""
    return tx.execute(_HELD, {"action": action_id}).first() is not None

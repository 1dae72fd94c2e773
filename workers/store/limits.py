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

from sqlalchemy import bindparam, literal, select, union_all

from workers.store import limit_adoption, limit_rows, limit_shares
from workers.store.database import Tx
from workers.store.limit_shares import STANDING, Holding, asked, shares_of
from workers.store.limit_tables import limit_counters, limit_holds, limit_uses

__all__ = ["Holding", "drop", "exact", "hold", "holds", "take_turns", "total", "used"]

_TOTAL = select(limit_counters.c.times, limit_counters.c.minor).where(limit_counters.c.counter == bindparam("counter"))
_OF_ACTION = STANDING.where(limit_holds.c.action_id == bindparam("action"))
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
    *_, times, minor, _over = _added_up(tx, counter, limit_rows.wide(tx, [counter]), since=since, now=since)
    return times, minor


def exact(tx: Tx, counter: int, *, since: datetime, now: datetime) -> tuple[int, int]:
    """The same in a counter's turn, which is the time to drop what counts no longer, and to put down what the rest comes to."""
    riding = limit_rows.wide(tx, [counter])
    held, much, times, minor, over = _added_up(tx, counter, riding, since=since, now=now)
    gone = _dropped(tx, counter, riding, now) if over else []
    limit_rows.set_right(tx, counter, held - len(gone), much - sum(gone))
    return times, minor


def _added_up(tx: Tx, counter: int, riding: Sequence[int], **moments: datetime) -> list[int]:
    sums = tx.execute(limit_shares.leading().exact, asked([counter], **moments)).one()
    if riding:
        more = tx.execute(limit_shares.riders(tx.dialect.name).exact, asked(riding, **moments)).one()
        return [int(one) + int(other) for one, other in zip(sums, more, strict=True)]
    return [int(one) for one in sums]


def _dropped(tx: Tx, counter: int, riding: Sequence[int], now: datetime) -> Sequence[int]:
    """Drop what is over, as far as nobody else is at it. Returns what it came to, one by one."""
    found = tx.execute(limit_shares.leading().over.limit(limit_rows.MOST), asked([counter], now=now)).all()
    if riding:
        over = limit_shares.riders(tx.dialect.name).over.limit(limit_rows.MOST)
        found = [*found, *tx.execute(over, asked(riding, now=now)).all()]
    # Of the others that are in these rows the turns were not taken.
    ours = [share for row in found for share in shares_of(row) if share.counter == counter]
    return limit_rows.remove(tx, [share for share in ours if share.is_over(now)], waiting=False).get(counter, [])


def hold(tx: Tx, holdings: Sequence[Holding], now: datetime) -> None:
    limit_rows.put(tx, [(held, now) for held in holdings])


def drop(tx: Tx, action_id: str) -> None:
    """An action holds nothing any more, until it is judged again."""
    held = [share for row in tx.execute(_OF_ACTION, {"action": action_id}).all() for share in shares_of(row)]
    if held:
        limit_rows.take_known(tx, (share.counter for share in held))
        limit_rows.remove(tx, held)


def holds(tx: Tx, action_id: str) -> bool:
    """Whether an action holds anything."""
    return tx.execute(_HELD, {"action": action_id}).first() is not None

"""What happens to uses of limits when time goes by and when cases leave: dropping what counts no longer, severing what goes on.

It changes nothing of what counts. Called by the sweeper each minute, by the archive and by erasure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, bindparam, delete, func, select, update

from workers.store import limit_adoption, limit_rows, limit_shares
from workers.store.database import Tx
from workers.store.ids import new_id
from workers.store.limit_shares import STANDING, Share, as_row, asked, shares_of
from workers.store.limit_tables import limit_counters, limit_holds, limit_uses
from workers.store.records import ActionState
from workers.store.tables import actions

#: how soon a use is looked at again of which nobody knows when it leaves
LOOK_AGAIN = timedelta(minutes=1)
#: counters with no more uses are added up anew while others may wait for their turn; of the rest is subtracted
ADDED_UP = 10_000
_REWRITE = (
    update(limit_holds)
    .where(limit_holds.c.counter == bindparam("led_by"), limit_holds.c.action_id == bindparam("which"))
    .values({column.name: bindparam(f"new_{column.name}", type_=column.type) for column in limit_holds.c})
)
_LOOK = (
    update(limit_counters)
    .where(limit_counters.c.counter == bindparam("of"))
    .values(look_at=bindparam("then", type_=limit_counters.c.look_at.type))
)


def tidy(tx: Tx, now: datetime, limit: int) -> int:
    """Drop what no window reaches any more, and what was given back, of so many counters whose time has come. Returns how many
    those were, or how many rows were taken over; nothing is left to do when it is none."""
    if brought := limit_adoption.some(tx, now):
        return brought
    counter = limit_counters.c
    query = select(counter.counter, counter.times, counter.wide).where(counter.look_at <= now)
    due = tx.execute(query.order_by(counter.look_at).limit(limit)).all()
    if due:
        _look(tx, due, now)
    return len(due)


def _look(tx: Tx, rows: Sequence[Any], now: datetime) -> None:
    """Read first, then take the turns: whoever reserves waits only for what is written."""
    due = {row.counter: row for row in rows}
    riding = [row.counter for row in rows if row.wide is not False]
    nexts: dict[int, datetime] = {}
    over, most = [], 0
    for queries, those in (
        (limit_shares.leading(), list(due)),
        (limit_shares.riders(tx.dialect.name), riding),
    ):
        if not those:
            continue
        for of, first in tx.execute(queries.later, asked(those, now=now)).all():
            then = limit_shares.moment(first)
            nexts[of] = min(then, nexts.get(of, then))
        found = tx.execute(queries.due.limit(limit_rows.MOST), asked(those, now=now)).all()
        most = max(most, len(found))
        for share in (share for row in found for share in shares_of(row)):
            if share.is_over(now):
                over.append(share)
            elif share.counter in due and share.leaves_at <= now:
                then = share.leaves() or now + LOOK_AGAIN
                nexts[share.counter] = min(then, nexts.get(share.counter, then))
    wrong = _wrong(tx, [row.counter for row in rows if row.times <= ADDED_UP], riding)
    limit_rows.enter(tx, alone=False)
    limit_rows.take_known(tx, {*due, *(share.counter for share in over)})
    limit_rows.remove(tx, over, waiting=False)
    if wrong:
        limit_rows.recount(tx, wrong, [counter for counter in wrong if counter in riding])
    tx.execute(delete(limit_counters).where(limit_counters.c.counter.in_(due), limit_counters.c.times == 0))
    if over and most == limit_rows.MOST:
        # There may be more of them: they stay due.
        return
    tx.execute(_LOOK, [{"of": counter, "then": nexts.get(counter, now + LOOK_AGAIN)} for counter in due])


def _wrong(tx: Tx, counters: Sequence[int], riding: Sequence[int]) -> list[int]:
    """Whose row is not what their holds come to: no way of ours leads there. One statement sees both as they are at one moment."""
    if not counters:
        return []
    query = limit_shares.beside(tx.dialect.name, riding=bool(riding))
    return [
        row.counter for row in tx.execute(query, asked(counters)) if (row.times, row.minor) != (row.held, int(row.much))
    ]


def wind_up(tx: Tx, case_ids: Sequence[str]) -> None:
    """Write down when the actions of these cases were done, as long as their rows say it: they are about to leave."""
    _drop(tx, _written_down(tx, case_ids))


def forget(tx: Tx, case_ids: Sequence[str], now: datetime) -> None:
    """Sever what these cases used up from them. What no window reaches any more goes; the rest goes on counting until then,
    under a name that leads to no action. What is still uncertain stays with its action: a person has to look."""
    over = _written_down(tx, case_ids)
    done = _of(case_ids).where(actions.c.state == ActionState.DONE)
    _drop(tx, [*over, *(share for share in _shares(tx, done) if share.is_over(now))])
    counting = []
    for row in tx.execute(done).all():
        # Not to the moment, by which the action could be found; rounded up, so that nobody has more room by it.
        moment = row.at.replace(second=0, microsecond=0) + timedelta(minutes=1)
        counting.append(_rewritten(row, as_row(shares_of(row), new_id("use"), moment, moment - row.at)))
    if counting:
        tx.execute(_REWRITE, counting)


def count_of(tx: Tx, case_ids: Sequence[str]) -> int:
    """How many rows tell what the actions of these cases used up."""
    theirs = select(actions.c.id).where(actions.c.case_id.in_(case_ids))
    counts = (
        select(func.count()).select_from(table).where(table.c.action_id.in_(theirs))
        for table in (limit_holds, limit_uses)
    )
    return sum(int(tx.execute(query).scalar_one()) for query in counts)


def _of(case_ids: Sequence[str]) -> Select[Any]:
    return STANDING.where(actions.c.case_id.in_(case_ids), actions.c.settled_at.is_not(None))


def _shares(tx: Tx, query: Select[Any]) -> list[Share]:
    return [share for row in tx.execute(query).all() for share in shares_of(row)]


def _written_down(tx: Tx, case_ids: Sequence[str]) -> list[Share]:
    """When those that were done were done. Returns what was given back, and is still there."""
    limit_adoption.of_cases(tx, case_ids)
    released, done = [], []
    for row in tx.execute(_of(case_ids)).all():
        shares = shares_of(row)
        if row.state == ActionState.DONE:
            done.append(_rewritten(row, as_row(shares, row.action_id, row.settled_at, row.settled_at - row.at)))
        else:
            released += [share for share in shares if share.leaves() is not None]
    if done:
        tx.execute(_REWRITE, done)
    return released


def _rewritten(row: Any, new: dict[str, Any]) -> dict[str, Any]:
    return {"led_by": row.counter, "which": row.action_id, **{f"new_{name}": value for name, value in new.items()}}


def _drop(tx: Tx, shares: Sequence[Share]) -> None:
    if shares:
        limit_rows.enter(tx, alone=False)
        limit_rows.take_known(tx, (share.counter for share in shares))
        limit_rows.remove(tx, shares)

"""What happens to uses of limits when time goes by and when cases leave: dropping what counts no longer, severing what goes on.

It changes nothing of what counts. Called by the sweeper each minute, by the archive and by erasure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, bindparam, delete, func, select, update

from workers.store import limit_adoption, limit_rows
from workers.store.database import Tx
from workers.store.ids import new_id
from workers.store.limit_rows import STANDING
from workers.store.limit_tables import limit_counters, limit_holds, limit_uses
from workers.store.records import ActionState
from workers.store.tables import actions

#: how soon a use is looked at again of which nobody knows when it leaves
LOOK_AGAIN = timedelta(minutes=1)
#: counters with no more uses are added up anew while others may wait for their turn; of the rest is subtracted
ADDED_UP = 10_000
_THIS = (limit_holds.c.action_id == bindparam("which"), limit_holds.c.counter == bindparam("of"))
_FROM = bindparam("starts", type_=limit_holds.c.at.type)
_UNTIL = bindparam("ends", type_=limit_holds.c.leaves_at.type)
_SHIFT = update(limit_holds).where(*_THIS).values(at=_FROM, leaves_at=_UNTIL)
_RENAME = update(limit_holds).where(*_THIS).values(action_id=bindparam("nobody"), at=_FROM, leaves_at=_UNTIL)
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
    query = select(limit_counters.c.counter).where(limit_counters.c.look_at <= now)
    due = list(tx.execute(query.order_by(limit_counters.c.look_at).limit(limit)).scalars())
    if due:
        _look(tx, due, now)
    return len(due)


def _look(tx: Tx, due: Sequence[int], now: datetime) -> None:
    """Read first, then take the turns: whoever reserves waits only for what is written."""
    mine = limit_holds.c.counter.in_(due)
    found = tx.execute(STANDING.where(mine, limit_holds.c.leaves_at <= now).limit(limit_rows.MOST)).all()
    later = select(limit_holds.c.counter, func.min(limit_holds.c.leaves_at)).where(mine, limit_holds.c.leaves_at > now)
    nexts: dict[int, datetime] = {row[0]: row[1] for row in tx.execute(later.group_by(limit_holds.c.counter)).all()}
    over = []
    for row in found:
        if limit_rows.is_over(row, now):
            over.append(row)
        else:
            then = limit_rows.leaves(row) or now + LOOK_AGAIN
            nexts[row.counter] = min(then, nexts.get(row.counter, then))
    limit_rows.enter(tx, alone=False)
    limit_rows.take_known(tx, due)
    limit_rows.remove(tx, over)
    limit_rows.recount(tx, due, most=ADDED_UP)
    tx.execute(delete(limit_counters).where(limit_counters.c.counter.in_(due), limit_counters.c.times == 0))
    if over and len(found) == limit_rows.MOST:
        # There may be more of them: they stay due.
        return
    tx.execute(_LOOK, [{"of": counter, "then": nexts.get(counter, now + LOOK_AGAIN)} for counter in due])


def wind_up(tx: Tx, case_ids: Sequence[str]) -> None:
    """Write down when the actions of these cases were done, as long as their rows say it: they are about to leave."""
    _drop(tx, _written_down(tx, case_ids))


def forget(tx: Tx, case_ids: Sequence[str], now: datetime) -> None:
    """Sever what these cases used up from them. What no window reaches any more goes; the rest goes on counting until then,
    under a name that leads to no action. What is still uncertain stays with its action: a person has to look."""
    over = _written_down(tx, case_ids)
    counting = []
    for row in tx.execute(_of(case_ids).where(actions.c.state == ActionState.DONE)).all():
        if limit_rows.is_over(row, now):
            over.append(row)
            continue
        # Not to the moment, by which the action could be found; rounded up, so that nobody has more room by it.
        done = row.at.replace(second=0, microsecond=0) + timedelta(minutes=1)
        ends = done + (row.leaves_at - row.at)
        counting.append(_key(row) | {"nobody": new_id("use"), "starts": done, "ends": ends})
    if counting:
        tx.execute(_RENAME, counting)
    _drop(tx, over)


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


def _written_down(tx: Tx, case_ids: Sequence[str]) -> list[Any]:
    """When those that were done were done. Returns what was given back, and is still there."""
    limit_adoption.of_cases(tx, case_ids)
    released, done = [], []
    for row in tx.execute(_of(case_ids)).all():
        if row.state == ActionState.DONE:
            done.append(_key(row) | {"starts": row.settled_at, "ends": limit_rows.leaves(row)})
        elif limit_rows.leaves(row) is not None:
            released.append(row)
    if done:
        tx.execute(_SHIFT, done)
    return released


def _key(row: Any) -> dict[str, Any]:
    return {"which": row.action_id, "of": row.counter}


def _drop(tx: Tx, rows: Sequence[Any]) -> None:
    if rows:
        limit_rows.enter(tx, alone=False)
        limit_rows.take_known(tx, (row.counter for row in rows))
        limit_rows.remove(tx, rows)

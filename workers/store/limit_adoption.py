"""Taking over what was used up of limits before there were counters: rows of `limit_uses` become holds that are counted.

As long as any such row is left, decisions take the long way, which asks here first; the sweeper brings over the rest. Called by
`limits` and `limit_cleanup`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, literal, select, tuple_

from workers.store import limit_rows
from workers.store.database import Tx
from workers.store.limit_rows import LOT
from workers.store.limit_shares import STANDING, Holding, shares_of
from workers.store.limit_tables import limit_holds, limit_uses
from workers.store.tables import actions

#: so many digits of a counter's digest are its number
_DIGITS = 15
_ANY = select(literal(1)).select_from(limit_uses).limit(1)
_OLD_KEY = tuple_(limit_uses.c.action_id, limit_uses.c.counter)


def number_of(digest: str) -> int:
    """The number of a counter whose digest is known."""
    return int(digest[:_DIGITS], 16)


def of_counters(tx: Tx, counters: Iterable[int], now: datetime) -> None:
    """Bring over what was used of these. Their turns have been taken."""
    if tx.execute(_ANY).first() is None:
        return
    digests = [f"{counter:0{_DIGITS}x}" for counter in counters]
    theirs = func.substr(limit_uses.c.counter, 1, _DIGITS).in_(digests)
    tx.execute(delete(limit_uses).where(theirs, limit_uses.c.gone_at <= now))
    _bring(tx, tx.execute(select(limit_uses).where(theirs)).all())


def of_cases(tx: Tx, case_ids: Sequence[str]) -> None:
    """Bring over what the actions of these cases used up."""
    theirs = select(actions.c.id).where(actions.c.case_id.in_(case_ids))
    # Whoever asks this will take more turns: alone, until the commit.
    _taken(tx, tx.execute(select(limit_uses).where(limit_uses.c.action_id.in_(theirs))).all(), alone=True)


def some(tx: Tx, now: datetime) -> int:
    """Drop what no window reaches any more, or bring over a lot of what is left. Returns how many rows that were."""
    gone = select(limit_uses.c.action_id, limit_uses.c.counter).where(limit_uses.c.gone_at <= now).limit(LOT)
    if keys := [tuple(key) for key in tx.execute(gone).all()]:
        tx.execute(delete(limit_uses).where(_OLD_KEY.in_(keys)))
        return len(keys)
    rows = tx.execute(select(limit_uses).limit(LOT)).all()
    _taken(tx, rows, alone=False)
    return len(rows)


def _taken(tx: Tx, rows: Sequence[Any], *, alone: bool) -> None:
    if rows:
        limit_rows.enter(tx, alone=alone)
        limit_rows.take(tx, map(_holding, rows), min(row.at for row in rows))
        _bring(tx, rows)


def _bring(tx: Tx, rows: Sequence[Any]) -> None:
    for start in range(0, len(rows), LOT):
        lot = rows[start : start + LOT]
        old = [(row.action_id, row.counter) for row in lot]
        gone = delete(limit_uses).where(_OLD_KEY.in_(old)).returning(limit_uses.c.action_id, limit_uses.c.counter)
        # Somebody else may have brought one over since it was read; and an action may have been judged anew since.
        still = {tuple(key) for key in tx.execute(gone).all()}
        new = [(number_of(row.counter), row.action_id) for row in lot]
        known = STANDING.where(limit_holds.c.action_id.in_({row.action_id for row in lot}))
        held = {(share.counter, share.action_id) for row in tx.execute(known).all() for share in shares_of(row)}
        limit_rows.put(
            tx,
            [
                (_holding(row), row.done_at or row.at)
                for row, before, after in zip(lot, old, new, strict=True)
                if before in still and after not in held
            ],
        )


def _holding(row: Any) -> Holding:
    return Holding(row.action_id, number_of(row.counter), row.limit_ref, row.window_minutes, row.minor)

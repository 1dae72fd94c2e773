"""Rows of limits as they are written, and the one rule that keeps sums right: what a counter's row says is what its holds come to.

So whoever adds or removes what a counter holds changes the counter's row in the same commit, and holds it until then: the
counter's turn. All turns of a transaction are taken at once and in one order, so no two wait for each other; who cannot keep to
that is alone. Rows of holds are nobody's turn: who drops what is over passes by one that somebody else is at. Called by `limits`,
`limit_cleanup` and `limit_adoption`; the straight way on PostgreSQL says the same in one statement (`limit_statements`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pydantic_core import to_json
from sqlalchemy import bindparam, delete, insert, select, text, tuple_, update

from workers.store import limit_shares
from workers.store.columns import UtcDateTime
from workers.store.database import Tx
from workers.store.limit_shares import STANDING, Holding, Share, as_row, asked, laid, shares_of
from workers.store.limit_tables import limit_counters, limit_holds

#: taken before any counter's turn, by all who take theirs at once together, and by others alone
GATE = 0
#: rows that are looked through at once, while others may be waiting for their turn
MOST = 1_000
#: rows that are named in one statement
LOT = 500
_GATE_ALONE = text("SELECT pg_advisory_xact_lock(:number)")
_GATE_TOGETHER = text("SELECT pg_advisory_xact_lock_shared(:number)")
_LOOK_AT = bindparam("look_at", type_=UtcDateTime())
_NAMED = (
    "INSERT INTO limit_counters (counter, limit_ref, times, minor, look_at, wide) "
    "VALUES (:counter, :ref, :times, :minor, :look_at, :wide)"
)
# It need not be there yet, and may go at any moment before it is held.
_TURN = text(f"{_NAMED} ON CONFLICT (counter) DO UPDATE SET times = limit_counters.times").bindparams(_LOOK_AT)
_ADD = text(
    f"{_NAMED} ON CONFLICT (counter) DO UPDATE SET times = limit_counters.times + excluded.times, "
    "minor = limit_counters.minor + excluded.minor, wide = limit_counters.wide OR excluded.wide"
).bindparams(_LOOK_AT)
_HOLD = insert(limit_holds)
_SET = (
    update(limit_counters)
    .where(limit_counters.c.counter == bindparam("of"))
    .values(times=bindparam("come_to"), minor=bindparam("much"))
)
_LESS = (
    update(limit_counters)
    .where(limit_counters.c.counter == bindparam("of"))
    .values(times=limit_counters.c.times - bindparam("fewer"), minor=limit_counters.c.minor - bindparam("less"))
)
_KEY = tuple_(limit_holds.c.counter, limit_holds.c.action_id)
_WIDE = select(limit_counters.c.counter).where(
    limit_counters.c.counter.in_(bindparam("counters", expanding=True)), limit_counters.c.wide.is_not(False)
)
_LEFT = (
    update(limit_holds)
    .where(limit_holds.c.counter == bindparam("led_by"), limit_holds.c.action_id == bindparam("which"))
    .values(
        {name: bindparam(name, type_=limit_holds.c[name].type) for name in ("counter", "minor", "leaves_at", "more")}
    )
)
# The same for many at once, while others may be waiting for the counter's turn.
_LEFT_OF_MANY = text(
    "UPDATE limit_holds SET counter = l.counter, minor = l.minor, leaves_at = l.leaves_at, more = l.more "
    "FROM jsonb_to_recordset(CAST(:rows AS jsonb)) "
    "AS l (led_by bigint, which text, counter bigint, minor bigint, leaves_at timestamptz, more bigint[]) "
    "WHERE limit_holds.counter = l.led_by AND limit_holds.action_id = l.which"
)


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
    if not ordered:
        return
    tx.execute(_ADD, [_counter(held, at, times=1, minor=held.minor) for held, at in ordered])
    together: dict[tuple[str, datetime], list[Holding]] = defaultdict(list)
    for held, at in ordered:
        together[held.action_id, at].append(held)
    rows = [_row(lead, more, at) for (_, at), held in together.items() for lead, more in laid(held)]
    tx.execute(_HOLD, rows)


def remove(tx: Tx, shares: Iterable[Share], *, waiting: bool = True) -> dict[int, list[int]]:
    """Take away shares as they were read, and what they came to; returned, each, by counter. Their counters' turns have been
    taken; a row that somebody else is at, for another counter in it, is waited for or left as it is."""
    rows: dict[tuple[int, str], set[tuple[int, datetime]]] = defaultdict(set)
    for share in shares:
        # What was given back and is held anew since is another.
        rows[share.lead, share.action_id].add((share.counter, share.at))
    gone: dict[int, list[int]] = defaultdict(list)
    keys = list(rows)
    for start in range(0, len(keys), LOT):
        over, left = [], []
        still = STANDING.where(_KEY.in_(keys[start : start + LOT])).order_by(limit_holds.c.action_id)
        for row in tx.execute(still.with_for_update(of=limit_holds, skip_locked=not waiting)).all():
            key, held = (row.counter, row.action_id), shares_of(row)
            stay = [share for share in held if (share.counter, share.at) not in rows[key]]
            for share in held:
                if share not in stay:
                    gone[share.counter].append(share.minor)
            if not stay:
                over.append(key)
            elif len(stay) < len(held):
                left.append({"led_by": key[0], "which": key[1], **as_row(stay, row.action_id, row.at)})
        _leave(tx, over, left)
    if gone:
        tx.execute(_LESS, [{"of": c, "fewer": len(each), "less": sum(each)} for c, each in sorted(gone.items())])
    return gone


def wide(tx: Tx, counters: Iterable[int]) -> list[int]:
    """Those of these counters that may ride along in rows of others."""
    return list(tx.execute(_WIDE, {"counters": list(counters)}).scalars())


def sums(tx: Tx, counters: Iterable[int], riding: Sequence[int]) -> dict[int, tuple[int, int]]:
    """What these counters' holds come to, where they have any; `riding` are those of them that are wide."""
    found: dict[int, tuple[int, int]] = {}
    queries = [(limit_shares.leading(), counters), (limit_shares.riders(tx.dialect.name), riding)]
    for query, those in queries:
        for of, times, minor in tx.execute(query.sums, asked(those)).all() if those else ():
            before = found.get(of, (0, 0))
            found[of] = (before[0] + times, before[1] + int(minor))
    return found


def set_right(tx: Tx, counter: int, times: int, minor: int) -> None:
    """Put down what a counter's holds come to, as somebody has added it up. Its turn has been taken."""
    tx.execute(_SET, {"of": counter, "come_to": times, "much": minor})


def recount(tx: Tx, counters: Sequence[int], riding: Sequence[int]) -> None:
    """Add up anew what these counters' holds come to, whatever their rows said. Their turns have been taken."""
    found = sums(tx, counters, riding)
    said = [(of, *found.get(of, (0, 0))) for of in sorted(counters)]
    tx.execute(_SET, [{"of": of, "come_to": times, "much": minor} for of, times, minor in said])


def _leave(tx: Tx, over: Sequence[tuple[int, str]], left: Sequence[dict[str, Any]]) -> None:
    if over:
        tx.execute(delete(limit_holds).where(_KEY.in_(over)))
    if left and tx.dialect.name == "sqlite":
        tx.execute(_LEFT, left)
    elif left:
        tx.execute(_LEFT_OF_MANY, {"rows": to_json(left).decode()})


def _row(lead: Holding, more: Sequence[Holding], at: datetime) -> dict[str, Any]:
    return {
        "counter": lead.counter,
        "minor": lead.minor,
        "at": at,
        "leaves_at": lead.leaves_at(at),
        "action_id": lead.action_id,
        "more": limit_shares.riding(more, at),
    }


def _counter(held: Holding, now: datetime, *, times: int, minor: int) -> dict[str, Any]:
    return {
        "counter": held.counter,
        "ref": held.limit_ref,
        "times": times,
        "minor": minor,
        "look_at": held.leaves_at(now),
        "wide": held.wide,
    }

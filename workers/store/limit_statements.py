"""The part of a flow's statement, on PostgreSQL, that uses up of limits: the counters' turns, the look whether there is room, the
totals and what is held, all hanging on the row that the statement's fence let through.

The same steps as `limits` takes one by one, in the same order: first the case, then the gate, then the counters by number, each
when the one before is done. A counter's row is held from where it is counted up until the commit. Put into the flow's statements
by `flow_statements`; what is held, and what must be left for it, is told by `spending`.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from operator import attrgetter

from workers.store.limit_rows import GATE
from workers.store.limit_shares import Holding, laid, riding

#: what is told of each counter (its number, how much, the window's minutes, whether it is wide, the most uses and the most units
#: there may be with it), and of each row (who leads it, how much, the window's minutes)
_OF_COUNTER, _OF_ROW = 6, 3
#: where there is no limit of that kind
_ANY = 2**62


#: whether a counter has a row, as far as anybody has looked: with it a statement is spared what it need not try
Known = bool | None
#: what is known of each counter, and how many rows of holds are written
Shape = tuple[tuple[Known, ...], int]

_by_number = attrgetter("counter")


@dataclass(frozen=True, slots=True)
class Room:
    """What must be left of one counter for an action to fit: fewer than `most` uses before it, of `minor` units at most."""

    counter: int
    most: int | None
    minor: int | None


@dataclass(frozen=True, slots=True)
class Spent:
    """What one action uses up: what its statement looks like, and that statement's values."""

    shape: Shape
    values: Mapping[str, str | None]


def told(
    holdings: Sequence[Holding], rooms: Sequence[Room], now: datetime, known: Container[int] | None = None
) -> Spent:
    """What is held, and what must be left for it, in the order in which turns are taken. `known` are the counters that have a
    row, if anybody has looked."""
    left = {room.counter: room for room in rooms}
    ordered = sorted(holdings, key=_by_number)
    numbers: list[int] = []
    kept: list[Known] = []
    values: dict[str, str | None] = {"spent_by": ordered[0].action_id}
    for place, held in enumerate(ordered):
        most = units = _ANY
        if (room := left.get(held.counter)) is not None:
            most = most if room.most is None else room.most
            units = units if room.minor is None else room.minor + held.minor
        numbers += (held.counter, held.minor, held.window_minutes, int(held.wide), most, units)
        there = None if known is None else held.counter in known
        kept.append(there)
        if not there:
            values[f"spent_ref_{place}"] = held.limit_ref
    rows = laid(ordered)
    for place, (lead, riders) in enumerate(rows):
        numbers += (lead.counter, lead.minor, lead.window_minutes)
        more = riding(riders, now)
        values[f"spent_more_{place}"] = None if more is None else _array(more)
    values["spent"] = _array(numbers)
    return Spent((tuple(kept), len(rows)), values)


def _array(numbers: Sequence[int]) -> str:
    return "{" + ",".join([str(n) for n in numbers]) + "}"


@cache
def spent(source: str, shape: Shape) -> list[str]:
    """What one action uses up of limits, once `source` has a row. Fails, and the whole statement with it, where there is no room
    or a counter's row has gone (a division by zero), where the action holds something already or a counter's row has come (one
    that is there), and where anything is left to be taken over."""
    counters, rows = shape
    parts, before = [], "gate"
    for place, known in enumerate(counters):
        parts += _turn(place, known, before)
        before = f"turn_{place}"
    fits = " AND ".join(f"coalesce((SELECT fits FROM turn_{place}), false)" for place in range(len(counters)))  # noqa: S608 - made of constants
    return [
        f"""gate AS MATERIALIZED (
    SELECT pg_advisory_xact_lock_shared({GATE}) FROM {source}
)""",  # noqa: S608 - made of constants
        *parts,
        f"""held_of_limits AS (
    INSERT INTO limit_holds (counter, minor, at, leaves_at, action_id, more)
    SELECT laid.counter, laid.minor / ({fits} AND NOT EXISTS (SELECT FROM limit_uses))::integer,
        %(now)s, %(now)s + laid.minutes * interval '1 minute', %(spent_by)s::text, laid.more
    FROM gate, (VALUES {", ".join(_row(place, len(counters)) for place in range(rows))}) AS laid (counter, minor, minutes, more)
)""",  # noqa: S608 - made of constants
    ]


def _turn(place: int, known: Known, before: str) -> list[str]:
    """One counter's turn, once the one before was had. An update by itself writes half of what an insert that looks for a conflict
    does, and an insert that looks for none two thirds."""
    counter, minor, minutes, wide, most, units = (_number(place * _OF_COUNTER + n) for n in range(_OF_COUNTER))
    fits = f"RETURNING times <= {most} AND minor <= {units} AS fits"
    update = f"""UPDATE limit_counters SET times = times + 1, minor = minor + {minor}, wide = wide OR {wide} = 1
    WHERE counter = {counter} AND EXISTS (SELECT FROM {before}) {fits}"""  # noqa: S608 - made of constants
    insert = f"""INSERT INTO limit_counters (counter, limit_ref, times, minor, look_at, wide)
    SELECT {counter}, %(spent_ref_{place})s::text, 1, {minor}, %(now)s + {minutes} * interval '1 minute', {wide} = 1
    FROM {before}"""  # noqa: S608 - made of constants
    if known:
        return [f"turn_{place} AS (\n    {update}\n)"]
    if known is not None:
        return [f"turn_{place} AS (\n    {insert} {fits}\n)"]
    return [
        f"had_{place} AS (\n    {update}\n)",
        f"begun_{place} AS (\n    {insert} WHERE NOT EXISTS (SELECT FROM had_{place}) {fits}\n)",
        f"turn_{place} AS (\n    SELECT fits FROM had_{place} UNION ALL SELECT fits FROM begun_{place}\n)",  # noqa: S608 - made of constants
    ]


def _row(place: int, counters: int) -> str:
    begin = counters * _OF_COUNTER + place * _OF_ROW
    return f"({', '.join(_number(begin + n) for n in range(_OF_ROW))}, %(spent_more_{place})s::bigint[])"


def _number(place: int) -> str:
    return f"(%(spent)s::bigint[])[{place + 1}]"

"""What a row of `limit_holds` says: the shares that one action has of its limits, laid into as few rows as may be, and read again.

Each row is written once and costs the log more than what is in it, so all that an action holds is one row where it can be: a
narrow counter leads it, by which it is found; wide ones, which count much of what there is anyway, ride along and are found by
going through all rows. That is done where a limit is met, and by the sweeper; who finds room looks at no row. A row in which
nothing rides along is as all were before. Called by the other modules of limits; nothing else may read or write `more`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from operator import attrgetter
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, and_, bindparam, func, or_, select

from workers.store.limit_tables import Numbers, limit_counters, limit_holds
from workers.store.records import ActionState
from workers.store.tables import actions

#: still to be done, or perhaps done
LIVE = (ActionState.APPROVED, ActionState.EXECUTING, ActionState.UNCERTAIN)
#: holds with how their actions stand
STANDING = select(limit_holds, actions.c.id, actions.c.state, actions.c.settled_at).outerjoin(
    actions, actions.c.id == limit_holds.c.action_id
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: of microseconds
_MINUTE = 60_000_000
_by_window = attrgetter("window_minutes")
#: numbers that each share takes of `more`
_EACH = 3
_NOW = bindparam("now", type_=limit_holds.c.at.type)
_SINCE = bindparam("since", type_=limit_holds.c.at.type)
_COUNTERS: BindParameter[int] = bindparam("counters", expanding=True)
_OF_THESE = limit_holds.c.counter.in_(_COUNTERS)
#: came to nothing, so that it counts no longer, whenever it would have left
_RELEASED = and_(actions.c.settled_at.is_not(None), actions.c.state.not_in((ActionState.DONE, *LIVE)))
_COUNTS = or_(
    # Held in this transaction, and its row is yet to be written; or its case has been archived.
    and_(actions.c.id.is_(None), limit_holds.c.at > _SINCE),
    actions.c.state.in_(LIVE),
    and_(actions.c.state == ActionState.DONE, actions.c.settled_at > _SINCE),
)


def _exact(minor: ColumnElement[Any], gone: ColumnElement[bool]) -> Select[Any]:
    both = limit_holds.outerjoin(actions, actions.c.id == limit_holds.c.action_id)
    query: Select[Any] = select(
        func.count(),
        func.coalesce(func.sum(minor), 0),
        func.count().filter(_COUNTS),
        func.coalesce(func.sum(minor).filter(_COUNTS), 0),
        func.count().filter(or_(gone, _RELEASED)),
    )
    return query.select_from(both)


@dataclass(frozen=True, slots=True)
class Holding:
    """What one action holds of one limit."""

    action_id: str
    counter: int
    limit_ref: str
    window_minutes: int
    minor: int
    #: whether it counts what many do, not what one customer does
    wide: bool = False

    def leaves_at(self, at: datetime) -> datetime:
        return at + timedelta(minutes=self.window_minutes)


@dataclass(frozen=True, slots=True)
class Share:
    """The same as it is read, with how the action stands."""

    lead: int
    action_id: str
    counter: int
    minor: int
    at: datetime
    leaves_at: datetime
    #: None where the action's row is gone
    state: str | None
    settled_at: datetime | None

    def leaves(self) -> datetime | None:
        """When it leaves its window. None where nobody knows: its action may still be carried out."""
        since: datetime | None = self.at
        if self.state is not None:
            since = None if self.state in LIVE else self.settled_at
            if self.state not in (*LIVE, ActionState.DONE):
                return since
        return None if since is None else since + (self.leaves_at - self.at)

    def is_over(self, now: datetime) -> bool:
        """Whether it counts no longer, and never will again as it is."""
        leaving = self.leaves()
        return leaving is not None and leaving <= now


def micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def moment(told: datetime | int) -> datetime:
    """A time as a column has it, or as it stands in `more`."""
    return told if isinstance(told, datetime) else _EPOCH + told * _MICROSECOND


def laid(holdings: Sequence[Holding]) -> list[tuple[Holding, list[Holding]]]:
    """What one action holds as rows: who leads each, and who rides along."""
    narrow: list[Holding] = []
    wide: list[Holding] = []
    for held in holdings:
        (wide if held.wide else narrow).append(held)
    if not narrow:
        narrow.append(wide.pop(0))
    # The one whose window is longest takes along what is wide: it has to hand it on least often.
    first = narrow[0] if len(narrow) == 1 else max(narrow, key=_by_window)
    return [(lead, wide if lead is first else []) for lead in narrow]


def riding(held: Sequence[Holding], at: datetime) -> list[int] | None:
    """`more` for those that ride along."""
    if not held:
        return None
    since = micros(at)
    return [n for one in held for n in (one.counter, one.minor, since + one.window_minutes * _MINUTE)]


def shares_of(row: Any) -> list[Share]:
    """All that a row of `STANDING` says."""
    standing = (row.state, row.settled_at)
    shares = [Share(row.counter, row.action_id, row.counter, row.minor, row.at, row.leaves_at, *standing)]
    more = row.more or ()
    for counter, minor, until in zip(more[::_EACH], more[1::_EACH], more[2::_EACH], strict=True):
        shares.append(Share(row.counter, row.action_id, counter, minor, row.at, moment(until), *standing))
    return shares


def as_row(shares: Sequence[Share], action_id: str, at: datetime, later: timedelta = timedelta()) -> dict[str, Any]:
    """The row of these shares of one action, the first of them leading; each leaves so much later than it says."""
    lead, *more = shares
    return {
        "counter": lead.counter,
        "minor": lead.minor,
        "at": at,
        "leaves_at": lead.leaves_at + later,
        "action_id": action_id,
        "more": [n for one in more for n in (one.counter, one.minor, micros(one.leaves_at + later))] or None,
    }


# ── what counters have, by counter ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Queries:
    """What is asked of some counters: of rows that they lead, and of rows in which they ride along."""

    #: rows that may have left, or were given back: all of them, and those whose time has come
    over: Select[Any]
    due: Select[Any]
    #: when the next leaves, by counter
    later: Select[Any]
    #: how many and how much, by counter
    sums: Select[Any]
    #: of one counter how many, and how much, are held; how many, and how much, of that count since a time; how many may be over
    exact: Select[Any]


@cache
def leading() -> Queries:
    held = limit_holds.c
    grouped = select(held.counter.label("of"), func.count().label("times"), func.sum(held.minor).label("minor"))
    return Queries(
        STANDING.where(_OF_THESE, or_(held.leaves_at <= _NOW, _RELEASED)),
        STANDING.where(_OF_THESE, held.leaves_at <= _NOW),
        select(held.counter, func.min(held.leaves_at)).where(_OF_THESE, held.leaves_at > _NOW).group_by(held.counter),
        grouped.where(_OF_THESE).group_by(held.counter),
        _exact(held.minor, held.leaves_at <= _NOW).where(_OF_THESE),
    )


@cache
def riders(dialect: str) -> Queries:
    """The same of rows that others lead; `until` is `now` as these tell it."""
    of, minor, until, *ours = _parts(dialect)
    gone = until <= bindparam("until")
    grouped = select(of.label("of"), func.count().label("times"), func.sum(minor).label("minor"))
    return Queries(
        STANDING.where(*ours, or_(gone, _RELEASED)),
        STANDING.where(*ours, gone),
        select(of, func.min(until)).select_from(limit_holds).where(*ours, until > bindparam("until")).group_by(of),
        grouped.select_from(limit_holds).where(*ours).group_by(of),
        _exact(minor, gone).where(*ours),
    )


def _parts(dialect: str) -> list[ColumnElement[Any]]:
    """One row for each that rides along: the counter, how much, until when; and what it takes to be one of those asked for."""
    more = limit_holds.c.more
    if dialect == "sqlite":
        part = func.json_each(more).table_valued("key", "value", name="part", joins_implicitly=True)
        n = part.c.key
        numbers = [func.json_extract(more, func.printf("$[%d]", n + step)) for step in (1, 2)]
        return [part.c.value, *numbers, n % _EACH == 0, part.c.value.in_(_COUNTERS)]
    i = func.generate_series(1, func.cardinality(more), _EACH).column_valued("i", joins_implicitly=True)
    # The overlap tells most rows from ours without taking them apart.
    ours = more.overlap(bindparam("among", type_=Numbers))
    return [more[i], more[i + 1], more[i + 2], ours, more[i].in_(_COUNTERS)]


@cache
def beside(dialect: str, *, riding: bool) -> Select[Any]:
    """Counters' rows, and beside them what their holds come to."""
    lead = leading().sums.subquery("lead")
    held: ColumnElement[Any] = func.coalesce(lead.c.times, 0)
    much: ColumnElement[Any] = func.coalesce(lead.c.minor, 0)
    both = limit_counters.outerjoin(lead, lead.c.of == limit_counters.c.counter)
    if riding:
        ride = riders(dialect).sums.subquery("ride")
        held, much = held + func.coalesce(ride.c.times, 0), much + func.coalesce(ride.c.minor, 0)
        both = both.outerjoin(ride, ride.c.of == limit_counters.c.counter)
    counter = limit_counters.c
    said = select(counter.counter, counter.times, counter.minor, held.label("held"), much.label("much"))
    return said.select_from(both).where(counter.counter.in_(_COUNTERS))


def asked(counters: Iterable[int], **more: Any) -> dict[str, Any]:
    """What these queries are asked with; a moment goes as each of them has it."""
    these = sorted(counters)
    return {"counters": these, "among": these, **({"until": micros(more["now"])} if "now" in more else {}), **more}

"""What is due, in fair order: urgent first, then customer by customer in turn, and no customer beyond its cap.

The sweeper asks. A customer with five hundred due cases and one with a single case are served alternately; who is not known
yet (before triage) is taken for a customer of its source. Each query reads the partial index of the timer, in which stands what
is due and what is in work, so a million closed cases weigh nothing here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, ColumnElement, CompoundSelect, and_, bindparam, func, literal, or_, select, union_all
from sqlalchemy import case as sql_case

from workers.store.database import Tx
from workers.store.tables import actions, cases
from workers.store.unsettled import quietly


@dataclass(frozen=True, slots=True)
class Due:
    """A row whose time has come. `domain` is empty for an action."""

    id: str
    domain: str
    wake_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much is due and nobody has taken, by domain (empty for actions), and since when the oldest of it waits."""

    rows: Mapping[str, int]
    oldest: datetime | None

    def lag(self, now: datetime) -> float:
        return max(0.0, (now - self.oldest).total_seconds()) if self.oldest is not None else 0.0


_UNCAPPED = 2**30
_NOW = bindparam("now", type_=cases.c.wake_at.type)
#: a case whose time has come, unless it is held; and since when it is due
_IS_DUE = and_(cases.c.wake_at <= _NOW, or_(cases.c.held_until.is_(None), cases.c.held_until <= _NOW))
_SINCE = sql_case((cases.c.held_until > cases.c.wake_at, cases.c.held_until), else_=cases.c.wake_at)
_URGENCY = sql_case({"urgent": 0, "high": 1, "low": 3}, value=cases.c.priority, else_=2)
#: before triage nobody knows the customer; the separator can be in no address
_WHOSE = sql_case((cases.c.customer != "", cases.c.customer), else_="\n" + cases.c.source)


def _turn(*partition: ColumnElement[Any]) -> ColumnElement[int]:
    return func.row_number().over(partition_by=partition, order_by=(_URGENCY, _SINCE))


def _in_work(column: ColumnElement[str], name: str) -> CTE:
    """How many cases of each are worked on just now; a claim that ran out is none."""
    return (
        select(column.label("whose"), func.count().label("held"))
        .where(
            cases.c.claimed_by.is_not(None),
            cases.c.wake_at.is_not(None),
            or_(cases.c.wake_at > _NOW, cases.c.held_until > _NOW),
        )
        .group_by(column)
        .cte(name)
    )


_in_turn = (
    select(
        cases.c.id,
        cases.c.domain,
        _SINCE.label("wake_at"),
        cases.c.customer,
        cases.c.source,
        _URGENCY.label("urgency"),
        # By domain too: a queue that nobody works must not use up the customer's turns in the others.
        _turn(cases.c.domain, _WHOSE).label("turn"),
    )
    .where(_IS_DUE)
    .cte("in_turn")
)
_placed = select(
    *_in_turn.c,
    func.row_number()
    .over(
        partition_by=(_in_turn.c.domain, _in_turn.c.source),
        order_by=(_in_turn.c.urgency, _in_turn.c.turn, _in_turn.c.wake_at),
    )
    .label("place"),
).cte("placed")
_customers = _in_work(cases.c.customer, "customers")
_sources = _in_work(cases.c.source, "sources")
CASES = (
    select(_placed.c.id, _placed.c.domain, _placed.c.wake_at)
    .select_from(
        _placed.outerjoin(_customers, _placed.c.customer == _customers.c.whose).outerjoin(
            _sources, _placed.c.source == _sources.c.whose
        )
    )
    .where(
        (_placed.c.customer == "")
        | (_placed.c.turn <= bindparam("customer_cap") - func.coalesce(_customers.c.held, 0)),
        _placed.c.place <= bindparam("source_cap") - func.coalesce(_sources.c.held, 0),
    )
    .order_by(_placed.c.urgency, _placed.c.turn, _placed.c.wake_at)
    .limit(bindparam("most"))
)
_begun = quietly(actions.c.id, actions.c.case_id, actions.c.ordinal, actions.c.held_until)
_come = union_all(
    select(actions.c.id, actions.c.case_id, actions.c.ordinal, actions.c.wake_at).where(actions.c.wake_at <= _NOW),
    _begun.where(actions.c.held_until <= _NOW),
).subquery()
_due_actions = (
    select(
        _come.c.id,
        _come.c.wake_at,
        _URGENCY.label("urgency"),
        func.row_number()
        .over(partition_by=_WHOSE, order_by=(_URGENCY, _come.c.wake_at, _come.c.ordinal))
        .label("turn"),
    )
    .join(cases, cases.c.id == _come.c.case_id)
    .cte("ranked")
)
ACTIONS = (
    select(_due_actions.c.id, _due_actions.c.wake_at)
    .order_by(_due_actions.c.urgency, _due_actions.c.turn, _due_actions.c.wake_at)
    .limit(bindparam("most"))
)
_WAITING: CompoundSelect[Any] = union_all(
    select(cases.c.domain, func.count(), func.min(_SINCE)).where(_IS_DUE).group_by(cases.c.domain),
    select(literal(""), func.count(), func.min(actions.c.wake_at)).where(actions.c.wake_at <= _NOW),
    quietly(literal(""), func.count(), func.min(actions.c.held_until)).where(actions.c.held_until <= _NOW),
)


def due_cases(tx: Tx, now: datetime, limit: int, *, customer_cap: int = 0, source_cap: int = 0) -> list[Due]:
    """At most `limit` cases in the order in which they should be taken. A cap of 0 is none."""
    bound = {
        "now": now,
        "most": limit,
        "customer_cap": customer_cap or _UNCAPPED,
        "source_cap": source_cap or _UNCAPPED,
    }
    return [Due(*row) for row in tx.execute(CASES, bound)]


def due_actions(tx: Tx, now: datetime, limit: int) -> list[Due]:
    """At most `limit` actions, customer by customer in turn, the urgent cases' first."""
    return [Due(row[0], "", row[1]) for row in tx.execute(ACTIONS, {"now": now, "most": limit})]


def waiting(tx: Tx, now: datetime) -> Waiting:
    """How far behind the workers are."""
    found = [row for row in tx.execute(_WAITING, {"now": now}) if row[1]]
    rows = Counter[str]()
    for domain, count, _ in found:
        rows[domain] += count
    return Waiting(rows, min((row[2] for row in found), default=None))

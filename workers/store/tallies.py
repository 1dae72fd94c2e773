"""The named query behind the counters of rules: what was done of one kind in a day, and what became of a customer's before.

Counted is what is in the tables: cases that were archived within the 90 days are no longer among a customer's.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, case, exists, func, literal, or_, select, true, union_all

from workers.store.database import Tx
from workers.store.ids import first_within
from workers.store.records import ActionState
from workers.store.tables import actions, cases, revisions

DAY = timedelta(days=1)
QUARTER = timedelta(days=90)
#: an id may be so much older than the time that its row bears
SKEW = timedelta(minutes=5)
#: approved and not known to have failed
_GOES = (ActionState.APPROVED, ActionState.EXECUTING, ActionState.UNCERTAIN, ActionState.DONE)
_REFUSED = (ActionState.REJECTED, ActionState.CHANGES_REQUESTED)

_since_day = bindparam("day", type_=actions.c.decided_at.type)
_since_quarter = bindparam("quarter", type_=actions.c.decided_at.type)
_customer = bindparam("customer", type_=cases.c.customer.type)
_theirs = and_(cases.c.customer == _customer, _customer != "")
_minor = func.coalesce(actions.c.arguments["amount_minor"].as_numeric(20, 0), 0)


def _decided_lately(*where: Any) -> Any:
    return select(actions.c.case_id, _minor.label("minor")).where(
        actions.c.kind == bindparam("kind"), actions.c.decided_at > _since_day, actions.c.state.in_(_GOES), *where
    )


# What was drafted lately, and what was decided later than it was drafted, as rules never do: the latter has an index of its own.
_LATELY = union_all(
    _decided_lately(actions.c.id >= bindparam("floor")),
    _decided_lately(actions.c.id < bindparam("floor"), actions.c.decided_at > actions.c.created_at),
).subquery()
_RECENT = (
    select(
        func.count().label("kind_count_24h"),
        func.coalesce(func.sum(_LATELY.c.minor), 0).label("kind_minor_24h"),
        func.coalesce(func.sum(case((_theirs, 1), else_=0)), 0).label("customer_kind_count_24h"),
        func.coalesce(func.sum(case((_theirs, _LATELY.c.minor), else_=0)), 0).label("customer_kind_minor_24h"),
    )
    .select_from(_LATELY.join(cases, cases.c.id == _LATELY.c.case_id))
    .where(cases.c.domain == bindparam("domain"))
    .subquery()
)


def _cases_of_theirs(*where: Any) -> Any:
    return select(cases.c.id.label("id")).where(cases.c.customer == _customer, cases.c.customer != "", *where)


# In two halves, each with an index of its own.
_THEIRS = union_all(
    _cases_of_theirs(cases.c.closed_at.is_(None), cases.c.outcome.is_(None)),
    _cases_of_theirs(cases.c.closed_at.is_not(None), cases.c.closed_at > _since_quarter),
).subquery()
_by_person = actions.c.decided_by.startswith("person:")
_edited = exists(
    select(literal(1)).where(revisions.c.action_id == actions.c.id, revisions.c.author.startswith("person:"))
)


def _sum(condition: Any) -> Any:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


_goes = actions.c.state.in_(_GOES)
_BEFORE = (
    select(
        _sum(and_(_goes, _by_person, ~_edited)).label("prior_approved_90d"),
        _sum(and_(_goes, _by_person, _edited)).label("prior_edited_90d"),
        _sum(actions.c.state.in_(_REFUSED)).label("prior_rejected_90d"),
        _sum(actions.c.state == ActionState.FAILED).label("prior_failed_90d"),
    )
    .select_from(_THEIRS.join(actions, actions.c.case_id == _THEIRS.c.id))
    .where(
        actions.c.kind == bindparam("kind"),
        or_(actions.c.decided_at > _since_quarter, actions.c.settled_at > _since_quarter),
    )
    .subquery()
)
# Both are one row.
_COUNT = select(_RECENT, _BEFORE).select_from(_RECENT.join(_BEFORE, true()))


def count(tx: Tx, *, domain: str, kind: str, customer: str, now: datetime) -> dict[str, int]:
    """Each counter by the name of its fact."""
    values = {
        "domain": domain,
        "kind": kind,
        "customer": customer,
        "day": now - DAY,
        "floor": first_within("act", DAY + SKEW),
        "quarter": now - QUARTER,
    }
    row = tx.execute(_COUNT, values).mappings().one()
    return {str(name): int(value) for name, value in row.items()}

"""Actions that are not over, and how they are found among all that are.

`standing` is an action's state for as long as an index has to find it by that. One that was begun in the commit that decided it
has none: it is over a moment later, and PostgreSQL writes every index of a row anew where a column changes that one of them
names. Until then it is found through its case, which keeps its timer, and `held_until` says what `wake_at` says of all others: when
its lease is over. Whoever takes a case in hand, or its timer away, lets its actions stand first (`show`). Used by all queries
for what is open; must never leave an action that is not over where nobody looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Select, and_, bindparam, select, union_all, update

from workers.store.database import Tx
from workers.store.records import Action, ActionState
from workers.store.tables import actions, cases

#: was begun with its decision, and has neither ended nor been waited for since
_QUIET = and_(
    actions.c.state == ActionState.EXECUTING,
    actions.c.standing.is_(None),
    actions.c.wake_at.is_(None),
    actions.c.held_until.is_not(None),
)
#: cases with such an action are among these: not new ones, of which a backlog is made
_GOING_ON = and_(cases.c.wake_at.is_not(None), cases.c.events_worked > 0)
_SHOW = (
    update(actions)
    .where(actions.c.case_id == bindparam("of_case"), _QUIET)
    .values(standing=actions.c.state, wake_at=actions.c.held_until)
)


def placed(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A new row with where it is found."""
    quiet = row["state"] == ActionState.EXECUTING and row["wake_at"] is None
    return row if quiet or row["settled_at"] is not None else {**row, "standing": row["state"]}


def after(action: Action, changes: Mapping[str, Any]) -> dict[str, Any]:
    """What is changed of an action, with where it is found then. Whatever becomes of it but its end is seen, lease and all."""
    if changes.get("settled_at", action.settled_at) is not None:
        return {**changes, "standing": None}
    state = changes.get("state", action.state)
    lease = {"wake_at": action.wake_at} if state == ActionState.EXECUTING else {}
    return {**lease, **changes, "standing": state}


def show(tx: Tx, case_id: str) -> None:
    """Let all actions of a case that are not over be found by themselves."""
    tx.execute(_SHOW, {"of_case": case_id})


def quietly(*columns: Any) -> Select[Any]:
    """Columns of what was begun with its decision, and of its case."""
    return select(*columns).join_from(cases, actions, actions.c.case_id == cases.c.id).where(_GOING_ON, _QUIET)


def under_way(*where: ColumnElement[bool]) -> Select[Any]:
    """Ids of what is being carried out."""
    seen = select(actions.c.id).where(actions.c.standing == ActionState.EXECUTING, *where)
    return select(union_all(seen, quietly(actions.c.id).where(*where)).subquery().c.id)


def standing(*columns: ColumnElement[Any]) -> CompoundSelect[Any]:
    """These columns of all that is not over."""
    return union_all(select(*columns).where(actions.c.standing.is_not(None)), quietly(*columns))

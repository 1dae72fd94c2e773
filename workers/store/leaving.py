"""Named queries on what is approved and has been given time before it goes out, in which a person can still stop it.

What goes out at once is not among it: nobody could be quick enough, and a busy house would show nothing else. The inbox
lists it. Reads only.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, func, or_, select

from workers.store.database import Tx
from workers.store.inbox import Waiting
from workers.store.records import Action, ActionState, Case
from workers.store.rows import columns
from workers.store.tables import actions, cases

_ACTION = columns(actions, Action)
_CASE = columns(cases, Case)
#: more are neither shown nor counted
MOST = 200
_WAITS = (
    actions.c.standing == ActionState.APPROVED,
    or_(actions.c.wake_at.is_(None), actions.c.wake_at > func.coalesce(actions.c.decided_at, actions.c.created_at)),
)


def listing(tx: Tx, *, domain: str | None = None) -> list[Waiting]:
    """What goes out next comes first; what waits for something else comes last."""
    query = (
        select(*_ACTION, *_CASE)
        .join(cases, cases.c.id == actions.c.case_id)
        .where(*_WAITS, *_of(domain))
        .order_by(actions.c.wake_at.is_(None), actions.c.wake_at, actions.c.id)
        .limit(MOST)
    )
    return [Waiting(Action(*row[: len(_ACTION)]), Case(*row[len(_ACTION) :])) for row in tx.execute(query)]


def count(tx: Tx, *, domain: str | None = None) -> int:
    """How many there are, up to `MOST`."""
    query = select(actions.c.id).where(*_WAITS)
    if domain:
        query = query.join(cases, cases.c.id == actions.c.case_id).where(*_of(domain))
    return int(tx.execute(select(func.count()).select_from(query.limit(MOST).subquery())).scalar_one())


def _of(domain: str | None) -> tuple[ColumnElement[bool], ...]:
    return (cases.c.domain == domain,) if domain else ()

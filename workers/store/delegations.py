"""Named queries on who stands in for whom, and when. Whether somebody may is decided by whoever writes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, and_, insert, or_, select, update

from workers.store.database import Tx
from workers.store.ids import new_id
from workers.store.people_tables import delegations
from workers.store.records import Delegation
from workers.store.rows import columns, many, one

_DELEGATION = columns(delegations, Delegation)


def add(
    tx: Tx,
    *,
    person_id: str,
    stand_in_id: str,
    starts_at: datetime,
    ends_at: datetime,
    reason: str,
    created_by: str,
    now: datetime,
) -> Delegation:
    made = Delegation(new_id("away"), person_id, stand_in_id, starts_at, ends_at, reason, created_by, now, None)
    tx.execute(
        insert(delegations).values(
            id=made.id,
            person_id=person_id,
            stand_in_id=stand_in_id,
            starts_at=starts_at,
            ends_at=ends_at,
            reason=reason,
            created_by=created_by,
            created_at=now,
        )
    )
    return made


def get(tx: Tx, delegation_id: str) -> Delegation | None:
    return one(Delegation, tx.execute(select(*_DELEGATION).where(delegations.c.id == delegation_id)).first())


def in_force(tx: Tx, at: datetime) -> list[Delegation]:
    """Who is away at a moment, the first to be back first."""
    query = select(*_DELEGATION).where(delegations.c.starts_at <= at, _not_over(at))
    return many(Delegation, tx.execute(query.order_by(delegations.c.ends_at, delegations.c.id)).all())


def not_over(tx: Tx, at: datetime) -> list[Delegation]:
    """Those in force at a moment and those to come."""
    query = select(*_DELEGATION).where(_not_over(at)).order_by(delegations.c.starts_at, delegations.c.id)
    return many(Delegation, tx.execute(query).all())


def end(tx: Tx, delegation_id: str, at: datetime) -> Delegation | None:
    """End it before its time. None where there is none that still runs or is to come."""
    ended = (
        update(delegations)
        .where(delegations.c.id == delegation_id, _not_over(at))
        .values(ended_at=at)
        .returning(*_DELEGATION)
    )
    return one(Delegation, tx.execute(ended).first())


def _not_over(at: datetime) -> ColumnElement[bool]:
    return and_(delegations.c.ends_at > at, or_(delegations.c.ended_at.is_(None), delegations.c.ended_at > at))

"""Named queries on shadow answers: what a second model or other instructions would have drafted, beside the live draft."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, or_, select

from workers.store.database import Tx
from workers.store.ids import new_id
from workers.store.learning_tables import shadow_answers
from workers.store.rows import columns, many
from workers.store.tables import cases, decisions
from workers.store.upsert import insert_into


@dataclass(frozen=True, slots=True)
class Shadow:
    """One answer of a candidate to a case that people have decided. `measured` is None where it gave nothing."""

    id: str
    case_id: str
    customer: str
    domain: str
    candidate: str
    provider: str
    model: str
    output: Mapping[str, Any] | None
    measured: Mapping[str, Any] | None
    live: Mapping[str, Any] | None
    cost_usd: Decimal | None
    latency_ms: int
    error: str | None
    at: datetime


_SHADOW = columns(shadow_answers, Shadow)


def waiting(tx: Tx, candidate: str, *, after: tuple[datetime, str], limit: int) -> list[tuple[str, datetime]]:
    """(case, when it closed) of cases that people decided and the candidate has not seen, in the order in which they closed,
    from behind this place (when, case) on."""
    moment, case_id = after
    seen = (
        select(shadow_answers.c.id)
        .where(shadow_answers.c.case_id == cases.c.id, shadow_answers.c.candidate == candidate)
        .exists()
    )
    decided = select(decisions.c.id).where(decisions.c.case_id == cases.c.id).exists()
    query = (
        select(cases.c.id, cases.c.closed_at)
        .where(
            cases.c.closed_at >= moment,
            or_(cases.c.closed_at > moment, cases.c.id > case_id),
            decided,
            ~seen,
        )
        .order_by(cases.c.closed_at, cases.c.id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in tx.execute(query)]


def add(tx: Tx, row: Mapping[str, Any]) -> None:
    """Keep one answer. A second to the same case changes nothing."""
    tx.execute(insert_into(tx, shadow_answers).values(id=new_id("sha"), **row).on_conflict_do_nothing())


def listing(
    tx: Tx, *, candidate: str | None = None, since: datetime | None = None, limit: int = 5000
) -> Sequence[Shadow]:
    """Newest first."""
    query = select(*_SHADOW).order_by(shadow_answers.c.at.desc(), shadow_answers.c.id.desc()).limit(limit)
    if candidate is not None:
        query = query.where(shadow_answers.c.candidate == candidate)
    if since is not None:
        query = query.where(shadow_answers.c.at >= since)
    return many(Shadow, tx.execute(query).all())


def candidates(tx: Tx) -> list[tuple[str, int]]:
    """Every candidate with how many answers are kept of it, the one that answered last first."""
    query = (
        select(shadow_answers.c.candidate, func.count())
        .group_by(shadow_answers.c.candidate)
        .order_by(func.max(shadow_answers.c.at).desc())
    )
    return [(row[0], row[1]) for row in tx.execute(query)]

"""Named queries on the journal of a case: steps, facts, model usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select

from workers.store.database import Tx
from workers.store.ids import new_id
from workers.store.records import Fact, ModelUsage, Step
from workers.store.rows import columns, many, one
from workers.store.tables import facts, model_usage, steps

_STEP = columns(steps, Step)
_FACT = columns(facts, Fact)
_USAGE = columns(model_usage, ModelUsage)


def record(
    tx: Tx,
    *,
    case_id: str,
    round: int,  # noqa: A002 - the column's name
    name: str,
    input_digest: str,
    output: Mapping[str, Any],
    started_at: datetime,
    finished_at: datetime,
) -> None:
    tx.execute(
        insert(steps).values(
            id=new_id("step"),
            case_id=case_id,
            round=round,
            name=name,
            input_digest=input_digest,
            output=dict(output),
            started_at=started_at,
            finished_at=finished_at,
        )
    )


def latest(tx: Tx, case_id: str, name: str, *, up_to_round: int) -> Step | None:
    """The newest recording of a step: a later round may start further on and reuse what stands."""
    query = (
        select(*_STEP)
        .where(steps.c.case_id == case_id, steps.c.name == name, steps.c.round <= up_to_round)
        .order_by(steps.c.round.desc())
        .limit(1)
    )
    return one(Step, tx.execute(query).first())


def of_case(tx: Tx, case_id: str) -> list[Step]:
    query = select(*_STEP).where(steps.c.case_id == case_id).order_by(steps.c.finished_at, steps.c.id)
    return many(Step, tx.execute(query).all())


def add_facts(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        tx.execute(insert(facts), [dict(row, id=new_id("fact")) for row in rows])


def facts_of(tx: Tx, case_id: str, *, up_to_round: int) -> list[Fact]:
    """The facts of the newest gathering at or before a round, in their order."""
    newest = (
        select(func.max(facts.c.round))
        .where(facts.c.case_id == case_id, facts.c.round <= up_to_round)
        .scalar_subquery()
    )
    query = select(*_FACT).where(facts.c.case_id == case_id, facts.c.round == newest).order_by(facts.c.position)
    return many(Fact, tx.execute(query).all())


def add_usage(tx: Tx, row: Mapping[str, Any]) -> None:
    tx.execute(insert(model_usage).values(id=new_id("use"), **row))


def usage_of(tx: Tx, case_id: str) -> list[ModelUsage]:
    query = select(*_USAGE).where(model_usage.c.case_id == case_id).order_by(model_usage.c.at, model_usage.c.id)
    return many(ModelUsage, tx.execute(query).all())

"""Named queries on the journal of a case: steps, facts, model usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, func, insert, select

from workers.store import findings
from workers.store.database import Tx
from workers.store.records import Fact, ModelUsage, Step
from workers.store.rows import columns, many, one
from workers.store.tables import facts, model_usage, steps

_STEP = columns(steps, Step)
_FACT = columns(facts, Fact)
_USAGE = columns(model_usage, ModelUsage)

_ADD_STEP = insert(steps)
_ADD_FACTS = insert(facts)
_ADD_USAGE = insert(model_usage)
_LATEST = (
    select(*_STEP)
    .where(
        steps.c.case_id == bindparam("case"),
        steps.c.name == bindparam("step"),
        steps.c.round <= bindparam("up_to"),
    )
    .order_by(steps.c.round.desc())
    .limit(1)
)
_FACTS_OF = (
    select(*_FACT)
    .where(
        facts.c.case_id == bindparam("case"),
        facts.c.round
        == select(func.max(facts.c.round))
        .where(facts.c.case_id == bindparam("case"), facts.c.round <= bindparam("up_to"))
        .scalar_subquery(),
    )
    .order_by(facts.c.position)
)


def add(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Journal steps. A second recording of the same step of a round breaks the unique key."""
    if rows:
        tx.execute(_ADD_STEP, [dict(row) for row in rows])


def latest(tx: Tx, case_id: str, name: str, *, up_to_round: int) -> Step | None:
    """The newest recording of a step: a later round may start further on and reuse what stands."""
    step = _latest(tx, case_id, name, up_to_round)
    return _bare(step) if step is not None else None


def _latest(tx: Tx, case_id: str, name: str, up_to_round: int) -> Step | None:
    return one(Step, tx.execute(_LATEST, {"case": case_id, "step": name, "up_to": up_to_round}).first())


def _bare(step: Step) -> Step:
    """Without the facts: whoever wants them asks for them."""
    return replace(step, output=findings.without_facts(step)) if step.name == findings.GATHER else step


def of_case(tx: Tx, case_id: str) -> list[Step]:
    query = select(*_STEP).where(steps.c.case_id == case_id).order_by(steps.c.finished_at, steps.c.id)
    return [_bare(step) for step in many(Step, tx.execute(query).all())]


def add_facts(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        tx.execute(_ADD_FACTS, [dict(row) for row in rows])


def facts_of(tx: Tx, case_id: str, *, up_to_round: int) -> list[Fact]:
    """The facts of the newest gathering at or before a round, in their order, with what was looked up later in it."""
    rows = many(Fact, tx.execute(_FACTS_OF, {"case": case_id, "up_to": up_to_round}).all())
    step = _latest(tx, case_id, findings.GATHER, up_to_round)
    found = findings.facts_in(case_id, step.round, step.output, step.finished_at) if step is not None else None
    if step is None or found is None:
        return rows
    return [*found, *(row for row in rows if row.round == step.round)]


def add_usage(tx: Tx, row: Mapping[str, Any]) -> None:
    tx.execute(_ADD_USAGE, dict(row))


def usage_of(tx: Tx, case_id: str) -> list[ModelUsage]:
    query = select(*_USAGE).where(model_usage.c.case_id == case_id).order_by(model_usage.c.at, model_usage.c.id)
    return many(ModelUsage, tx.execute(query).all())

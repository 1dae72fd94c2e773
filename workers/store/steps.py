"""Named queries on the journal of a case: steps, facts, model usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select

from workers.store import calls, findings
from workers.store.database import Tx
from workers.store.records import Fact, ModelUsage, Step
from workers.store.rows import columns, many
from workers.store.step_rows import HAS_GATHERED, READ, bound_row, in_order, place, steps_in
from workers.store.tables import facts, model_usage, steps

_FACT = columns(facts, Fact)

_ADD_STEP = insert(steps)
_ADD_FACTS = insert(facts)
_ADD_USAGE = insert(model_usage)
_NEWEST = (
    select(*READ)
    .where(steps.c.case_id == bindparam("case"), steps.c.round <= bindparam("up_to"))
    .order_by(steps.c.round.desc())
    .limit(1)
)
_LATEST = _NEWEST.where(steps.c.name == bindparam("step"))
_LATEST_GATHERED = _NEWEST.where(HAS_GATHERED)
_OF_CASE = select(*READ).where(steps.c.case_id == bindparam("case"))
#: in the order in which calls of one moment were made
_ENDINGS = (calls.FAILED, calls.OK, calls.HEDGED)
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
        sqlite = tx.dialect.name == "sqlite"
        tx.execute(_ADD_STEP, [bound_row(row, sqlite=sqlite) for row in rows])


def latest(tx: Tx, case_id: str, name: str, *, up_to_round: int) -> Step | None:
    """The newest recording of a step: a later round may start further on and reuse what stands."""
    step = whole(tx, case_id, name, up_to_round=up_to_round)
    return _bare(step) if step is not None else None


def whole(tx: Tx, case_id: str, name: str, *, up_to_round: int) -> Step | None:
    """The same, with the facts that a gathering found."""
    asked = {"case": case_id, "up_to": up_to_round}
    if name == findings.GATHER:
        row = tx.execute(_LATEST_GATHERED, asked).first()
    else:
        row = tx.execute(_LATEST, {**asked, "step": name}).first()
    return None if row is None else next(step for step in steps_in(row) if step.name == name)


def _bare(step: Step) -> Step:
    """Without the facts: whoever wants them asks for them."""
    return replace(step, output=findings.without_facts(step)) if step.name == findings.GATHER else step


def of_case(tx: Tx, case_id: str) -> list[Step]:
    """All of them, in the order of their ends."""
    found = [step for row in tx.execute(_OF_CASE, {"case": case_id}) for step in steps_in(row)]
    return [_bare(step) for step in in_order(found)]


def add_facts(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        tx.execute(_ADD_FACTS, [dict(row) for row in rows])


def facts_of(tx: Tx, case_id: str, *, up_to_round: int) -> list[Fact]:
    """The facts of the newest gathering at or before a round, in their order, with what was looked up later in it."""
    rows = many(Fact, tx.execute(_FACTS_OF, {"case": case_id, "up_to": up_to_round}).all())
    step = whole(tx, case_id, findings.GATHER, up_to_round=up_to_round)
    found = findings.facts_in(step) if step is not None else None
    if step is None or found is None:
        return rows
    return [*found, *(row for row in rows if row.round == step.round)]


def add_usage(tx: Tx, row: Mapping[str, Any]) -> None:
    tx.execute(_ADD_USAGE, dict(row))


def usage_of(tx: Tx, case_id: str) -> list[ModelUsage]:
    """The calls that were paid for, in the order of their ends."""
    paid = calls.of([case_id])
    found = many(ModelUsage, tx.execute(select(*(paid.c[field.name] for field in fields(ModelUsage)))).all())
    return sorted(found, key=_moment)


def _moment(use: ModelUsage) -> tuple[datetime, int, tuple[int, ...], int]:
    return use.at, use.round, place(use.step), _ENDINGS.index(use.outcome)

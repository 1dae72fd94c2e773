"""Named queries on what people's decisions teach: confirmed labels, and an example for each proposal that they decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, null, or_, select, update

from workers.store import step_rows
from workers.store.database import Tx
from workers.store.learning_tables import examples, learning_marks, shadow_answers
from workers.store.parcels import DATA
from workers.store.records import ActionState
from workers.store.rows import columns, many
from workers.store.tables import actions, cases, decisions, events, steps
from workers.store.upsert import insert_into

#: triage fields that a person has seen and acted upon when approving a draft
_FIELDS = ("intent", "typology", "request_type")


#: how far back is looked: what people decided long ago teaches less, and every process asks when it starts
RECENT = 20_000


def confirmed(tx: Tx, limit: int = 5000) -> list[tuple[str, str, str, str]]:
    """(domain, field, text, label) of first messages whose case ended with an action that a *person* approved.

    What the policy alone let through teaches nothing: the model would only learn to agree with itself.
    """
    oldest = select(cases.c.id).order_by(cases.c.id.desc()).offset(RECENT).limit(1)
    floor = tx.execute(oldest).scalar() or ""
    approved = (
        select(actions.c.case_id)
        .where(actions.c.state == ActionState.DONE, actions.c.decided_by.like("person:%"), actions.c.case_id > floor)
        .scalar_subquery()
    )
    query = (
        select(cases.c.domain, DATA, *step_rows.OUTPUT)
        .join(events, (events.c.case_id == cases.c.id) & (events.c.position == 1))
        .join(steps, (steps.c.case_id == cases.c.id) & (steps.c.round == 1) & (steps.c.name == "triage"))
        # Ids are in the order of time, so each of these is a range at the end of an index.
        .where(cases.c.id.in_(approved), cases.c.id > floor, events.c.case_id > floor, steps.c.case_id > floor)
        .order_by(cases.c.id.desc())
        .limit(limit)
    )
    return [
        (domain, field, text, output[field])
        for domain, data, *kept in reversed(tx.execute(query).all())
        for output in [step_rows.output_of(*kept)]
        for text in [f"{data.get('title', '')}\n{data.get('text', '')}".strip()]
        for field in _FIELDS
        if isinstance(output.get(field), str) and text
    ]


# ── an example for each proposal that people decided ─────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Example:
    """What was proposed in which situation, and what people made of it.

    `verdict` is approved, edited, rejected or changes; `made` are the arguments that they let through. `base` is what the
    standard way of working (`macro`) proposes by itself. In texts and arguments, what names the customer is masked.
    """

    id: str
    case_id: str
    customer: str
    domain: str
    task: str
    kind: str
    intent: str
    macro: str
    base: Mapping[str, Any] | None
    situation: Mapping[str, Any]
    text: str
    proposed: Mapping[str, Any]
    verdict: str
    made: Mapping[str, Any] | None
    diff: Sequence[Mapping[str, Any]]
    reason: str | None
    person_id: str | None
    groups: Sequence[str]
    provider: str
    model: str
    decided_at: datetime


ERASED = "erased"
_EXAMPLE = columns(examples, Example)
_KEPT = examples.c.verdict != ERASED
#: words of people after which a proposal is decided; who stops one that was approved has the last of them
_DECIDING = ("approve", "edit", "reject", "request_changes", "stop")
_LET_THROUGH = ("approved", "edited")


def decided_since(tx: Tx, floor: str, limit: int) -> list[tuple[str, str]]:
    """(decision, action) of what people decided after the id `floor`, oldest first."""
    query = (
        select(decisions.c.id, decisions.c.action_id)
        .where(decisions.c.id > floor, decisions.c.decision.in_(_DECIDING))
        .order_by(decisions.c.id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in tx.execute(query)]


def decided_cases(tx: Tx, *, since: datetime | None, limit: int) -> list[str]:
    """Closed cases in which people decided, the last first."""
    people_decided = (
        select(decisions.c.id).where(decisions.c.case_id == cases.c.id, decisions.c.decision.in_(_DECIDING)).exists()
    )
    query = select(cases.c.id).where(cases.c.closed_at.is_not(None), people_decided)
    if since is not None:
        query = query.where(cases.c.closed_at >= since)
    return list(tx.execute(query.order_by(cases.c.closed_at.desc(), cases.c.id.desc()).limit(limit)).scalars())


def known(tx: Tx, action_ids: Sequence[str]) -> set[str]:
    """Of these actions, those that gave an example already, and were not stopped since."""
    stopped = (
        select(actions.c.id).where(actions.c.id == examples.c.id, actions.c.state == ActionState.REJECTED).exists()
    )
    query = select(examples.c.id).where(
        examples.c.id.in_(action_ids), or_(examples.c.verdict.not_in(_LET_THROUGH), ~stopped)
    )
    return set(tx.execute(query).scalars())


def add(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> int:
    """Keep examples. One that is there stays as it is, unless it was let through and is rejected now. How many were kept."""
    put = insert_into(tx, examples)
    told = {column.name: put.excluded[column.name] for column in examples.c if column.name != "id"}
    once = put.on_conflict_do_update(
        index_elements=["id"],
        set_=told,
        where=and_(examples.c.verdict.in_(_LET_THROUGH), put.excluded.verdict == "rejected"),
    ).returning(examples.c.id)
    return sum(1 for row in rows if tx.execute(once, dict(row)).first() is not None)


def of_domain(tx: Tx, domain: str, limit: int) -> list[Example]:
    """The newest of a domain first."""
    query = (
        select(*_EXAMPLE)
        .where(examples.c.domain == domain, _KEPT)
        .order_by(examples.c.decided_at.desc(), examples.c.id.desc())
        .limit(limit)
    )
    return many(Example, tx.execute(query).all())


def newest(tx: Tx, domain: str) -> tuple[str, int]:
    """What changes whenever the domain's examples do, and how many of them confirm what was understood."""
    confirming = func.count().filter(examples.c.verdict.in_(("approved", "edited")))
    query = select(func.count(), func.max(examples.c.decided_at), func.max(examples.c.id), confirming)
    *told, confirmations = tx.execute(query.where(examples.c.domain == domain, _KEPT)).one()
    return " ".join(map(str, told)), int(confirmations)


def count(tx: Tx) -> Mapping[str, int]:
    """How many examples of each verdict are kept."""
    query = select(examples.c.verdict, func.count()).where(_KEPT).group_by(examples.c.verdict)
    return {row[0]: row[1] for row in tx.execute(query)}


def forget(tx: Tx, customer: str) -> int:
    """Erase all that was learned from a customer's cases; how much that was. Habits are reckoned anew without it.

    An empty row stays for each, so that what was erased is not collected again from decisions of the last minutes.
    """
    who = customer.strip().casefold()
    if not who:
        return 0
    empty = {"customer": "", "text": "", "situation": {}, "proposed": {}, "base": null(), "made": null(), "diff": []}
    gone = tx.execute(
        update(examples)
        .where(examples.c.customer == who)
        .values(**empty, intent="", macro="", reason=None, person_id=None, groups=[], verdict=ERASED)
    ).rowcount
    nothing = {"customer": "", "output": null(), "measured": null(), "live": null(), "error": ERASED}
    return int(
        gone + tx.execute(update(shadow_answers).where(shadow_answers.c.customer == who).values(nothing)).rowcount
    )


def mark(tx: Tx, name: str) -> str:
    """How far a job of learning has looked; "" where it never did."""
    return tx.execute(select(learning_marks.c.value).where(learning_marks.c.name == name)).scalar() or ""


def set_mark(tx: Tx, name: str, value: str, now: datetime) -> None:
    row = insert_into(tx, learning_marks).values(name=name, value=value, at=now)
    tx.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": value, "at": now}))

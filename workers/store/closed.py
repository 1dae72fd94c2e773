"""Named queries for learning from closed cases: which are new, and what of each is worth reading, set-wise.

Called by `workers.memory` beside the work of now: a lot of cases costs seven statements, whatever its size, and nothing here
writes to a case. Which cases were looked at is kept in a table of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select

from workers.store import findings, step_rows
from workers.store.action_rows import column_of
from workers.store.database import Tx
from workers.store.memory_tables import remembered
from workers.store.parcels import DATA
from workers.store.records import ActionState
from workers.store.tables import actions, cases, decisions, events, facts, steps
from workers.store.upsert import insert_into

#: a case's closing may be committed this much after the moment that it bears
OVERLAP = timedelta(minutes=15)
#: states in which an action says something about what was done for a customer
TELLING = (
    ActionState.DONE,
    ActionState.FAILED,
    ActionState.UNCERTAIN,
    ActionState.REJECTED,
    ActionState.DENIED,
    ActionState.EXPIRED,
)


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one action."""

    id: str
    kind: str
    state: str
    arguments: Mapping[str, Any]
    origins: Mapping[str, Any]
    target: str


@dataclass(frozen=True, slots=True)
class Said:
    """What a colleague decided on one of them, and why."""

    action_id: str
    decision: str
    reason: str | None
    changed: tuple[str, ...]
    decided_at: datetime


@dataclass(slots=True)
class Closed:
    """A closed case, as much of it as memories are made from."""

    id: str
    domain: str
    subject: str
    customer: str
    outcome: str
    closed_at: datetime
    triage: Mapping[str, Any] = field(default_factory=dict)
    #: trusted records of the newest gathering, by name
    records: dict[str, list[tuple[str, Mapping[str, Any]]]] = field(default_factory=dict)
    done: list[Done] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    #: what a brief was asked for
    keyword: str = ""


def unlooked(tx: Tx, *, now: datetime, first: timedelta, limit: int) -> list[str]:
    """Closed cases that nothing was learned from yet, oldest first; at the very first time those of `first` before now."""
    mark = _mark(tx, now)
    floor = now - first if mark is None else mark - OVERLAP
    seen = select(remembered.c.case_id).where(remembered.c.case_id == cases.c.id).exists()
    # What one agent asks another belongs to the case that it was asked for.
    ours = cases.c.source != "caseworker"
    query = select(cases.c.id).where(cases.c.closed_at >= floor, ~seen, ours).order_by(cases.c.closed_at, cases.c.id)
    return list(tx.execute(query.limit(limit)).scalars())


def take(tx: Tx, found: Mapping[str, datetime], *, erased: bool = False) -> set[str]:
    """Write down that these cases (with the time of their closing) are looked at. Which of them nobody had before."""
    if not found:
        return set()
    rows = [{"case_id": i, "closed_at": at, "erased": erased} for i, at in sorted(found.items())]
    return set(
        tx.execute(
            insert_into(tx, remembered).values(rows).on_conflict_do_nothing().returning(remembered.c.case_id)
        ).scalars()
    )


def prune(tx: Tx, now: datetime) -> None:
    """Forget which cases were looked at where the mark has passed them for good."""
    mark = _mark(tx, now)
    if mark is not None:
        tx.execute(delete(remembered).where(remembered.c.closed_at < mark - OVERLAP - timedelta(days=1)))


def _mark(tx: Tx, now: datetime) -> datetime | None:
    """The last closing that was looked at. One of a moment to come, by a machine whose clock is ahead, says nothing of those
    that close until then."""
    looked = select(func.max(remembered.c.closed_at)).where(~remembered.c.erased, remembered.c.closed_at <= now)
    return tx.execute(looked).scalar()


def _gathered(tx: Tx, ids: Sequence[str], names: Sequence[str]) -> list[tuple[str, int, str, str, Any]]:
    """(case, round, name, ref, data) of trusted facts of these names, those of a round together and in their order."""
    gathered = select(*step_rows.READ).where(steps.c.case_id.in_(ids), step_rows.HAS_GATHERED)
    told: list[tuple[str, int, str, str, Any]] = [
        (fact.case_id, fact.round, fact.name, fact.ref, fact.data)
        for row in tx.execute(gathered)
        for fact in findings.facts_in(step_rows.steps_in(row)[0]) or ()
        if fact.trusted and fact.name in names
    ]
    by_themselves = (
        select(facts.c.case_id, facts.c.round, facts.c.name, facts.c.ref, facts.c.data)
        .where(facts.c.case_id.in_(ids), facts.c.trusted, facts.c.name.in_(names))
        .order_by(facts.c.round, facts.c.position)
    )
    told += [(row[0], row[1], row[2], row[3], row[4]) for row in tx.execute(by_themselves)]
    return sorted(told, key=lambda one: one[1])


def read(tx: Tx, ids: Sequence[str], names: Sequence[str]) -> list[Closed]:
    """Closed cases with what was decided and done in them. `names` are the trusted facts to read along."""
    query = select(
        cases.c.id, cases.c.domain, cases.c.subject, cases.c.customer, cases.c.outcome, cases.c.closed_at
    ).where(cases.c.id.in_(ids), cases.c.closed_at.is_not(None))
    found = {row[0]: Closed(*row[:4], row[4] or "", row[5]) for row in tx.execute(query.order_by(cases.c.closed_at))}
    if not found:
        return []
    ids = list(found)
    triaged = select(steps.c.case_id, *step_rows.OUTPUT).where(steps.c.case_id.in_(ids), steps.c.name == "triage")
    for case_id, *kept in tx.execute(triaged.order_by(steps.c.round)):
        found[case_id].triage = step_rows.output_of(*kept)
    newest: dict[str, int] = {}
    for case_id, number, name, ref, data in _gathered(tx, ids, names):
        if newest.get(case_id) != number:
            newest[case_id], found[case_id].records = number, {}
        found[case_id].records.setdefault(name, []).append((ref, data))
    acted = (
        select(
            actions.c.case_id,
            actions.c.id,
            actions.c.kind,
            actions.c.state,
            actions.c.arguments,
            actions.c.origins,
            actions.c.target,
            actions.c.packed,
        )
        .where(actions.c.case_id.in_(ids), actions.c.state.in_(TELLING))
        .order_by(actions.c.round, actions.c.ordinal)
    )
    for case_id, action_id, kind, state, arguments, origins, target, packed in tx.execute(acted):
        by = column_of(origins, packed, "origins")
        found[case_id].done.append(Done(action_id, kind, state, arguments, by, target))
    decided = (
        select(
            decisions.c.case_id,
            decisions.c.action_id,
            decisions.c.decision,
            decisions.c.reason,
            decisions.c.before,
            decisions.c.after,
            decisions.c.decided_at,
        )
        .where(decisions.c.case_id.in_(ids), decisions.c.actor.like("person:%"))
        .order_by(decisions.c.decided_at)
    )
    for case_id, action_id, word, reason, before, after, at in tx.execute(decided):
        changed = sorted(
            k for k in {**(before or {}), **(after or {})} if (before or {}).get(k) != (after or {}).get(k)
        )
        found[case_id].said.append(Said(action_id, word, reason, tuple(changed), at))
    asked = select(events.c.case_id, DATA).where(events.c.case_id.in_(ids), events.c.type == "brief.requested")
    for case_id, data in tx.execute(asked.order_by(events.c.position)):
        found[case_id].keyword = str(data.get("keyword") or found[case_id].keyword)
    return list(found.values())


def kinds_of(tx: Tx, ids: Sequence[str]) -> dict[str, str]:
    """Actions' kinds, also of those that tell nothing by themselves (replaced drafts, on which somebody said something)."""
    if not ids:
        return {}
    return {row[0]: row[1] for row in tx.execute(select(actions.c.id, actions.c.kind).where(actions.c.id.in_(ids)))}

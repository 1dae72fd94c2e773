"""Named queries on earned autonomy: what people decided and on which facts, and what was proposed on the strength of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update

from workers.store.action_rows import record_of
from workers.store.autonomy_tables import autonomy_decisions, autonomy_proposals
from workers.store.database import Tx
from workers.store.examples import ERASED
from workers.store.ids import new_id
from workers.store.learning_tables import examples
from workers.store.records import ActionState
from workers.store.revision_rows import WRITTEN, revisions
from workers.store.rows import columns, many, one
from workers.store.tables import actions, people
from workers.store.upsert import insert_into


@dataclass(frozen=True, slots=True)
class Decided:
    """What people made of one proposal. `facts` are those that the policy was told, without what names anybody."""

    id: str
    case_id: str
    customer: str
    domain: str
    kind: str
    person_id: str | None
    verdict: str
    facts: Mapping[str, Any]
    decided_at: datetime
    fate: str


@dataclass(frozen=True, slots=True)
class Fresh:
    """A decision that is not kept yet, with the record of the proposal as it was first judged."""

    id: str
    case_id: str
    customer: str
    domain: str
    kind: str
    person_id: str | None
    verdict: str
    decided_at: datetime
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Proposed:
    """What was proposed, and the evidence for it as it was then."""

    id: str
    domain: str
    kind: str
    rule: str
    condition: str
    sentence: str
    evidence: Mapping[str, Any]
    diff: str
    from_hash: str
    to_hash: str
    by: str
    in_case: str | None
    at: datetime


_DECIDED = columns(autonomy_decisions, Decided)
_PROPOSED = columns(autonomy_proposals, Proposed)
_FRESH: tuple[ColumnElement[Any], ...] = (
    *(
        examples.c[name]
        for name in ("id", "case_id", "customer", "domain", "kind", "person_id", "verdict", "decided_at")
    ),
    revisions.c.record,
    revisions.c.packed,
)
#: what an action's state says of what became of it
FATES = {
    ActionState.DONE: "done",
    ActionState.FAILED: "failed",
    ActionState.UNCERTAIN: "uncertain",
    # Approved, and called off by a person before it went out.
    ActionState.REJECTED: "stopped",
}


def fresh(tx: Tx, domain: str, since: datetime | None, limit: int) -> list[Fresh]:
    """What people decided in a domain since then and is not kept yet, oldest first."""
    kept = select(autonomy_decisions.c.id).where(autonomy_decisions.c.id == examples.c.id).exists()
    return decided_since(tx, domain, since, limit, ~kept)


def decided_since(tx: Tx, domain: str, since: datetime | None, limit: int, *only: ColumnElement[bool]) -> list[Fresh]:
    """What people decided in a domain from then on, with the record of the proposal, oldest first."""
    query = (
        select(*_FRESH)
        .join(revisions, and_(revisions.c.action_id == examples.c.id, revisions.c.revision == 1))
        .where(examples.c.domain == domain, examples.c.verdict != ERASED, *only, WRITTEN)
        .order_by(examples.c.decided_at, examples.c.id)
        .limit(limit)
    )
    if since is not None:
        query = query.where(examples.c.decided_at >= since)
    return [Fresh(*(*values, record_of(record, packed))) for *values, record, packed in tx.execute(query)]


def keep(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> int:
    """Keep decisions. One that is there stays as it is. How many were new."""
    once = insert_into(tx, autonomy_decisions).on_conflict_do_nothing().returning(autonomy_decisions.c.id)
    return sum(1 for row in rows if tx.execute(once, dict(row)).first() is not None)


def unknown_fates(tx: Tx, since: datetime, after: str, limit: int) -> list[tuple[str, str, str]]:
    """(action, kind, fate so far) of approved proposals that may still turn out otherwise, by id from `after` on."""
    query = (
        select(autonomy_decisions.c.id, autonomy_decisions.c.kind, autonomy_decisions.c.fate)
        .where(
            autonomy_decisions.c.decided_at >= since,
            autonomy_decisions.c.verdict.in_(("approved", "edited")),
            autonomy_decisions.c.fate.in_(("", "done")),
            autonomy_decisions.c.id > after,
        )
        .order_by(autonomy_decisions.c.id)
        .limit(limit)
    )
    return [(row[0], row[1], row[2]) for row in tx.execute(query)]


def set_fate(tx: Tx, action_id: str, fate: str) -> None:
    tx.execute(update(autonomy_decisions).where(autonomy_decisions.c.id == action_id).values(fate=fate))


def states(tx: Tx, ids: Sequence[str]) -> dict[str, tuple[str, bool]]:
    """State of these actions, and whether they are settled, by id; what was archived is not among them."""
    query = select(actions.c.id, actions.c.state, actions.c.settled_at).where(actions.c.id.in_(ids))
    return {row[0]: (row[1], row[2] is not None) for row in tx.execute(query)}


def contradicted(tx: Tx, ids: Sequence[str], kinds: Sequence[str]) -> list[tuple[str, str, datetime, datetime]]:
    """(action, kind, when it was settled, when it was contradicted) where one of `kinds` was later done to the target of
    one of these actions."""
    later = actions.alias("later")
    query = (
        select(actions.c.id, later.c.kind, actions.c.settled_at, later.c.settled_at)
        .join(later, and_(later.c.target == actions.c.target, later.c.kind.in_(kinds)))
        .where(
            actions.c.id.in_(ids),
            actions.c.state == ActionState.DONE,
            later.c.id != actions.c.id,
            later.c.state == ActionState.DONE,
            later.c.created_at > actions.c.settled_at,
        )
        .order_by(actions.c.id, later.c.settled_at)
    )
    return [(row[0], row[1], row[2], row[3]) for row in tx.execute(query)]


def kinds_decided(tx: Tx, since: datetime) -> list[tuple[str, str]]:
    """(domain, kind) of which people decided anything since then."""
    query = (
        select(autonomy_decisions.c.domain, autonomy_decisions.c.kind)
        .where(autonomy_decisions.c.decided_at >= since)
        .group_by(autonomy_decisions.c.domain, autonomy_decisions.c.kind)
    )
    return sorted((row[0], row[1]) for row in tx.execute(query))


def decided(tx: Tx, domain: str, kind: str, since: datetime, limit: int) -> list[Decided]:
    """The newest `limit` decisions about a kind since then, oldest first."""
    query = (
        select(*_DECIDED)
        .where(
            autonomy_decisions.c.domain == domain,
            autonomy_decisions.c.kind == kind,
            autonomy_decisions.c.decided_at >= since,
        )
        .order_by(autonomy_decisions.c.decided_at.desc(), autonomy_decisions.c.id.desc())
        .limit(limit)
    )
    return many(Decided, tx.execute(query).all())[::-1]


def names(tx: Tx, person_ids: Sequence[str]) -> dict[str, str]:
    query = select(people.c.id, people.c.name).where(people.c.id.in_(person_ids))
    return {row[0]: row[1] for row in tx.execute(query)}


# ── what was proposed ────────────────────────────────────────────────────────────────────────────────────────────────


def add_proposal(tx: Tx, row: Mapping[str, Any]) -> str | None:
    """Write a proposal down; None where the same policy was proposed before."""
    made = new_id("aut")
    once = insert_into(tx, autonomy_proposals).values(id=made, **row).on_conflict_do_nothing()
    found = tx.execute(once.returning(autonomy_proposals.c.id)).first()
    return None if found is None else str(found[0])


def proposals(tx: Tx, limit: int = 50) -> list[Proposed]:
    """Newest first."""
    query = select(*_PROPOSED).order_by(autonomy_proposals.c.at.desc(), autonomy_proposals.c.id.desc()).limit(limit)
    return many(Proposed, tx.execute(query).all())


def proposal(tx: Tx, proposal_id: str) -> Proposed | None:
    query = select(*_PROPOSED).where(
        or_(autonomy_proposals.c.id == proposal_id, autonomy_proposals.c.to_hash == proposal_id)
    )
    return one(Proposed, tx.execute(query).first())

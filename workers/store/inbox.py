"""Named queries of the inbox's pages: what waits with its case, what was decided, and finding cases. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func, or_, select

from workers.store import exclusions, unsettled
from workers.store.audit_tables import audit
from workers.store.database import Tx
from workers.store.records import Action, ActionState, Case, CaseState, Decision
from workers.store.revision_rows import WRITTEN, revisions
from workers.store.rows import columns, many
from workers.store.tables import actions, attempts, cases, decisions

_ACTION = columns(actions, Action)
_CASE = columns(cases, Case)
_DECISION = columns(decisions, Decision)
#: so many of the newest cases are read through in search of a text; whatever is open is read too
RECENT = 20_000
_OPEN_STATES = (ActionState.PENDING, ActionState.UNCERTAIN)
#: states of actions that are not settled and of cases that are not closed: partial indexes know these rows
_UNSETTLED = frozenset({ActionState.PENDING, ActionState.APPROVED, ActionState.EXECUTING, ActionState.UNCERTAIN})
_UNCLOSED = frozenset(state for state in CaseState if state is not CaseState.CLOSED)


@dataclass(frozen=True, slots=True)
class Given:
    """A yes that was given: by whom, for whom where that is somebody else, and when."""

    person_id: str
    on_behalf_of: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """An action that waits for people, with its case, who has approved this very revision, and who must not."""

    action: Action
    case: Case
    approvals: tuple[Given, ...] = ()
    #: when this very revision was asked for
    asked_at: datetime | None = None
    editors: tuple[str, ...] = ()  # actors: ``person:ana@example.com``
    #: e-mail addresses, and ids of people; looked up only where the verdict excludes them
    initiators: frozenset[str] = frozenset()
    last_approvers: frozenset[str] = frozenset()


def waiting(tx: Tx, *, now: datetime, domain: str | None = None, limit: int) -> list[Waiting]:
    """What waits for people and is not put off: what may have happened already first, then by urgency, then by age."""
    query = (
        select(*_ACTION, *_CASE)
        .join(cases, cases.c.id == actions.c.case_id)
        .where(
            actions.c.standing.in_(_OPEN_STATES),
            or_(actions.c.snoozed_until.is_(None), actions.c.snoozed_until <= now),
        )
        .order_by(
            actions.c.standing != ActionState.UNCERTAIN,
            case((cases.c.priority == "urgent", 0), (cases.c.priority == "high", 1), else_=2),
            actions.c.created_at,
            actions.c.ordinal,
        )
        .limit(limit)
    )
    if domain:
        query = query.where(cases.c.domain == domain)
    rows = [(Action(*row[: len(_ACTION)]), Case(*row[len(_ACTION) :])) for row in tx.execute(query)]
    return _with_people(tx, rows)


def standing_of(tx: Tx, action: Action, case: Case) -> Waiting:
    """One action with who has approved it and who must not."""
    return _with_people(tx, [(action, case)])[0]


def snoozed(tx: Tx, *, now: datetime) -> int:
    """How many actions are put off."""
    query = select(func.count()).where(actions.c.standing == ActionState.PENDING, actions.c.snoozed_until > now)
    return int(tx.execute(query).scalar_one())


def finished(tx: Tx, *, domain: str | None = None, limit: int = 50) -> list[Waiting]:
    """What no longer waits for people, newest drafts first."""
    query = (
        select(*_ACTION, *_CASE)
        .join(cases, cases.c.id == actions.c.case_id)
        .where(actions.c.state.not_in(_OPEN_STATES))
        .order_by(actions.c.id.desc())  # ids begin with their time
        .limit(limit)
    )
    if domain:
        query = query.where(cases.c.domain == domain)
    return [Waiting(Action(*row[: len(_ACTION)]), Case(*row[len(_ACTION) :])) for row in tx.execute(query)]


def find_cases(
    tx: Tx,
    *,
    text: str = "",
    states: Sequence[str] = (),
    domain: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Case]:
    """Newest first. `before` is a case id to page on from.

    `text` is looked for in title, customer and subject of open cases and of the newest ones; among all others it must be the
    whole customer, subject or id, which an index finds.
    """
    conditions: list[ColumnElement[bool]] = []
    if states:
        conditions.append(cases.c.state.in_(states))
        if _UNCLOSED.issuperset(states):
            conditions.append(cases.c.closed_at.is_(None))
    if domain:
        conditions.append(cases.c.domain == domain)
    if before:
        conditions.append(cases.c.id < before)
    if text:
        conditions = [cases.c.id.in_(_matching(tx, text, conditions, limit))]
    query = select(*_CASE).where(*conditions).order_by(cases.c.id.desc()).limit(limit)
    return many(Case, tx.execute(query).all())


def earlier_of(tx: Tx, case: Case, *, limit: int = 10) -> list[Case]:
    """Other cases of the same customer, newest first, without what agents ask each other. Open and closed ones are in
    indexes of their own."""
    if not case.customer:
        return []
    same = select(*_CASE).where(
        cases.c.customer == case.customer, cases.c.id != case.id, cases.c.source != "caseworker"
    )
    same = same.limit(limit)
    going_on = same.where(cases.c.closed_at.is_(None), cases.c.outcome.is_(None))
    found = [
        *tx.execute(going_on.order_by(cases.c.opened_at.desc())).all(),
        *tx.execute(same.where(cases.c.closed_at.is_not(None)).order_by(cases.c.closed_at.desc())).all(),
    ]
    return sorted(many(Case, found), key=lambda one: one.opened_at, reverse=True)[:limit]


def list_actions(
    tx: Tx, *, states: Sequence[str] = (), case_id: str | None = None, before: str | None = None, limit: int = 100
) -> list[Action]:
    """Newest first. `before` is an action id to page on from."""
    query = select(*_ACTION).order_by(actions.c.id.desc()).limit(limit)
    if states:
        query = query.where(_among(tx, states))
    if case_id:
        query = query.where(actions.c.case_id == case_id)
    if before:
        query = query.where(actions.c.id < before)
    return many(Action, tx.execute(query).all())


def _among(tx: Tx, states: Sequence[str]) -> ColumnElement[bool]:
    """In one of these states, in words that the index of what is not over knows where all of them are such."""
    if not _UNSETTLED.issuperset(states):
        return actions.c.state.in_(states)
    seen = actions.c.standing.in_(states)
    if ActionState.EXECUTING not in states:
        return seen
    return or_(seen, actions.c.id.in_(tx.execute(unsettled.quietly(actions.c.id)).scalars().all()))


def last_change(tx: Tx, case_id: str) -> int:
    """The id of the newest audit entry of a case; 0 where there is none."""
    query = select(func.coalesce(func.max(audit.c.id), 0)).where(audit.c.chain == case_id)
    return int(tx.execute(query).scalar_one())


def last_decision(tx: Tx, action_id: str) -> Decision | None:
    """What a person said last of an action."""
    query = select(*_DECISION).where(decisions.c.action_id == action_id)
    found = many(Decision, tx.execute(query.order_by(decisions.c.decided_at.desc()).limit(1)).all())
    return found[0] if found else None


def _matching(tx: Tx, text: str, conditions: Sequence[ColumnElement[bool]], limit: int) -> set[str]:
    """Ids of cases that a text finds: a page of the newest, from each place where it is looked for.

    One statement for all of them would have the planner walk through every case there is.
    """
    oldest = select(cases.c.id).order_by(cases.c.id.desc()).offset(RECENT).limit(1)
    floor = tx.execute(oldest).scalar() or ""
    contains = or_(
        cases.c.title.icontains(text, autoescape=True),
        cases.c.customer.icontains(text, autoescape=True),
        cases.c.subject.icontains(text, autoescape=True),
    )
    closed = cases.c.closed_at.is_not(None)
    places = (
        and_(cases.c.id > floor, contains),
        and_(cases.c.closed_at.is_(None), contains),
        and_(closed, cases.c.customer.in_([text, text.casefold()])),
        and_(closed, cases.c.subject == text),
        cases.c.id == text,
    )
    page = select(cases.c.id).where(*conditions).order_by(cases.c.id.desc()).limit(limit)
    return {row[0] for place in places for row in tx.execute(page.where(place))}


def _with_people(tx: Tx, rows: Sequence[tuple[Action, Case]]) -> list[Waiting]:
    ids = [action.id for action, _ in rows]
    if not ids:
        return []
    begun = dict[str, datetime]()
    for action_id, at in tx.execute(
        select(attempts.c.action_id, func.max(attempts.c.started_at))
        .where(attempts.c.action_id.in_(ids))
        .group_by(attempts.c.action_id)
    ):
        begun[action_id] = at
    approvals: defaultdict[tuple[str, int, str], list[Given]] = defaultdict(list)
    query = select(
        decisions.c.action_id,
        decisions.c.revision,
        decisions.c.digest,
        decisions.c.person_id,
        decisions.c.on_behalf_of,
        decisions.c.decided_at,
    ).where(decisions.c.action_id.in_(ids), decisions.c.decision == "approve", decisions.c.person_id.is_not(None))
    for action_id, revision, digest, person_id, behalf, at in tx.execute(
        query.order_by(decisions.c.decided_at, decisions.c.id)
    ):
        # An approval is used up by the attempt that it led to.
        if action_id not in begun or at > begun[action_id]:
            approvals[action_id, revision, digest].append(Given(person_id, behalf, at))
    editors: defaultdict[str, dict[str, None]] = defaultdict(dict)
    asked: dict[tuple[str, int], datetime] = {}
    for action_id, revision, author, at in tx.execute(
        select(revisions.c.action_id, revisions.c.revision, revisions.c.author, revisions.c.created_at).where(
            revisions.c.action_id.in_(ids), WRITTEN
        )
    ):
        asked[action_id, revision] = at
        if author.startswith("person:"):
            editors[action_id][author] = None
    excluding = {action.id: action.verdict.get("exclude", ()) for action, _ in rows}
    brought = exclusions.initiators(tx, {case.id for action, case in rows if "initiator" in excluding[action.id]})
    return [
        Waiting(
            action,
            case,
            approvals=tuple(approvals[action.id, action.revision, action.digest]),
            asked_at=asked.get((action.id, action.revision)),
            editors=tuple(editors[action.id]),
            initiators=brought.get(case.id, frozenset()),
            last_approvers=exclusions.last_approvers(tx, action, case)
            if "last_approver" in excluding[action.id]
            else frozenset(),
        )
        for action, case in rows
    ]

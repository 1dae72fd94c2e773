"""The commits of the flow as transactions of several statements, for SQLite. Called by `workers.store.flow`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import bindparam, func, select

from workers.store import actions, audit, cases, events, limits, steps, switches
from workers.store.audit import Chain
from workers.store.cases import LostClaim
from workers.store.database import Database, Tx
from workers.store.flow_types import ActionSnapshot, Caps, Claimed, Consent, Ending, Progress, stopping
from workers.store.records import Action, ActionState, Attempt, Case
from workers.store.tables import actions as action_table

_LIVE = [ActionState.APPROVED, ActionState.EXECUTING, ActionState.DONE, ActionState.UNCERTAIN]
_LIVE_ON = (
    select(action_table.c.kind, action_table.c.target, func.count())
    .where(
        action_table.c.target.in_(bindparam("targets", expanding=True)),
        action_table.c.kind.in_(bindparam("kinds", expanding=True)),
        action_table.c.state.in_(_LIVE),
    )
    .group_by(action_table.c.kind, action_table.c.target)
)


def claim(db: Database, case_id: str, *, worker: str, now: datetime, lease: timedelta, caps: Caps) -> Claimed | None:
    with db.write() as tx:
        wanted = cases.to_be_claimed(tx, case_id, now, customer=caps.customer, source=caps.source)
        if wanted is None:
            return None
        case = cases.claim(tx, wanted, worker=worker, now=now, lease=lease)
        if case is None:
            return None
        return Claimed(case, events.of_case(tx, case.id), Chain())


def record(db: Database, case: Case, chain: Chain, progress: Progress, *, now: datetime) -> tuple[Case, Chain]:
    with db.write() as tx:
        return record_in(tx, case, progress, now=now), chain


def record_in(tx: Tx, case: Case, progress: Progress, *, now: datetime) -> Case:
    if progress.unless and switches.thrown(tx, progress.unless) is not None:
        raise LostClaim(f"a switch was thrown that stops what case {case.id} would begin")
    later = progress.told_later and not audit.end_of(tx, case.id).waiting
    waiting = {"untold": audit.untold(progress.notes, packed=False)} if later else {}
    moved = cases.move(tx, case, now=now, **progress.changes, **waiting)
    if progress.unjoined and moved.events_total != case.events_total:
        raise LostClaim(f"an event joined case {case.id}")
    steps.add(tx, progress.steps)
    steps.add_facts(tx, progress.facts)
    for usage in progress.usage:
        steps.add_usage(tx, usage)
    for action in progress.actions:
        actions.add(tx, action)
    for revision in progress.revisions:
        actions.add_revision(tx, revision)
    if not later:
        audit.append(tx, case.id, now, *progress.notes)
    return moved


def snapshot(db: Database, action_id: str) -> ActionSnapshot | None:
    with db.read() as tx:
        action = actions.get(tx, action_id)
        case = cases.get(tx, action.case_id) if action is not None else None
        if action is None or case is None:
            return None
        return ActionSnapshot(
            action=action,
            case=case,
            others=[other for other in actions.of_case(tx, case.id) if other.id != action.id],
            switch=switches.thrown(tx, stopping(action, case)),
            chain=Chain(),
            held="limits" in action.verdict and limits.holds(tx, action.id),
        )


def begin(
    db: Database, action: Action, *, worker: str, now: datetime, lease: timedelta, unless: Sequence[str]
) -> tuple[Action, Attempt] | None:
    with db.write() as tx:
        if switches.thrown(tx, unless) is not None:
            return None
        started = actions.change(
            tx,
            action,
            now=now,
            state=ActionState.EXECUTING,
            claimed_by=worker,
            wake_at=now + lease,
            tries=action.tries + 1,
            waiting_for=None,
        )
        return None if started is None else (started, actions.begin_attempt(tx, started, key=action.id, now=now))


def end(db: Database, action: Action, ending: Ending, *, now: datetime) -> bool:
    with db.write() as tx:
        if not _as_read(tx, ending.case) or actions.change(tx, action, now=now, **ending.changes) is None:
            return False
        if ending.in_rows:
            actions.finish_attempts(
                tx, action, outcome=ending.outcome, now=now, receipt=ending.receipt, error=ending.error
            )
        if ending.case_changes:
            cases.change(tx, action.case_id, now=now, **ending.case_changes)
        audit.append(tx, action.case_id, now, *ending.notes)
    return True


def approve(db: Database, action: Action, consent: Consent, *, now: datetime) -> Action | None:
    with db.write() as tx:
        if not _as_read(tx, consent.case) or actions.decisions_of(tx, action.id):
            return None
        approved = actions.change(tx, action, now=now, **consent.changes)
        if approved is not None:
            actions.add_decision(tx, consent.decision)
            cases.change(tx, action.case_id, now=now, **consent.case_changes)
            audit.append(tx, action.case_id, now, *consent.notes)
    return approved


def _as_read(tx: Tx, case: Case) -> bool:
    """Whether a case is as it was read; it is held until the commit then."""
    stands = cases.lock(tx, case.id)
    if stands is None or stands.claimed_by:
        return False
    return (stands.version, stands.events_total) == (case.version, case.events_total)


def live_on(db: Database, kinds: Sequence[str], targets: Sequence[str]) -> dict[tuple[str, str], int]:
    with db.read() as tx:
        rows = tx.execute(_LIVE_ON, {"targets": list(targets), "kinds": list(kinds)})
        return {(kind, target): count for kind, target, count in rows}

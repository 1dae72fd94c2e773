"""What happens to an action that waits for people when its time comes: the end of a snooze, a rung of its ladder, or the end
of the time in which it had to be decided.

`execute` asks it for each pending action that is due; a decision that moves the next look tells first what was reached before. Time
that passes never approves anything: a rung lets further people decide, and at the end nobody having decided counts as a refusal.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from policies.approvals import Approval, climbed, next_rung
from policies.types import Requirement, Rung
from workers.obligations import telling
from workers.quorum import Position, Staff, position
from workers.settlement import settle
from workers.store import actions, audit, cases, inbox
from workers.store.audit import Note
from workers.store.database import Tx
from workers.store.records import Action, ActionState, Case
from workers.telemetry import metrics
from workers.wiring import System

#: a rung of a ladder with the place that it is for, and when it was reached
Reached = tuple[datetime, Requirement, Rung]


def lapse(system: System, action: Action) -> None:
    """A pending action's time came."""
    now = system.clock()
    with system.db.write() as tx:
        if action.expires_at is not None and action.expires_at <= now:
            hints = _expire(tx, action, now)
        else:
            hints = None
            _look_again(tx, action, now)
    if hints is None:
        return
    metrics.action_ended(action.kind, ActionState.EXPIRED.value)
    for action_id in hints:
        system.hints.action(action_id)


def _expire(tx: Tx, action: Action, now: datetime) -> list[str] | None:
    """The actions that are due by that; None where it was decided meanwhile."""
    # Before the action, as everybody takes them who withdraws or decides it.
    case = cases.lock(tx, action.case_id)
    why = "Nobody decided in time. That counts as a refusal."
    changed = actions.change(tx, action, now=now, state=ActionState.EXPIRED, reason=why, wake_at=None, settled_at=now)
    if changed is None:
        return None
    audit.append(tx, action.case_id, now, Note("caseworker", "expired", {"action": action.id}))
    return settle(tx, case, now=now) if case is not None else []


def _look_again(tx: Tx, action: Action, now: datetime) -> None:
    """A snooze is over, or the ladder has come to its next rung: say so, and wait on."""
    case = cases.lock(tx, action.case_id)
    if case is None:
        return
    stands = _position(tx, action, case, now)
    new = untold(action, stands, stands.given, now)
    rung = next_rung(stands.asked, stands.given, now)
    wake_at = min((at for at in (rung, action.expires_at) if at is not None), default=None)
    changes: dict[str, object] = {"wake_at": wake_at, "snoozed_until": None, **waits_for(new, stands, now)}
    if actions.change(tx, action, now=now, **changes) is not None:
        pass_on(tx, action, new, now)


def untold(action: Action, stands: Position, given: Sequence[Approval], now: datetime) -> list[Reached]:
    """The rungs that were reached with these approvals, and that nobody was told of. It is due at the next rung at the latest, so
    they are those since it was due."""
    reached = climbed(stands.asked, given, now)
    return [found for found in reached if action.wake_at is None or found[0] >= action.wake_at]


def waits_for(new: Sequence[Reached], stands: Position, now: datetime) -> dict[str, object]:
    """What changes of the action when these are told."""
    if not new or stands.tally.since is None:
        return {}
    minutes = int((now - stands.tally.since).total_seconds() // 60)
    roles = " and ".join(dict.fromkeys(rung.role for _, _, rung in new))
    return {"waiting_for": f"Asked since {minutes} minutes: {roles} may decide now."}


def pass_on(tx: Tx, action: Action, new: Sequence[Reached], now: datetime) -> None:
    """Write down that further people may decide, and tell them."""
    for _, place, rung in new:
        told = {
            "action": action.id,
            "asked": place.role,
            "role": rung.role,
            "after_minutes": rung.after_minutes,
        }
        audit.append(tx, action.case_id, now, Note("caseworker", "passed_on", told))
        telling.tell_of_rung(tx, action, rung.role, now)


def _position(tx: Tx, action: Action, case: Case, now: datetime) -> Position:
    return position(inbox.standing_of(tx, action, case), Staff.at(tx, now), now)

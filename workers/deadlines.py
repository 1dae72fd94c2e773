"""What happens to an action that waits for people when its time comes: the end of a snooze, a rung of its ladder, or the end
of the time in which it had to be decided.

`execute` asks it for each pending action that is due. Time that passes never approves anything: a rung lets further people
decide, and at the end nobody having decided counts as a refusal.
"""

from __future__ import annotations

from datetime import datetime

from policies.approvals import climbed, next_rung
from workers.obligations import telling
from workers.quorum import Position, Staff, position
from workers.settlement import settle
from workers.store import actions, audit, cases, inbox
from workers.store.audit import Note
from workers.store.database import Tx
from workers.store.records import Action, ActionState, Case
from workers.telemetry import metrics
from workers.wiring import System


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
    # It is due at the next rung at the latest, so what was reached since it was due is what nobody was told of.
    new = [found for found in climbed(stands.asked, stands.given, now) if _untold(action, found[0])]
    rung = next_rung(stands.asked, stands.given, now)
    wake_at = min((at for at in (rung, action.expires_at) if at is not None), default=None)
    changes: dict[str, object] = {"wake_at": wake_at, "snoozed_until": None}
    if new and stands.tally.since is not None:
        minutes = int((now - stands.tally.since).total_seconds() // 60)
        roles = " and ".join(dict.fromkeys(rung.role for _, _, rung in new))
        changes["waiting_for"] = f"Asked since {minutes} minutes: {roles} may decide now."
    if actions.change(tx, action, now=now, **changes) is None:
        return
    for _, place, rung_of in new:
        told = {
            "action": action.id,
            "asked": place.role,
            "role": rung_of.role,
            "after_minutes": rung_of.after_minutes,
        }
        audit.append(tx, case.id, now, Note("caseworker", "passed_on", told))
        telling.tell_of_rung(tx, action, rung_of.role, now)


def _position(tx: Tx, action: Action, case: Case, now: datetime) -> Position:
    return position(inbox.standing_of(tx, action, case), Staff.at(tx, now), now)


def _untold(action: Action, reached: datetime) -> bool:
    return action.wake_at is None or reached >= action.wake_at

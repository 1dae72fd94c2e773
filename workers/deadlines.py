"""What happens to an action that waits for people when its time comes: the end of a snooze, or of the time in which it had
to be decided.

`execute` asks it for each pending action that is due. Time that passes only ever makes an action stricter: nobody having
decided counts as a refusal.
"""

from __future__ import annotations

from workers.settlement import settle
from workers.store import actions, audit, cases
from workers.store.audit import Note
from workers.store.records import Action, ActionState
from workers.wiring import System


def lapse(system: System, action: Action) -> None:
    """A pending action's time came."""
    now = system.clock()
    with system.db.write() as tx:
        if action.expires_at is None or action.expires_at > now:
            actions.change(tx, action, now=now, wake_at=action.expires_at)
            return
        why = "Nobody decided in time. That counts as a refusal."
        changed = actions.change(
            tx, action, now=now, state=ActionState.EXPIRED, reason=why, wake_at=None, settled_at=now
        )
        if changed is None:
            return
        audit.append(tx, action.case_id, now, Note("caseworker", "expired", {"action": action.id}))
        case = cases.lock(tx, action.case_id)
        hints = settle(tx, case, now=now) if case is not None else []
    for action_id in hints:
        system.hints.action(action_id)

"""After something about a case's actions changed: wake what waited for it, withdraw what rested on it, close the case.

Called in the same transaction as the change, by the pipeline, by `execute` and by the inbox.
"""

from __future__ import annotations

from datetime import datetime

from workers.store import actions, audit, cases
from workers.store.audit import Note
from workers.store.database import Tx
from workers.store.records import Action, ActionState, Case, CaseState

#: what a closed case is called, by the best that happened to its actions
_OUTCOMES = (
    ActionState.DONE,
    ActionState.FAILED,
    ActionState.REJECTED,
    ActionState.DENIED,
    ActionState.EXPIRED,
    ActionState.CANCELLED,
)


def settle(tx: Tx, case: Case, *, now: datetime) -> list[str]:
    """Bring the case in line with its actions. Returns the ids of actions that are due, to be hinted after commit.

    A case that its agent has still to work on (claimed, due, or with a message nobody has read) is left to its next
    `decide`, which ends here too: it must not be closed under the agent's hands. One taken over is left to its person.
    """
    unread = case.events_total > case.events_worked
    if case.claimed_by or unread or case.state not in (CaseState.INBOX, CaseState.ACTING):
        return []
    everything = {action.id: action for action in actions.of_case(tx, case.id)}
    present = [action for action in everything.values() if action.settled_at is None]
    due: list[str] = []
    withdrawn: list[str] = []
    live: list[Action] = []
    for action in present:
        blocking = [everything[i] for i in action.rests_on if i in everything]
        lost = next((b for b in blocking if b.settled_at is not None and b.state != ActionState.DONE), None)
        if lost is not None and action.state in (ActionState.PENDING, ActionState.APPROVED):
            reason = f"It rested on “{lost.sentence}”, which was not done ({lost.state})."
            actions.change(
                tx, action, now=now, state=ActionState.CANCELLED, reason=reason, settled_at=now, wake_at=None
            )
            withdrawn.append(action.sentence)
            continue
        live.append(action)
        if action.state != ActionState.APPROVED:
            continue
        if action.wake_at is None and all(b.state == ActionState.DONE for b in blocking):
            actions.change(tx, action, now=now, wake_at=now, waiting_for=None)
            due.append(action.id)
        elif action.wake_at is not None and action.wake_at <= now:
            due.append(action.id)
    attention = case.attention
    if withdrawn:
        audit.append(tx, case.id, now, Note("caseworker", "withdrew", {"actions": len(withdrawn)}))
        attention = f"Withdrawn, because what it rested on was not done: {'; '.join(withdrawn)}."
    if live:
        waits = any(a.state in (ActionState.PENDING, ActionState.UNCERTAIN) for a in live)
        state = CaseState.INBOX if waits or attention else CaseState.ACTING
        cases.change(tx, case.id, now=now, state=state, attention=attention)
    elif attention:
        cases.change(tx, case.id, now=now, state=CaseState.INBOX, attention=attention)
    else:
        _close(tx, case, list(everything.values()), now)
    return due


def _close(tx: Tx, case: Case, everything: list[Action], now: datetime) -> None:
    states = {action.state for action in everything}
    outcome = next((state.value for state in _OUTCOMES if state in states), "nothing_done")
    closed = cases.change(tx, case.id, now=now, state=CaseState.CLOSED, outcome=outcome, closed_at=now, wake_at=None)
    if closed is not None:
        audit.append(tx, case.id, now, Note("caseworker", "closed", {"outcome": outcome}))

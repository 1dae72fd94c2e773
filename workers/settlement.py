"""After something about a case's actions changed: wake what waited for it, withdraw what rested on it, close the case.

`consequences_of` says what follows, from the case and its actions alone; `settle` does it, in the same transaction as the change, for
the pipeline, `execute` and the inbox. Where a case has nothing else going on, the flow writes the consequences itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from workers.obligations import cooling
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


@dataclass(slots=True)
class Consequences:
    """What follows from how a case's actions stand."""

    #: columns to change, by action
    actions: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    #: columns of the case
    case: dict[str, Any] = field(default_factory=dict)
    #: ids of actions that are due, to be hinted after the commit
    due: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def consequences_of(case: Case, everything: Sequence[Action], *, now: datetime) -> Consequences:
    """What follows for a case that nobody works on from all of its actions."""
    consequences = Consequences()
    by_id = {action.id: action for action in everything}
    ended = {action.id: ActionState(action.state) for action in everything}
    withdrawn: list[str] = []
    live: list[Action] = []
    for action in everything:
        if action.settled_at is not None:
            continue
        blocking = [by_id[i] for i in action.rests_on if i in by_id]
        lost = next((b for b in blocking if b.settled_at is not None and b.state != ActionState.DONE), None)
        if lost is not None and action.state in (ActionState.PENDING, ActionState.APPROVED):
            reason = f"It rested on “{lost.sentence}”, which was not done ({lost.state})."
            consequences.actions[action.id] = {
                "state": ActionState.CANCELLED,
                "reason": reason,
                "settled_at": now,
                "wake_at": None,
            }
            ended[action.id] = ActionState.CANCELLED
            withdrawn.append(action.sentence)
            continue
        live.append(action)
        if action.state != ActionState.APPROVED:
            continue
        due_at = action.wake_at
        if due_at is None and all(b.state == ActionState.DONE for b in blocking):
            due_at = cooling.earliest(action, now)
            consequences.actions[action.id] = {"wake_at": due_at, "waiting_for": None}
        if due_at is not None and due_at <= now:
            consequences.due.append(action.id)
    attention = case.attention
    if withdrawn:
        consequences.notes.append(Note("caseworker", "withdrew", {"actions": len(withdrawn)}))
        attention = f"Withdrawn, because what it rested on was not done: {'; '.join(withdrawn)}."
    if live:
        waits = any(a.state in (ActionState.PENDING, ActionState.UNCERTAIN) for a in live)
        state = CaseState.INBOX if waits or attention else CaseState.ACTING
        consequences.case = {"state": state, "attention": attention}
    elif attention:
        consequences.case = {"state": CaseState.INBOX, "attention": attention}
    else:
        states = set(ended.values())
        outcome = next((state.value for state in _OUTCOMES if state in states), "nothing_done")
        consequences.case = {"state": CaseState.CLOSED, "outcome": outcome, "closed_at": now, "wake_at": None}
        consequences.notes.append(Note("caseworker", "closed", {"outcome": outcome}))
    return consequences


def at_rest(case: Case) -> bool:
    """Whether a case is nobody's just now. One that its agent has still to work on (claimed, due, or with a message that
    nobody has read) is left to its next `decide`, which settles too; one taken over is left to its person."""
    unread = case.events_total > case.events_worked
    return not (case.claimed_by or unread) and case.state in (CaseState.INBOX, CaseState.ACTING)


def settle(tx: Tx, case: Case, *, now: datetime) -> list[str]:
    """Bring the case in line with its actions. Returns the ids of actions that are due, to be hinted after commit."""
    if not at_rest(case):
        return []
    everything = actions.of_case(tx, case.id)
    consequences = consequences_of(case, everything, now=now)
    for action in everything:
        changes = consequences.actions.get(action.id)
        if changes is not None:
            actions.change(tx, action, now=now, **changes)
    if cases.change(tx, case.id, now=now, **consequences.case) is not None and consequences.notes:
        audit.append(tx, case.id, now, *consequences.notes)
    return consequences.due

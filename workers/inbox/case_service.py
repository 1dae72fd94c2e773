"""What people can do to a case that asks for them though none of its actions is pending: again, by hand, or close."""

from __future__ import annotations

from datetime import datetime

from workers.inbox.words import Invalid, NotFound
from workers.store import actions, audit, cases, children
from workers.store.audit import Note
from workers.store.database import Tx
from workers.store.records import ActionState, Case, CaseState, Person
from workers.wiring import System


def take_case_over(tx: Tx, case: Case, person: Person, now: datetime) -> None:
    """The agent stops on this case; what was not begun is cancelled."""
    actions.settle_open(tx, case.id, ActionState.CANCELLED, f"{person.name} took the case over.", now)
    cases.change(
        tx,
        case.id,
        now=now,
        state=CaseState.TAKEN_OVER,
        assignee=person.id,
        attention=f"{person.name} does the rest by hand.",
        wake_at=None,
    )


def decide_case(system: System, person: Person, case_id: str, word: str, reason: str | None) -> Case:
    """``retry`` (the agent tries again), ``take_over`` or ``close`` on a case that asks for a person."""
    now = system.clock()
    hint = False
    with system.db.write() as tx:
        case = cases.lock(tx, case_id)
        if case is None:
            raise NotFound(f"There is no case {case_id!r}.")
        if case.closed_at is not None:
            raise Invalid("The case is closed.")
        if case.claimed_by:
            raise Invalid("The agent is working on this case right now. Try again in a moment.")
        # Whatever was asked of other agents was asked for a draft that is not wanted any more.
        children.cancel(tx, case.id, now)
        if word == "retry":
            actions.settle_open(tx, case.id, ActionState.SUPERSEDED, "The agent was asked to try again.", now)
            cases.change(
                tx,
                case.id,
                now=now,
                state=CaseState.WORKING,
                step="gather" if case.events_worked else "triage",
                round=case.round + 1,
                instruction=reason,
                attention=None,
                wake_at=now,
            )
            hint = True
        elif word == "take_over":
            take_case_over(tx, case, person, now)
        elif word == "close":
            if any(a.state in (ActionState.EXECUTING, ActionState.UNCERTAIN) for a in actions.unsettled(tx, case.id)):
                raise Invalid("An action of this case is being carried out or is uncertain; settle that first.")
            actions.settle_open(tx, case.id, ActionState.CANCELLED, reason or "The case was closed by hand.", now)
            cases.change(
                tx,
                case.id,
                now=now,
                state=CaseState.CLOSED,
                outcome="closed_by_hand",
                attention=None,
                closed_at=now,
                wake_at=None,
            )
        else:
            raise Invalid(f"{word!r} is no decision on a case; there are retry, take_over, close.")
        data = {"decision": word, "reason": reason}
        audit.append(tx, case.id, now, Note(f"person:{person.email}", "decided_case", data))
        after = cases.get(tx, case.id)
    if hint:
        system.hints.case(case.id, case.domain)
    return after or case

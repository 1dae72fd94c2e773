"""What people can do to a case that asks for them though none of its actions is pending: again, by hand, or close.

That is for those whom an open action of the case asks, or, where none is open, whom its domain's rules ask; for whoever has
taken it over; and for every lead. Everybody who is signed in may read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from policies.record import verdict_of
from policies.rules import Policy
from workers.inbox.words import Invalid, NotAllowed, NotFound
from workers.quorum import LEAD, Staff
from workers.store import actions, audit, cases, children
from workers.store.audit import Note
from workers.store.database import Tx
from workers.store.records import Action, ActionState, Case, CaseState, Person
from workers.wiring import System

IN_HAND = "The agent is working on this case right now. Try again in a moment."
_OPEN = (ActionState.PENDING, ActionState.UNCERTAIN)


def take_case_over(tx: Tx, case: Case, person: Person, now: datetime) -> None:
    """The agent stops on this case; what was not begun is cancelled. Raise `Invalid` while a worker has it in hand."""
    actions.settle_open(tx, case.id, ActionState.CANCELLED, f"{person.name} took the case over.", now)
    changed = cases.change(
        tx,
        case.id,
        now=now,
        state=CaseState.TAKEN_OVER,
        assignee=person.id,
        attention=f"{person.name} does the rest by hand.",
        wake_at=None,
    )
    if changed is None:
        raise Invalid(IN_HAND)


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
        may_decide(tx, system.policy, person, case, now)
        if case.claimed_by:
            raise Invalid(IN_HAND)
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
            actions.settle_open(tx, case.id, ActionState.CANCELLED, reason or "The case was closed by hand.", now)
            # After that nothing of it can be begun any more; what was is seen.
            if any(a.state in (ActionState.EXECUTING, ActionState.UNCERTAIN) for a in actions.unsettled(tx, case.id)):
                raise Invalid("An action of this case is being carried out or is uncertain; settle that first.")
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
        audit.append(tx, case.id, now, Note(person.actor, "decided_case", data))
        after = cases.get(tx, case.id)
    if hint:
        system.hints.case(case.id, case.domain)
    return after or case


def may_decide(tx: Tx, policy: Policy, person: Person, case: Case, now: datetime) -> None:
    """Raise `NotAllowed` for somebody whose case this is not."""
    if not person.active:
        raise NotAllowed("This account is not active.")
    if LEAD in person.groups or case.assignee == person.id:
        return
    roles = _asked(policy, case, [a for a in actions.unsettled(tx, case.id) if a.state in _OPEN])
    groups = frozenset[str]().union(*(voice.groups for voice in Staff.at(tx, now).voices(person)))
    if roles and "" not in roles and roles.isdisjoint(groups):
        raise NotAllowed(
            f"This is for somebody of: {', '.join(sorted({*roles, LEAD}))}. "
            f"You are in: {', '.join(person.groups) or 'no group'}."
        )


def _asked(policy: Policy, case: Case, waiting: Sequence[Action]) -> set[str]:
    """Whose case it is: the groups that its open actions ask for, else those that rules of its domain ask for. Nobody named
    means anybody."""
    verdicts = [verdict_of(action.verdict) for action in waiting]
    if verdicts:
        return {r.role for verdict in verdicts for r in verdict.requirements} or {""}
    own = [bundle for bundle in policy.bundles if bundle.domain == case.domain]
    rules = [requirement for bundle in own for rule in bundle.rules for requirement in rule.requirements]
    return {r.role for r in [*rules, *(r for bundle in own for r in bundle.defaults.requirements)]}

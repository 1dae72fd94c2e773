"""How each decision changes an action. `TAKE` maps every word to its function; `service` checks before and records after.

Each function makes one conditional update and returns what became of it, or None when the action changed under its feet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from policies.approvals import Approval, may_fill, still_needed
from policies.types import Requirement
from workers.actions.catalogue import CATALOGUE
from workers.drafting import rejudge
from workers.inbox.case_service import take_case_over
from workers.inbox.words import Choice, Invalid, Word
from workers.store import actions, cases, people
from workers.store.database import Tx
from workers.store.records import Action, ActionState, Case, CaseState, Person
from workers.wiring import System

#: what is recorded when somebody's edit stands but their yes does not count for it
EDIT = "edit"


@dataclass(frozen=True, slots=True)
class Deciding:
    """One decision on its way."""

    system: System
    tx: Tx
    case: Case
    action: Action
    person: Person
    choice: Choice
    now: datetime

    @property
    def actor(self) -> str:
        return f"person:{self.person.email}"

    @property
    def approval(self) -> Approval:
        return Approval(self.person.id, frozenset(self.person.groups))

    def settle_as(self, state: ActionState, reason: str | None) -> Action | None:
        return actions.change(
            self.tx,
            self.action,
            now=self.now,
            state=state,
            reason=reason,
            decided_by=self.actor,
            decided_at=self.now,
            settled_at=self.now,
            wake_at=None,
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """The action as it is after a decision, and the word under which the decision is kept."""

    action: Action
    word: str


def approve(d: Deciding) -> Taken | None:
    """Yes to exactly this revision. With other arguments: first a new revision, which the policy judges anew."""
    action = d.action
    if d.choice.arguments is not None and dict(d.choice.arguments) != dict(action.arguments):
        edited = _edit(d, d.choice.arguments)
        if edited is None:
            return None
        if edited.state != ActionState.PENDING or not _may_approve(d, edited):
            return Taken(edited, EDIT)
        action = edited
    approvals = [*_approvals(d, action), d.approval]
    if len({approval.person for approval in approvals}) < len(approvals):
        raise Invalid("You have approved this already; it waits for somebody else.")
    missing = still_missing(action, approvals)
    if missing:
        waits = "Approved in part. Still needed: " + ", ".join(f"{r.n} of {r.role or 'anybody'}" for r in missing)
        return _taken(d, actions.change(d.tx, action, now=d.now, waiting_for=waits))
    return _taken(d, actions.change(d.tx, action, now=d.now, **approved(action, actor=d.actor, now=d.now)))


def still_missing(action: Action, approvals: Sequence[Approval]) -> list[Requirement]:
    """What an action's verdict asks for beyond these approvals."""
    needed = [Requirement(str(r["role"]), int(r["n"])) for r in action.verdict["requirements"]]
    return list(still_needed(needed, approvals))


def approved(action: Action, *, actor: str, now: datetime) -> dict[str, Any]:
    """The columns of an action that has all approvals."""
    return {
        "state": ActionState.APPROVED,
        "approved_digest": action.digest,
        "decided_by": actor,
        "decided_at": now,
        "waiting_for": "Waits for what it rests on." if action.rests_on else None,
        "wake_at": None if action.rests_on else now + CATALOGUE[action.kind].hold,
    }


def reject(d: Deciding) -> Taken | None:
    uncertain = d.action.state == ActionState.UNCERTAIN
    return _taken(d, d.settle_as(ActionState.FAILED if uncertain else ActionState.REJECTED, d.choice.reason))


def request_changes(d: Deciding) -> Taken | None:
    """Back to the agent with an instruction; the case's other drafts are drawn up again with it."""
    changed = d.settle_as(ActionState.CHANGES_REQUESTED, d.choice.reason)
    if changed is not None:
        actions.settle_open(d.tx, d.case.id, ActionState.SUPERSEDED, "Drafted again on a reviewer's request.", d.now)
        cases.change(
            d.tx,
            d.case.id,
            now=d.now,
            state=CaseState.WORKING,
            step="draft",
            round=d.case.round + 1,
            instruction=d.choice.reason,
            attention=None,
            wake_at=d.now,
        )
    return _taken(d, changed)


def take_over(d: Deciding) -> Taken | None:
    changed = d.settle_as(ActionState.CANCELLED, d.choice.reason or "Taken over by hand.")
    if changed is not None:
        take_case_over(d.tx, d.case, d.person, d.now)
    return _taken(d, changed)


def snooze(d: Deciding) -> Taken | None:
    """Out of sight until a time, never past the deadline."""
    until = d.choice.until
    if until is None or until <= d.now:
        raise Invalid("Say until when: a time in the future.")
    if d.action.expires_at is not None and until > d.action.expires_at:
        raise Invalid(f"This must be decided by {d.action.expires_at:%Y-%m-%d %H:%M} UTC: snooze until then at most.")
    return _taken(d, actions.change(d.tx, d.action, now=d.now, wake_at=until))


def escalate(d: Deciding) -> Taken | None:
    """Ask for a further group. What was approved so far lapses: the requirement is part of what is approved."""
    group = d.choice.group or "lead"
    if group in [str(r["role"]) for r in d.action.verdict["requirements"]]:
        raise Invalid(f"It waits for {group!r} already.")
    judged = rejudge(
        d.system,
        d.tx,
        d.case,
        d.action,
        d.action.arguments,
        author="escalation",
        edited=False,
        now=d.now,
        extra_roles=[group],
    )
    return _taken(d, judged)


def confirm(d: Deciding) -> Taken | None:
    """An uncertain action did happen: a person looked."""
    return _taken(d, d.settle_as(ActionState.DONE, d.choice.reason or "A person looked: it happened."))


TAKE: Mapping[Word, Callable[[Deciding], Taken | None]] = {
    Word.APPROVE: approve,
    Word.REJECT: reject,
    Word.REQUEST_CHANGES: request_changes,
    Word.TAKE_OVER: take_over,
    Word.SNOOZE: snooze,
    Word.ESCALATE: escalate,
    Word.CONFIRM: confirm,
}


def _taken(d: Deciding, action: Action | None) -> Taken | None:
    return None if action is None else Taken(action, d.choice.word.value)


def _edit(d: Deciding, arguments: Mapping[str, Any]) -> Action | None:
    kind = CATALOGUE[d.action.kind]
    try:
        plain = kind.arguments.model_validate(dict(arguments)).model_dump(mode="json")
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise Invalid(f"The changed draft does not fit: {problems}") from error
    edited = rejudge(d.system, d.tx, d.case, d.action, plain, author=d.actor, edited=True, now=d.now)
    if edited is not None:
        _have_read_again(d, edited)
    return edited


def _have_read_again(d: Deciding, edited: Action) -> None:
    """What rests on an edited action was drafted for what it was before: a reply may name the old amount.

    It becomes a new revision that says so, and an approval of the old one lapses.
    """
    for other in actions.unsettled(d.tx, d.case.id):
        if edited.id in other.rests_on and other.state in (ActionState.PENDING, ActionState.APPROVED):
            anew = rejudge(d.system, d.tx, d.case, other, other.arguments, author="caseworker", edited=False, now=d.now)
            if anew is not None:
                why = f"Read it again: since it was drafted, this was changed by hand to “{edited.sentence}”."
                actions.change(d.tx, anew, now=d.now, waiting_for=why)


def _may_approve(d: Deciding, edited: Action) -> bool:
    """Whether the editor's own yes counts for the new revision."""
    if "editor" in edited.verdict.get("exclude", ()):
        return False
    roles = [str(r["role"]) for r in edited.verdict["requirements"]]
    return not roles or any(may_fill(d.approval, role) for role in roles)


def _approvals(d: Deciding, action: Action) -> list[Approval]:
    """Earlier approvals of exactly this revision by people who are still active, with the groups they are in now."""
    found = []
    # An approval is used up by the attempt that it led to: doing an uncertain action again needs a fresh one.
    tried = actions.attempts_of(d.tx, action.id) if action.tries else []
    begun = max((attempt.started_at for attempt in tried), default=None)
    for decision in actions.decisions_of(d.tx, action.id):
        if begun is not None and decision.decided_at <= begun:
            continue
        same = decision.revision == action.revision and decision.digest == action.digest
        if decision.decision == Word.APPROVE and same and decision.person_id:
            person = people.get(d.tx, decision.person_id)
            if person is not None and person.active:
                found.append(Approval(person.id, frozenset(person.groups)))
    return found

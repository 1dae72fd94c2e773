"""How each decision changes an action. `TAKE` maps every word to its function; `service` checks before and records after.

Each function makes one conditional update and returns what became of it, or None when the action changed under its feet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from policies.approvals import Approval, next_rung, tally
from workers import deadlines
from workers.actions.catalogue import CATALOGUE
from workers.drafting import rejudge
from workers.inbox.case_service import IN_HAND, take_case_over
from workers.inbox.words import Choice, Invalid, NotAllowed, Word
from workers.limits import reserving
from workers.obligations import cooling, telling
from workers.quorum import LEAD, Position, in_words, position
from workers.store import actions, cases, inbox
from workers.store.audit import Note
from workers.store.database import Tx
from workers.store.records import ESCALATION, Action, ActionState, Case, CaseState, Person
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
    #: how the action stands with the people there are
    stands: Position
    #: what was judged anew on the way, for the audit log
    judged: list[Note] = field(default_factory=list)

    def settle_as(self, state: ActionState, reason: str | None, **more: Any) -> Action | None:
        return actions.change(
            self.tx,
            self.action,
            now=self.now,
            state=state,
            reason=reason,
            decided_by=self.person.actor,
            decided_at=self.now,
            settled_at=self.now,
            wake_at=None,
            **more,
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """The action as it is after a decision, and the word under which the decision is kept."""

    action: Action
    word: str
    #: whom the yes was said for, where that is somebody who is away: id and e-mail address
    on_behalf_of: str | None = None
    for_whom: str = ""


def approve(d: Deciding) -> Taken | None:
    """Yes to exactly this revision. With other arguments: first a new revision, which the policy judges anew."""
    action, stands = d.action, d.stands
    if d.choice.arguments is not None and dict(d.choice.arguments) != dict(action.arguments):
        edited = _edit(d, d.choice.arguments)
        if edited is None:
            return None
        action, stands = edited, position(inbox.standing_of(d.tx, edited, d.case), d.stands.staff, d.now)
        if edited.state != ActionState.PENDING or stands.voice(d.person) is None:
            return Taken(edited, EDIT)
    voice = stands.voice(d.person)
    if voice is None:
        # `service` has asked before; whatever came between, such a yes is not written down.
        return None
    given = [*stands.given, voice]
    missing = tally(stands.asked, given).missing
    if missing:
        waits = f"Approved in part. Still needed: {in_words(missing)}."
        changes = {"waiting_for": waits, "wake_at": _next_look(action, stands, given, d.now)}
        deadlines.pass_on(d.tx, action, deadlines.untold(action, stands, given, d.now), d.now)
    else:
        _reserve(d, action)
        changes = approved(action, actor=d.person.actor, now=d.now)
    changed = actions.change(d.tx, action, now=d.now, **changes)
    if changed is None:
        return None
    return Taken(changed, d.choice.word.value, voice.on_behalf_of, _email(d, voice))


def _reserve(d: Deciding, action: Action) -> None:
    try:
        reserving.reserve_for_approval(d.tx, action, now=d.now)
    except reserving.LimitReached as error:
        raise NotAllowed(str(error)) from error


def _next_look(action: Action, stands: Position, given: list[Approval], now: datetime) -> datetime | None:
    """When an action that still waits for people is next due: the end of a snooze, the next rung, or the deadline."""
    put_off = action.snoozed_until
    moments = [put_off if put_off is not None and put_off > now else None, next_rung(stands.asked, given, now)]
    return min((at for at in (*moments, action.expires_at) if at is not None), default=None)


def _email(d: Deciding, voice: Approval) -> str:
    return d.stands.staff.everyone[voice.on_behalf_of].email if voice.on_behalf_of is not None else ""


def approved(action: Action, *, actor: str, now: datetime) -> dict[str, Any]:
    """The columns of an action that has all approvals."""
    return {
        "state": ActionState.APPROVED,
        "approved_digest": action.digest,
        "decided_by": actor,
        "decided_at": now,
        "waiting_for": "Waits for what it rests on." if action.rests_on else None,
        "wake_at": None if action.rests_on else now + cooling.pause(action.kind, action.verdict),
    }


def reject(d: Deciding) -> Taken | None:
    uncertain = d.action.state == ActionState.UNCERTAIN
    return _taken(d, d.settle_as(ActionState.FAILED if uncertain else ActionState.REJECTED, d.choice.reason))


def stop(d: Deciding) -> Taken | None:
    """An approved action that has not gone out yet does not go out. Losing to whoever carries it out leaves it as it is."""
    return _taken(d, d.settle_as(ActionState.REJECTED, d.choice.reason, waiting_for=None))


def request_changes(d: Deciding) -> Taken | None:
    """Back to the agent with an instruction; the case's other drafts are drawn up again with it."""
    changed = d.settle_as(ActionState.CHANGES_REQUESTED, d.choice.reason)
    if changed is not None:
        actions.settle_open(d.tx, d.case.id, ActionState.SUPERSEDED, "Drafted again on a reviewer's request.", d.now)
        anew = cases.change(
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
        if anew is None:
            raise Invalid(IN_HAND)
    return _taken(d, changed)


def take_over(d: Deciding) -> Taken | None:
    changed = d.settle_as(ActionState.CANCELLED, d.choice.reason or "Taken over by hand.")
    if changed is not None:
        take_case_over(d.tx, d.case, d.person, d.now)
    return _taken(d, changed)


def snooze(d: Deciding) -> Taken | None:
    """Out of sight until a time, never past the deadline nor past the moment from which others may decide too."""
    until = d.choice.until
    if until is None or until <= d.now:
        raise Invalid("Say until when: a time in the future.")
    if d.action.expires_at is not None and until > d.action.expires_at:
        raise Invalid(f"This must be decided by {d.action.expires_at:%Y-%m-%d %H:%M} UTC: snooze until then at most.")
    rung = next_rung(d.stands.asked, d.stands.given, d.now)
    if rung is not None and until > rung:
        raise Invalid(f"From {rung:%Y-%m-%d %H:%M} UTC on others may decide this too: snooze until then at most.")
    new = deadlines.untold(d.action, d.stands, d.stands.given, d.now)
    deadlines.pass_on(d.tx, d.action, new, d.now)
    changes = {"wake_at": until, "snoozed_until": until, **deadlines.waits_for(new, d.stands, d.now)}
    return _taken(d, actions.change(d.tx, d.action, now=d.now, **changes))


def escalate(d: Deciding) -> Taken | None:
    """Ask for a further group. What was approved so far lapses: the requirement is part of what is approved."""
    group = d.choice.group or LEAD
    if group in {r.role for r in d.stands.asked.requirements}:
        raise Invalid(f"It waits for {group!r} already.")
    if not d.stands.staff.has(group, d.stands.asked.authorised):
        raise Invalid(f"Nobody who is here could say yes to this for {group!r}.")
    return _taken(d, _anew(d, d.action, d.action.arguments, author=ESCALATION, extra_roles=[group]))


def confirm(d: Deciding) -> Taken | None:
    """An uncertain action did happen: a person looked."""
    done = d.settle_as(ActionState.DONE, d.choice.reason or "A person looked: it happened.")
    if done is not None:
        telling.tell(d.tx, done, d.now)
    return _taken(d, done)


TAKE: Mapping[Word, Callable[[Deciding], Taken | None]] = {
    Word.APPROVE: approve,
    Word.REJECT: reject,
    Word.REQUEST_CHANGES: request_changes,
    Word.TAKE_OVER: take_over,
    Word.SNOOZE: snooze,
    Word.ESCALATE: escalate,
    Word.CONFIRM: confirm,
    Word.STOP: stop,
}


def _taken(d: Deciding, action: Action | None) -> Taken | None:
    return None if action is None else Taken(action, d.choice.word.value)


def _anew(
    d: Deciding,
    action: Action,
    arguments: Mapping[str, Any],
    *,
    author: str,
    edited: bool = False,
    extra_roles: Sequence[str] = (),
) -> Action | None:
    made = rejudge(
        d.system, d.tx, d.case, action, arguments, author=author, edited=edited, now=d.now, extra_roles=extra_roles
    )
    if made is None:
        return None
    d.judged.append(made.note)
    return made.action


def _edit(d: Deciding, arguments: Mapping[str, Any]) -> Action | None:
    kind = CATALOGUE[d.action.kind]
    try:
        plain = kind.arguments.model_validate(dict(arguments)).model_dump(mode="json")
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise Invalid(f"The changed draft does not fit: {problems}") from error
    edited = _anew(d, d.action, plain, author=d.person.actor, edited=True)
    if edited is not None:
        _have_read_again(d, edited)
    return edited


def _have_read_again(d: Deciding, edited: Action) -> None:
    """What rests on an edited action was drafted for what it was before: a reply may name the old amount.

    It becomes a new revision that says so, and an approval of the old one lapses.
    """
    for other in actions.unsettled(d.tx, d.case.id):
        if edited.id in other.rests_on and other.state in (ActionState.PENDING, ActionState.APPROVED):
            anew = _anew(d, other, other.arguments, author="caseworker")
            if anew is not None:
                why = f"Read it again: since it was drafted, this was changed by hand to “{edited.sentence}”."
                actions.change(d.tx, anew, now=d.now, waiting_for=why)

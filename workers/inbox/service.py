"""What people can do to a drafted action, whichever door they come through: page, API or command line.

A decision names the revision and digest that its person saw. One conditional update decides who was first; everybody else
is told who it was. Whose yes counts is asked within that transaction: by turn, authority, exclusion and absence. A word
that is not a decision is refused, never read as yes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from policies.approvals import Approval, Asked, tally
from policies.record import uses_of, verdict_of
from workers import renewal
from workers.actions.catalogue import CATALOGUE
from workers.inbox.choices import TAKE, Deciding, Taken, approved
from workers.inbox.standing import may_refuse, may_stop
from workers.inbox.words import AlreadyDecided, Choice, Invalid, NotAllowed, NotFound, Word
from workers.limits.reserving import holdings, refusing, rooms
from workers.quorum import Position, Staff, position
from workers.settlement import Consequences, at_rest, consequences_of, settle
from workers.store import actions, audit, cases, flow, inbox, spending
from workers.store.audit import Note
from workers.store.database import Tx
from workers.store.flow import ActionSnapshot, Announcement, Consent
from workers.store.ids import new_id
from workers.store.records import Action, ActionState, Case, Person
from workers.telemetry import metrics
from workers.wiring import System

_NOBODY_IN_TIME = "Nobody decided in time, which counts as a refusal: the deadline has passed."
#: why what was approved can be stopped no longer
_OUT = {
    ActionState.EXECUTING: "it is already under way",
    ActionState.DONE: "it is done",
    ActionState.FAILED: "it was tried, and failed",
    ActionState.UNCERTAIN: "it was tried, and nobody can know whether it happened",
}


def decide(system: System, person: Person, action_id: str, choice: Choice) -> Action:
    """Take one decision. Returns the action as it is now. Raises a `DecisionError`."""
    at_once = _approved_at_once(system, person, action_id, choice)
    if at_once is not None:
        return at_once
    if choice.word is Word.APPROVE and renewal.renew(system, action_id):
        raise AlreadyDecided(renewal.JUDGED_ANEW, state=ActionState.PENDING, decided_by=None, decision=None)
    now = system.clock()
    hints: list[str] = []
    wake: Case | None = None
    with system.db.write() as tx:
        action = actions.get(tx, action_id)
        if action is None:
            raise NotFound(f"There is no action {action_id!r}.")
        case = cases.lock(tx, action.case_id)
        if case is None:
            raise NotFound(f"The case of {action_id!r} is gone.")
        # As it is under the lock: somebody else may have decided while this waited for it.
        action = actions.get(tx, action_id) or action
        _is_what_was_seen(tx, action, choice)
        if _over(action, now):
            raise AlreadyDecided(_NOBODY_IN_TIME, state=action.state, decided_by=None, decision=None)
        staff = Staff.at(tx, now)
        # So is whoever decides: they may have been put out of a group, or their account been closed.
        person = staff.everyone.get(person.id, person)
        stands = position(inbox.standing_of(tx, action, case), staff, now)
        _may_decide(stands, person, choice)
        deciding = Deciding(system, tx, case, action, person, choice, now, stands)
        taken = TAKE[choice.word](deciding)
        if taken is None:
            raise _too_late(tx, action_id, choice.word)
        _write_down(tx, action, taken, deciding.judged, person, choice, now)
        # A plain yes changes no more than the action.
        plain = choice.word is Word.APPROVE and choice.arguments is None
        fresh = case if plain else cases.get(tx, case.id)
        if choice.word is Word.REQUEST_CHANGES:
            wake = fresh
        elif fresh is not None:
            hints = settle(tx, fresh, now=now)
    _pass_on(system, taken.action, hints, wake)
    return taken.action


def _pass_on(system: System, action: Action, hints: Sequence[str], wake: Case | None) -> None:
    """What follows the commit of a decision."""
    if action.settled_at is not None:
        metrics.action_ended(action.kind, str(action.state))
    for due in hints:
        system.hints.action(due)
    if wake is not None:
        system.hints.case(wake.id, wake.domain)


def _approved_at_once(system: System, person: Person, action_id: str, choice: Choice) -> Action | None:
    if choice.word is not Word.APPROVE or choice.arguments is not None:
        return None
    return approve(system, person, flow.snapshot(system.db, action_id), choice)


def approve(system: System, person: Person, snapshot: ActionSnapshot | None, choice: Choice) -> Action | None:
    """The straight way, read in one statement and written in one: a plain yes that nobody else has to join, to a draft as the
    agent made it, in a case that nobody works on; within limits too. None, and nothing written, for all else."""
    if snapshot is None or not at_rest(snapshot.case) or renewal.outdated(system, snapshot.action):
        return None
    action, now = snapshot.action, system.clock()
    seen = (action.state, action.revision, action.digest) == (ActionState.PENDING, choice.revision, choice.digest)
    seen = seen and choice.state in (None, ActionState.PENDING)
    untouched = action.revision == 1 and not action.tries
    if not (seen and untouched and not _over(action, now) and _suffices(person, action, now)):
        return None
    changes = approved(action, actor=person.actor, now=now)
    consequences = consequences_of(snapshot.case, [*snapshot.others, replace(action, **changes)], now=now)
    if consequences.actions.keys() - {action.id}:
        return None
    announcement = Announcement(lambda: action.id in consequences.due and system.hints.approving(action.id))
    given = consent(person, snapshot, choice, changes, consequences, now=now)
    done = _approve(system, snapshot, given, now=now, announcement=announcement)
    if done is not None:
        for due in consequences.due:
            if due != action.id or not announcement.heard:
                system.hints.action(due)
    return done


def consent(
    person: Person,
    snapshot: ActionSnapshot,
    choice: Choice,
    changes: Mapping[str, Any],
    consequences: Consequences,
    *,
    now: datetime,
) -> Consent:
    """What is written of a plain yes that makes these `changes` to the action, with what follows for its case."""
    action = snapshot.action
    changes = {**changes, **consequences.actions.get(action.id, {})}
    after = replace(action, **changes)
    told = _told(action, after, choice.word, choice)
    return Consent(
        changes=changes,
        decision={"id": new_id("dec"), **_row(action, after, choice.word, person, choice, now)},
        case=snapshot.case,
        case_changes=consequences.case,
        chain=snapshot.chain,
        notes=[Note(person.actor, "decided", told), *consequences.notes],
    )


def _approve(
    system: System, snapshot: ActionSnapshot, consent: Consent, *, now: datetime, announcement: Announcement
) -> Action | None:
    action = snapshot.action
    if not action.verdict.get("limits"):
        return flow.approve(system.db, action, consent, now=now, announcement=announcement)
    if system.db.is_sqlite:
        # Nothing is gained there: whoever writes is alone, and no statement is a journey.
        return None
    uses = uses_of(snapshot.record or {})
    if not uses:
        return None
    return spending.approve(
        system.db, action, consent, holdings(action.id, uses), rooms(refusing(uses)), now=now, announcement=announcement
    )


# ── checks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _over(action: Action, now: datetime) -> bool:
    """Whether its deadline has passed, though nobody has written that down yet."""
    return action.state == ActionState.PENDING and action.expires_at is not None and action.expires_at <= now


def _is_what_was_seen(tx: Tx, action: Action, choice: Choice) -> None:
    open_to: tuple[ActionState, ...] = (ActionState.PENDING,)
    if choice.word in (Word.CONFIRM, Word.APPROVE, Word.REJECT):
        open_to = (ActionState.PENDING, ActionState.UNCERTAIN)
    elif choice.word is Word.STOP:
        open_to = (ActionState.APPROVED,)
    if action.state not in open_to or action.revision != choice.revision or action.digest != choice.digest:
        raise _too_late(tx, action.id, choice.word)
    uncertain = action.state == ActionState.UNCERTAIN
    if choice.word in (Word.APPROVE, Word.REJECT) and uncertain != (choice.state == ActionState.UNCERTAIN):
        # The same draft, and another question: a yes to it would do it once more.
        raise _tried_since(tx, action) if uncertain else _too_late(tx, action.id, choice.word)
    if choice.word is Word.CONFIRM and not uncertain:
        raise Invalid("Only an uncertain action can be confirmed as done.")
    if choice.arguments is not None and (choice.word is not Word.APPROVE or action.state != ActionState.PENDING):
        raise Invalid("Arguments can be changed only together with an approval.")
    kind = CATALOGUE.get(action.kind)
    another = choice.arguments is not None and dict(choice.arguments) != dict(action.arguments)
    if kind is not None and kind.fixed and (another or choice.word is Word.REQUEST_CHANGES):
        raise Invalid("This is approved as it was proposed, or not at all: reject it, and propose another.")
    if choice.word in (Word.REJECT, Word.REQUEST_CHANGES, Word.STOP) and not (choice.reason or "").strip():
        raise Invalid("Say why: a reason is needed for this decision.")


def _may_decide(stands: Position, person: Person, choice: Choice) -> None:
    if not person.active:
        raise NotAllowed("This account is not active.")
    if choice.word is Word.STOP:
        if not may_stop(stands, person):
            raise NotAllowed("This can be stopped by somebody who was asked for it, and by a lead.")
        return
    obstacle = stands.obstacle(person)
    edits = choice.arguments is not None and dict(choice.arguments) != dict(stands.waiting.action.arguments)
    # An edit makes another draft, and whose yes counts for that is asked anew. A no is for all who are asked, and for leads.
    if obstacle is None or (may_refuse(stands, person) and (edits or choice.word is not Word.APPROVE)):
        return
    raise (Invalid if obstacle.passes else NotAllowed)(obstacle.told)


def _suffices(person: Person, action: Action, now: datetime) -> bool:
    """Whether this one yes is all that is asked for, as far as the action alone tells: by a person's own groups, where nobody
    is excluded by what other rows say."""
    verdict = verdict_of(action.verdict)
    if not person.active or not {"initiator", "last_approver"}.isdisjoint(verdict.exclude):
        return False
    yes = Approval(person.id, frozenset(person.groups), None, now)
    # Of a first revision that nobody touched, the action's beginning is when it was asked for.
    return not tally(Asked.of(verdict, action.created_at), [yes]).missing


def _too_late(tx: Tx, action_id: str, word: Word) -> AlreadyDecided:
    action = actions.get(tx, action_id)
    taken = actions.decisions_of(tx, action_id)
    last = taken[-1] if taken else None
    state = action.state if action is not None else "gone"
    by = action.decided_by if action is not None else None
    if word is Word.STOP and state in _OUT:
        message = f"Too late to stop it: {_OUT[ActionState(state)]}."
    elif word is Word.STOP and state == ActionState.PENDING:
        message = "It is not approved, so there is nothing to stop: reject it instead."
    elif state == ActionState.PENDING or (word is Word.STOP and state == ActionState.APPROVED):
        message = "The draft changed since you opened it. Load it again before you decide."
    elif last is not None:
        who = last.actor.removeprefix("person:")
        message = f"Already decided: {who} chose “{last.decision}” at {last.decided_at:%H:%M:%S} UTC."
    else:
        reason = action.reason if action is not None else ""
        message = f"No longer open: it is {state}. {reason or ''}".strip()
    return AlreadyDecided(message, state=state, decided_by=by, decision=last)


def _tried_since(tx: Tx, action: Action) -> AlreadyDecided:
    taken = actions.decisions_of(tx, action.id)
    message = (
        "It was tried, and nobody can know whether it happened: a yes would do it again, a no would leave it at that. "
        "Load it again, look, and say with the decision that you saw it “uncertain”."
    )
    return AlreadyDecided(
        message, state=action.state, decided_by=action.decided_by, decision=taken[-1] if taken else None
    )


def _write_down(
    tx: Tx, before: Action, taken: Taken, judged: Sequence[Note], person: Person, choice: Choice, now: datetime
) -> None:
    after = taken.action
    actions.add_decision(
        tx, {**_row(before, after, taken.word, person, choice, now), "on_behalf_of": taken.on_behalf_of}
    )
    told = _told(before, after, taken.word, choice) | ({"for": taken.for_whom} if taken.for_whom else {})
    audit.append(tx, after.case_id, now, *judged, Note(person.actor, "decided", told))


def _row(before: Action, after: Action, word: str, person: Person, choice: Choice, now: datetime) -> dict[str, Any]:
    """The decision as it is kept."""
    edited = _edited(before, after)
    return {
        "action_id": after.id,
        "case_id": after.case_id,
        "revision": after.revision,
        "digest": after.digest,
        "decision": str(word),
        "person_id": person.id,
        "actor": person.actor,
        "reason": choice.reason,
        "before": dict(before.arguments) if edited else None,
        "after": dict(after.arguments) if edited else None,
        "channel": choice.channel,
        "decided_at": now,
    }


def _told(before: Action, after: Action, word: str, choice: Choice) -> dict[str, Any]:
    """What the audit log says of it."""
    return {
        "action": after.id,
        "revision": after.revision,
        "digest": after.digest,
        "decision": str(word),
        "edited": _edited(before, after),
        "channel": choice.channel,
        "state": str(after.state),
    }


def _edited(before: Action, after: Action) -> bool:
    return dict(before.arguments) != dict(after.arguments)

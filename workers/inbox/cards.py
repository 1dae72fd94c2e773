"""The card: everything that a person needs to decide one action, read in one go and laid out in the order of the page.

Builds a view from stored rows; asks nobody outside, changes nothing, decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from policies.explain import obligation
from workers.actions.base import ActionKind
from workers.actions.catalogue import CATALOGUE
from workers.inbox import forms
from workers.inbox.changes import Change, between
from workers.inbox.citations import Claim, Comparison, claims, comparisons, sources_of
from workers.inbox.explained import Sureness, Why, sureness, why
from workers.inbox.shown import Entry, entries
from workers.inbox.standing import Standing, may_stop, standing
from workers.inbox.timeline import made_at
from workers.quorum import Position, Staff, position
from workers.store import actions, cases, events, inbox, steps
from workers.store.database import Tx
from workers.store.records import Action, ActionState, Attempt, Case, Decision, Event, Fact, Person, Revision, Step


@dataclass(frozen=True, slots=True)
class RevisionView:
    revision: int
    author: str
    at: datetime
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class FactView:
    """One piece of evidence, and which parts of the draft it bears out."""

    fact: Fact
    system: str
    cited: bool
    proves: tuple[str, ...]
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """What came in, as it was written."""

    event: Event
    title: str
    text: str
    sender: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened since the draft was made."""

    at: datetime
    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Card:
    action: Action
    case: Case
    kind: ActionKind | None
    fields: tuple[forms.Field, ...]
    revisions: tuple[RevisionView, ...]
    claims: tuple[Claim, ...]
    comparisons: tuple[Comparison, ...]
    facts: tuple[FactView, ...]
    messages: tuple[Message, ...]
    missing: tuple[str, ...]
    summary: str
    why: Why
    sureness: Sureness
    since: tuple[Happening, ...]
    position: Position
    standing: Standing
    decisions: tuple[Decision, ...]
    attempts: tuple[Attempt, ...]
    siblings: tuple[Action, ...]
    #: the newest audit entry of the case when this was read: what comes after is news
    last_change: int
    #: it is approved, has not gone out yet, and this person may still stop it
    can_stop: bool
    #: what the policy changed in the draft, and what it obliges to besides the yes, in words
    changed: tuple[str, ...]
    obliged: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        return self.action.state in (ActionState.PENDING, ActionState.UNCERTAIN)

    @property
    def title(self) -> str:
        return self.kind.title if self.kind is not None else self.action.kind

    @property
    def telling(self) -> tuple[FactView, ...]:
        """Facts that the draft cites or that bear it out; the others were looked up and not used."""
        return tuple(view for view in self.facts if view.cited or view.proves)

    @property
    def unused(self) -> tuple[FactView, ...]:
        return tuple(view for view in self.facts if not view.cited and not view.proves)

    @property
    def rests_on(self) -> tuple[Action, ...]:
        return tuple(a for a in self.siblings if a.id in self.action.rests_on)


def load(tx: Tx, action_id: str, person: Person, *, now: datetime) -> Card | None:
    """The card of an action as this person sees it; None where there is no such action."""
    action = actions.get(tx, action_id)
    case = cases.get(tx, action.case_id) if action is not None else None
    if action is None or case is None:
        return None
    stands = position(inbox.standing_of(tx, action, case), Staff.at(tx, now), now)
    kind = CATALOGUE.get(action.kind)
    thread = events.of_case(tx, case.id)
    # A later round looked things up again; this draft rests on what was known in its own.
    facts = steps.facts_of(tx, case.id, up_to_round=action.round)
    triage = _output(steps.latest(tx, case.id, "triage", up_to_round=action.round))
    gathered = _output(steps.latest(tx, case.id, "gather", up_to_round=action.round))
    drafted = _output(steps.latest(tx, case.id, "draft", up_to_round=action.round))
    revisions = actions.revisions_of(tx, action_id)
    decisions = actions.decisions_of(tx, action_id)
    known = [event for event in thread if event.received_at <= action.created_at]
    told = claims(action.arguments, sources_of(facts, known), action.citations)
    missing = tuple(str(name) for name in gathered.get("missing", ()))
    return Card(
        action=action,
        case=case,
        kind=kind,
        fields=forms.fields(kind, action.arguments) if kind is not None else (),
        revisions=_revisions(revisions),
        claims=tuple(told),
        comparisons=tuple(comparisons(action.arguments, next((f for f in facts if f.ref == action.target), None))),
        facts=_facts(facts, action.citations, told),
        messages=tuple(_message(event) for event in reversed(thread)),
        missing=missing,
        summary=str(drafted.get("summary", "")),
        why=why(action, revisions[-1].record if revisions else {}),
        sureness=sureness(action, triage, missing, told),
        since=_since(action, thread, revisions, decisions, stands.staff),
        position=stands,
        standing=standing(stands, person),
        decisions=tuple(decisions),
        attempts=tuple(actions.attempts_of(tx, action_id)),
        siblings=tuple(a for a in actions.of_case(tx, case.id) if a.id != action_id and a.round == action.round),
        last_change=inbox.last_change(tx, case.id),
        changed=tuple(map(str, action.verdict.get("changed", ()))),
        obliged=tuple(map(obligation, stands.verdict.obligations)),
        can_stop=action.state == ActionState.APPROVED and may_stop(stands, person),
    )


def _output(step: Step | None) -> Mapping[str, Any]:
    return step.output if step is not None else {}


def _revisions(revisions: Sequence[Revision]) -> tuple[RevisionView, ...]:
    views = []
    before: Mapping[str, Any] | None = None
    for revision in revisions:
        changed = between(before, revision.arguments) if before is not None else []
        views.append(RevisionView(revision.revision, revision.author, revision.created_at, tuple(changed)))
        before = revision.arguments
    return tuple(views)


def _facts(facts: Sequence[Fact], cited: Sequence[str], told: Sequence[Claim]) -> tuple[FactView, ...]:
    """Each record once, cited ones first, else in the order in which they were gathered."""
    once: dict[str, Fact] = {}
    for fact in facts:
        once.setdefault(fact.ref, fact)
    views = [
        FactView(
            fact=fact,
            system=fact.ref.partition(":")[0],
            cited=fact.ref in cited,
            proves=tuple(
                claim.text
                for claim in told
                if claim.kind != "number" and fact.ref in {source.ref for source in claim.sources}
            ),
            entries=entries(fact.data),
        )
        for fact in once.values()
    ]
    return tuple(sorted(views, key=lambda view: (not view.cited, not view.proves)))


def _message(event: Event) -> Message:
    data = dict(event.data)
    title, text = str(data.pop("title", "")), str(data.pop("text", ""))
    sender = str(data.get("requester_name") or data.get("requester_email") or data.get("customer_email") or "")
    return Message(event, title, text, sender, entries(data))


def _since(
    action: Action,
    thread: Sequence[Event],
    revisions: Sequence[Revision],
    decisions: Sequence[Decision],
    staff: Staff,
) -> tuple[Happening, ...]:
    told = [
        Happening(event.received_at, f"source:{event.source}", "A new message came in.")
        for event in thread
        if event.received_at > action.created_at
    ]
    told += [Happening(made_at(r, decisions), r.author, f"Made revision {r.revision}.") for r in revisions[1:]]
    told += [Happening(d.decided_at, d.actor, _said(d, staff)) for d in decisions]
    return tuple(sorted(told, key=lambda happening: happening.at))


def _said(decision: Decision, staff: Staff) -> str:
    word = decision.decision.replace("_", " ").capitalize()
    if decision.on_behalf_of is not None:
        word += f" for {staff.name(decision.on_behalf_of)}"
    return f"{word}: {decision.reason}" if decision.reason else f"{word}."

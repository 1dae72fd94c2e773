"""How an action stands with people, in words for cards and lists: who has said yes, whose turn it is, who is excluded, who
is away, and whether this reader can say it.

For showing only. The service asks `quorum` the same again, within the transaction that decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from policies.types import Requirement
from workers.quorum import LEAD, Position, in_words
from workers.store.records import ActionState, Person

_EXCLUSIONS = {
    "editor": "Whoever edits the draft cannot approve it as well.",
    "initiator": "Whoever brought this about cannot approve it.",
    "last_approver": "Whoever approved the one before this for the same customer cannot approve this one.",
}


@dataclass(frozen=True, slots=True)
class Rung:
    """From when on somebody of a further group may decide too."""

    at: datetime
    role: str
    reached: bool


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the way to a yes."""

    asked: str  # "1 of lead and 2 of finance"
    #: done · now · later
    state: str
    rungs: tuple[Rung, ...] = ()


@dataclass(frozen=True, slots=True)
class Absent:
    """Somebody who would be asked, were they here."""

    name: str
    until: datetime
    stand_in: str


@dataclass(frozen=True, slots=True)
class Standing:
    needed: int
    given: int
    approved_by: tuple[str, ...]  # names, “Bo for Ada”
    missing: tuple[str, ...]  # "1 of finance"
    #: the steps, in order; one where all are asked at once
    stages: tuple[Stage, ...]
    exclusions: tuple[str, ...]
    #: names of those whom an exclusion keeps from approving
    excluded: tuple[str, ...]
    #: roles that may approve so much
    authorised: tuple[str, ...]
    #: why this reader cannot approve
    obstacle: str | None
    #: nothing of this is for this reader to decide
    outsider: bool
    #: for whom this reader's yes would count, and until when that one is away
    speaks_for: str
    speaks_until: datetime | None
    #: who of those that are asked is away
    away: tuple[Absent, ...]
    #: why nobody who is here can approve this
    shortage: str | None
    #: the ladder has let somebody in whom the rule did not ask at first
    overdue: str | None

    @property
    def progress(self) -> str:
        """``1 of 2`` where more than one person is needed, else nothing."""
        return f"{self.given} of {self.needed}" if self.needed > 1 else ""


def standing(position: Position, person: Person) -> Standing:
    staff = position.staff
    given, needed = position.progress
    obstacle = position.obstacle(person)
    voice = position.voice(person)
    speaks_for = voice.on_behalf_of if voice is not None else None
    return Standing(
        needed=needed,
        given=given,
        approved_by=tuple(_name(position, a.person, a.on_behalf_of) for a in position.tally.approvals),
        missing=tuple(in_words([r]) for r in position.tally.missing),
        stages=stages(position),
        exclusions=tuple(_EXCLUSIONS[who] for who in position.verdict.exclude if who in _EXCLUSIONS),
        excluded=tuple(
            sorted(p.name for p in staff.everyone.values() if p.active and position.barred(staff.voices(p)[0]))
        ),
        authorised=position.asked.authorised or (),
        obstacle=obstacle.told if obstacle is not None else None,
        outsider=not may_refuse(position, person),
        speaks_for=staff.name(speaks_for) if speaks_for is not None else "",
        speaks_until=staff.away[speaks_for].until if speaks_for is not None and speaks_for in staff.away else None,
        away=tuple(_away(position)),
        shortage=shortage(position),
        overdue=overdue(position),
    )


def may_refuse(position: Position, person: Person) -> bool:
    """Whether somebody may say anything but yes: who is asked, who stands in for one who is, and every lead."""
    return person.active and (LEAD in person.groups or position.concerns(person))


def may_stop(position: Position, person: Person) -> bool:
    """Whether somebody may stop what is approved and has not gone out: who was asked, or said yes, and every lead. Of what
    a rule allowed by itself everybody is asked."""
    return may_refuse(position, person) or (person.active and any(person.id in yes.people for yes in position.given))


def waits_for(position: Position, person: Person) -> bool:
    """Whether it is in this person's list: their yes would count, or they are a lead and nobody's would."""
    if position.obstacle(person) is None:
        return True
    return person.active and LEAD in person.groups and shortage(position) is not None


def stages(position: Position) -> tuple[Stage, ...]:
    asked, tally = position.asked, position.tally
    found = []
    for stage in asked.stages:
        wanted = [r for r in asked.requirements if r.stage == stage]
        state = "done" if tally.stage is None or stage < tally.stage else "now" if stage == tally.stage else "later"
        found.append(Stage(in_words(wanted), state, _rungs(position, tally.turn) if state == "now" else ()))
    return tuple(found)


def shortage(position: Position) -> str | None:
    """Why nobody who is here can approve this, and what can be done; None where they can."""
    if position.waiting.action.state != ActionState.PENDING:
        return None
    short = position.shortage()
    if not short:
        return None
    return (
        f"The people who are here cannot approve this as the policy asks: {in_words(short)} missing. "
        "A lead can reject it, take it over, or see to it that somebody is there."
    )


def overdue(position: Position) -> str | None:
    """What the ladder has come to, in words."""
    roles = position.rungs()
    since = position.tally.since
    if not roles or since is None:
        return None
    return f"Asked since {span(position.now - since)}: {' and '.join(roles)} may decide now."


def span(passed: timedelta) -> str:
    """``60 minutes``, ``5 hours``, ``3 days``"""
    minutes = int(passed.total_seconds() // 60)
    for size, name in ((60 * 48, "days"), (60 * 3, "hours")):
        if minutes >= size:
            return f"{minutes // (60 * 24 if name == 'days' else 60)} {name}"
    return f"{minutes} minutes"


def _rungs(position: Position, turn: tuple[Requirement, ...]) -> tuple[Rung, ...]:
    since = position.tally.since
    if since is None:
        return ()
    found = {(since + timedelta(minutes=rung.after_minutes), rung.role) for r in turn for rung in r.ladder}
    return tuple(Rung(at, role, at <= position.now) for at, role in sorted(found))


def _name(position: Position, person_id: str, on_behalf_of: str | None) -> str:
    name = position.staff.name(person_id)
    return name if on_behalf_of is None else f"{name} for {position.staff.name(on_behalf_of)}"


def _away(position: Position) -> list[Absent]:
    """Those who would be asked, were they here."""
    staff = position.staff
    roles = {r.role for r in position.tally.missing}
    return [
        Absent(staff.name(person_id), found.until, staff.name(found.stand_in_id))
        for person_id, found in staff.away.items()
        if staff.everyone[person_id].active and not roles.isdisjoint(staff.everyone[person_id].groups)
    ]

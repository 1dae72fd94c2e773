"""How an action stands with the people there are: who has said yes, whose turn it is, whose yes would count, and whether
they can meet at all what is asked.

The inbox reads it to show a card, and again within the transaction that decides; `deadlines` and the checks read it too.
Changes nothing. Who counts is settled in `policies.approvals`; here rows become what that asks for, and its answers words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from policies.approvals import Approval, Asked, Refusal, Tally, climbed, none_to_spare, refusal, tally, unmet
from policies.record import verdict_of
from policies.types import Requirement, Verdict
from workers.store import delegations, people
from workers.store.database import Tx
from workers.store.inbox import Waiting
from workers.store.records import Delegation, Person

#: the group that may always say no, take a case over, and is told of what nobody else can decide
LEAD = "lead"


@dataclass(frozen=True, slots=True)
class Staff:
    """Everybody who has an account, and who of them is away."""

    everyone: Mapping[str, Person]
    #: by who is away
    away: Mapping[str, Delegation]

    @classmethod
    def at(cls, tx: Tx, now: datetime) -> Staff:
        everyone = {person.id: person for person in people.everyone(tx)}
        away = {
            found.person_id: found
            for found in delegations.in_force(tx, now)
            if found.person_id in everyone and found.stand_in_id in everyone
        }
        return cls(everyone, away)

    def stands_in_for(self, person: Person) -> list[Person]:
        """Those who are away and named this person. Whom *they* stand in for is not passed on."""
        named = [self.everyone[i] for i, found in self.away.items() if found.stand_in_id == person.id]
        return sorted((other for other in named if other.active), key=lambda other: other.name)

    def voices(self, person: Person, at: datetime | None = None) -> list[Approval]:
        """In whose name somebody can speak: first their own."""
        own = Approval(person.id, frozenset(person.groups), None, at)
        return [own, *(replace(own, groups=frozenset(o.groups), on_behalf_of=o.id) for o in self.stands_in_for(person))]

    def present(self) -> Iterator[Person]:
        return (person for person in self.everyone.values() if person.active and person.id not in self.away)

    def has(self, role: str, authorised: tuple[str, ...] | None) -> bool:
        """Whether anybody who is here could fill a place of this role."""
        place = Asked((Requirement(role),), authorised)
        return not unmet(place, (), [self.voices(person) for person in self.present()])

    def name(self, person_id: str) -> str:
        return self.everyone[person_id].name if person_id in self.everyone else "somebody who is gone"


@dataclass(frozen=True, slots=True)
class Position:
    """One action as it stands with the people there are, at one moment."""

    waiting: Waiting
    verdict: Verdict
    asked: Asked
    given: tuple[Approval, ...]
    tally: Tally
    staff: Staff
    now: datetime

    @property
    def progress(self) -> tuple[int, int]:
        """How many places are full, and how many there are."""
        total = sum(r.n for r in self.asked.requirements)
        return total - sum(r.n for r in self.tally.missing), total

    def voice(self, person: Person) -> Approval | None:
        """The yes of this person that would count: their own where it does, else for somebody who is away."""
        voices = self.staff.voices(person, self.now) if person.active else []
        return next((v for v in voices if not self.barred(v) and not refusal(self.asked, self.given, v)), None)

    def concerns(self, person: Person) -> bool:
        """Whether it is this person's to say something: they, or somebody whom they stand in for, are asked. By their
        groups alone: who may not approve can still refuse."""
        return person.active and any(self._is_asked(voice) for voice in self.staff.voices(person, self.now))

    def obstacle(self, person: Person) -> Obstacle | None:
        """Why this person cannot approve; None when they can."""
        if not person.active:
            return Obstacle(None, "This account is not active.")
        told: list[Obstacle] = []
        for voice in self.staff.voices(person, self.now):
            barred = self.barred(voice) if self._is_asked(voice) else None
            if barred is not None:
                told.append(Obstacle(None, barred))
                continue
            why = refusal(self.asked, self.given, voice)
            if why is None:
                return None
            told.append(Obstacle(why, self._in_words(why, voice)))
        # That one of two is in none of the groups says less than what keeps the other from it.
        return next((o for o in told if o.why is not Refusal.OUTSIDER), told[0])

    def barred(self, voice: Approval) -> str | None:
        """Why neither this person nor the one they would speak for may approve, whatever their groups are."""
        if voice.on_behalf_of is not None and voice.on_behalf_of not in self.staff.everyone:
            return "Whom you stand in for is gone."
        for person_id in sorted(voice.people, key=lambda i: i != voice.person):
            person = self.staff.everyone.get(person_id)
            if person is None:
                continue
            own = person_id == voice.person
            who = "You" if own else person.name
            if "initiator" in self.verdict.exclude and person.email.casefold() in self.waiting.initiators:
                return f"{who} brought this about, so somebody else must approve it."
            if "editor" in self.verdict.exclude and person.actor in self.waiting.editors:
                return f"{who} edited this draft, so somebody else must approve it."
            if "last_approver" in self.verdict.exclude and person_id in self.waiting.last_approvers:
                return (
                    f"{who} approved the one before this for the same customer, so somebody else must approve this one."
                )
        return None

    def shortage(self) -> tuple[Requirement, ...]:
        """The places that the people who are here cannot fill, whatever time they have."""
        pool = [
            [voice for voice in self.staff.voices(person) if not self.barred(voice)] for person in self.staff.present()
        ]
        return unmet(self.asked, self.given, pool)

    def rungs(self) -> list[str]:
        """The roles that the ladder has let in so far."""
        return list(dict.fromkeys(rung.role for _, _, rung in climbed(self.asked, self.given, self.now)))

    def _is_asked(self, voice: Approval) -> bool:
        roles = {*(r.role for r in self.asked.requirements), *self.rungs()}
        return "" in roles or not voice.groups.isdisjoint(roles)

    def _in_words(self, why: Refusal, voice: Approval) -> str:
        for_whom = "" if voice.on_behalf_of is None else f" for {self.staff.name(voice.on_behalf_of)}"
        match why:
            case Refusal.OUTSIDER:
                roles = ", ".join(dict.fromkeys(r.role for r in self.asked.requirements))
                groups = sorted(self.staff.everyone[voice.person].groups) if voice.person in self.staff.everyone else []
                return f"This needs somebody of: {roles}. You are in: {', '.join(groups) or 'no group'}."
            case Refusal.ALREADY:
                spoke = next((a for a in self.tally.approvals if a.people & voice.people), None)
                if spoke is None or spoke.person == voice.person:
                    return "You have approved this already; it waits for somebody else."
                whose = "you" if voice.on_behalf_of is None else self.staff.name(voice.on_behalf_of)
                if spoke.on_behalf_of is None:
                    return f"{whose} approved this already; it waits for somebody else."
                return f"{self.staff.name(spoke.person)} has approved this already for {whose}; it waits for somebody else."
            case Refusal.AUTHORITY:
                allowed = ", ".join(self.asked.authorised or ())
                return f"Only somebody of {allowed} may approve so much. It is beyond your authority{for_whom}."
            case Refusal.EARLY:
                return f"It is not your turn yet{for_whom}: first it needs {in_words(self.tally.turn)}."
            case Refusal.NOT_YET:
                at = self._opens_for(voice)
                when = f" from {at:%Y-%m-%d %H:%M} UTC on" if at is not None else " later"
                return f"You may decide this{for_whom}{when}, if {in_words(self.tally.turn)} has not by then."
            case Refusal.FILLED:
                return f"The places of your group are filled{for_whom}; it still needs {in_words(self.tally.missing)}."

    def _opens_for(self, voice: Approval) -> datetime | None:
        far = climbed(self.asked, self.given, datetime.max.replace(tzinfo=self.now.tzinfo))
        return next((at for at, _, rung in far if rung.role in voice.groups), None)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What keeps somebody from approving. `why` is None where they are excluded by name."""

    why: Refusal | None
    told: str

    @property
    def passes(self) -> bool:
        """Whether it is a question of when, not of who: others have to say yes first, or have said it already."""
        return self.why in (Refusal.ALREADY, Refusal.EARLY, Refusal.NOT_YET, Refusal.FILLED)


def position(waiting: Waiting, staff: Staff, now: datetime) -> Position:
    """How an action stands. Approvals count by people who are still active, with the groups that they are in now."""
    verdict = verdict_of(waiting.action.verdict)
    asked = Asked.of(verdict, waiting.asked_at)
    given = []
    for one in waiting.approvals:
        spoken_for = staff.everyone.get(one.on_behalf_of or one.person_id)
        person = staff.everyone.get(one.person_id)
        if person is not None and spoken_for is not None and person.active and spoken_for.active:
            given.append(Approval(person.id, frozenset(spoken_for.groups), one.on_behalf_of, one.at))
    return Position(waiting, verdict, asked, tuple(given), tally(asked, given), staff, now)


def in_words(requirements: Sequence[Requirement]) -> str:
    """``1 of lead and 2 of finance``"""
    return " and ".join(f"{r.n} of {r.role}" if r.role else f"{r.n} more" for r in requirements) or "nobody"


def too_few(requirements: Sequence[Requirement], authorised: tuple[str, ...] | None, staff: Staff) -> str | None:
    """What is wrong with asking these people for that, before there is an action: too few, or not one to spare."""
    asked = Asked(tuple(requirements) or (Requirement(""),), authorised)
    pool = [staff.voices(person) for person in staff.present()]
    short = unmet(asked, (), pool)
    if short:
        return f"cannot be met by the people who are here: {in_words(short)} missing"
    if none_to_spare(asked, pool):
        return f"leaves no one to spare: {in_words(asked.requirements)} is everybody who may, so one absence stops it"
    return None

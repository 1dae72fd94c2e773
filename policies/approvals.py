"""Who has approved, whose turn it is, and whose yes would count: what a verdict asks for against the people who spoke. Pure.

One person fills one place over all stages, in their own name or for somebody who is away, never both. Places of a later
stage open when the earlier are full. A place with a ladder takes people of a further role once it was asked for long
enough. Whatever is unclear makes an approval not count: there are never fewer different people than were asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from policies.types import Outcome, Requirement, Rung, Verdict


@dataclass(frozen=True, slots=True)
class Approval:
    """A yes, or one that could be said: by whom, in which groups, and for whom where that is somebody else."""

    person: str
    groups: frozenset[str]
    on_behalf_of: str | None = None
    at: datetime | None = None

    @property
    def people(self) -> frozenset[str]:
        """Those who have spoken with it. None of them can speak again."""
        return frozenset({self.person} if self.on_behalf_of is None else {self.person, self.on_behalf_of})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a verdict asks of people, and since when. Nothing required means one person, whoever it is."""

    requirements: tuple[Requirement, ...]
    #: roles that may approve so much; None where no limit of authority applies
    authorised: tuple[str, ...] | None = None
    #: when it was asked; without it no rung of a ladder is ever reached
    since: datetime | None = None

    @classmethod
    def of(cls, verdict: Verdict, since: datetime | None = None) -> Asked:
        return cls(verdict.requirements or (Requirement(""),), verdict.authorised, since)

    @property
    def stages(self) -> list[int]:
        return sorted({requirement.stage for requirement in self.requirements})

    @property
    def roles(self) -> tuple[str, ...]:
        """Everybody who may be asked, those of ladders last."""
        rungs = (rung.role for requirement in self.requirements for rung in requirement.ladder)
        return tuple(dict.fromkeys([*(requirement.role for requirement in self.requirements), *rungs]))

    def has_authority(self, approval: Approval) -> bool:
        return self.authorised is None or not approval.groups.isdisjoint(self.authorised)


class Refusal(StrEnum):
    """Why a yes would not count."""

    OUTSIDER = "outsider"  # in none of the groups that are asked
    ALREADY = "already"  # has said yes, or somebody has said it for them
    AUTHORITY = "authority"  # may not approve so much
    EARLY = "early"  # it is the turn of an earlier stage
    NOT_YET = "not_yet"  # a rung of the ladder that is not reached
    FILLED = "filled"  # others have filled the places that were theirs


@dataclass(frozen=True, slots=True)
class Tally:
    """How the approvals fill the places: those that count, in order, and what is left open."""

    approvals: tuple[Approval, ...]
    #: the stage in which each of them counts
    stages: tuple[int, ...]
    #: open places of all stages
    missing: tuple[Requirement, ...]
    #: the stage whose turn it is, and since when; None when all is full
    stage: int | None
    since: datetime | None

    @property
    def turn(self) -> tuple[Requirement, ...]:
        """The open places that can be filled now."""
        return tuple(requirement for requirement in self.missing if requirement.stage == self.stage)

    @property
    def people(self) -> frozenset[str]:
        return frozenset[str]().union(*(approval.people for approval in self.approvals))


def tally(asked: Asked, approvals: Sequence[Approval]) -> Tally:
    """Seat approvals in the order in which they were given. One that found no place when it came counts for nothing."""
    waiting = list(approvals)
    counted: list[Approval] = []
    seated: list[int] = []
    spoken: set[str] = set()
    since = asked.since
    stages = asked.stages
    for position, stage in enumerate(stages):
        places = [r for r in asked.requirements if r.stage == stage for _ in range(r.n)]
        holders: dict[int, Approval] = {}
        while waiting and len(holders) < len(places):
            approval = waiting.pop(0)
            if not spoken.isdisjoint(approval.people) or not asked.has_authority(approval):
                continue
            if _seated(places, holders, approval, since):
                counted.append(approval)
                seated.append(stage)
                spoken |= approval.people
        if len(holders) < len(places):
            later = [r for r in asked.requirements if r.stage in stages[position + 1 :]]
            left = [place for number, place in enumerate(places) if number not in holders]
            return Tally(tuple(counted), tuple(seated), (*_summed(left), *later), stage, since)
        since = counted[-1].at if counted else since
    return Tally(tuple(counted), tuple(seated), (), None, since)


def refusal(asked: Asked, given: Sequence[Approval], approval: Approval) -> Refusal | None:
    """Why this yes would not count beside those that were given; None when it would."""
    now = tally(asked, given)
    if len(tally(asked, [*given, approval]).approvals) > len(now.approvals):
        return None
    mine = {(r.role, r.stage) for r in asked.requirements if _takes(r, approval, None)}
    climbing = {(r.role, r.stage) for r in asked.requirements if any(rung.role in approval.groups for rung in r.ladder)}
    if not mine and not climbing:
        return Refusal.OUTSIDER
    if not now.people.isdisjoint(approval.people):
        return Refusal.ALREADY
    if not asked.has_authority(approval):
        return Refusal.AUTHORITY
    left = {(r.role, r.stage) for r in now.missing}
    if any(stage != now.stage for _, stage in mine & left):
        return Refusal.EARLY
    return Refusal.NOT_YET if climbing & left else Refusal.FILLED


def climbed(asked: Asked, given: Sequence[Approval], now: datetime) -> list[tuple[datetime, Requirement, Rung]]:
    """The rungs that were reached for places that are open now, with when that was, in order."""
    return [found for found in _rungs(tally(asked, given)) if found[0] <= now]


def next_rung(asked: Asked, given: Sequence[Approval], now: datetime) -> datetime | None:
    """When the next rung is reached if nobody decides until then."""
    return min((at for at, _, _ in _rungs(tally(asked, given)) if at > now), default=None)


def unmet(asked: Asked, given: Sequence[Approval], pool: Sequence[Sequence[Approval]]) -> tuple[Requirement, ...]:
    """The open places that the people of `pool` cannot fill, at best and with all the time that there is. Each of them is
    given by the voices that they have: their own, and those of whom they stand in for."""
    now = tally(asked, given)
    places = [r for r in asked.requirements for _ in range(r.n)]
    # Those who have spoken keep a place of their stage; others of it may take the very one that they have now.
    able: list[tuple[int | None, list[Approval]]] = [
        (stage, [approval]) for stage, approval in zip(now.stages, now.approvals, strict=True)
    ]
    able.extend(
        (None, [v for v in voices if asked.has_authority(v) and now.people.isdisjoint(v.people)]) for voices in pool
    )
    holders: dict[int, int] = {}

    def seat(person: int, tried: set[int]) -> bool:
        stage, voices = able[person]
        for number, place in enumerate(places):
            fits = stage in (None, place.stage) and any(_may_come_to_take(place, voice) for voice in voices)
            if number in tried or not fits:
                continue
            tried.add(number)
            if number not in holders or seat(holders[number], tried):
                holders[number] = person
                return True
        return False

    for person in range(len(able)):
        seat(person, set())
    return _summed([place for number, place in enumerate(places) if number not in holders])


def none_to_spare(asked: Asked, pool: Sequence[Sequence[Approval]]) -> bool:
    """Whether it hangs on each of some people: one more absence, and nobody can approve this."""
    return any(unmet(asked, (), [*pool[:place], *pool[place + 1 :]]) for place in range(len(pool)))


def first_wake(verdict: Verdict, now: datetime, expires: datetime) -> datetime:
    """When an action that is asked for now is next due: at the first rung of a ladder, else at its deadline."""
    rung = next_rung(Asked.of(verdict, now), (), now)
    return expires if rung is None else min(rung, expires)


def escalated(verdict: Verdict, roles: Sequence[str]) -> Verdict:
    """The verdict where people asked for these groups besides. What would run by itself waits for them."""
    if not roles:
        return verdict
    if verdict.outcome < Outcome.REVIEW:
        asked = f"Somebody asked for {' and '.join(roles)} besides"
        # What a milder verdict was decided by does not decide this one.
        verdict = replace(verdict, outcome=Outcome.REVIEW, reasons=(*verdict.reasons, asked), rules=())
    return with_requirements(verdict, roles)


def with_requirements(verdict: Verdict, roles: Sequence[str]) -> Verdict:
    """The verdict with further roles asked for, beside the first. Never loosens."""
    have = {r.role for r in verdict.requirements}
    added = tuple(Requirement(role) for role in dict.fromkeys(roles) if role not in have)
    return replace(verdict, requirements=verdict.requirements + added)


def _seated(places: Sequence[Requirement], holders: dict[int, Approval], new: Approval, since: datetime | None) -> bool:
    """Find a place for one more, moving others of this stage along where that helps."""

    def seat(approval: Approval, tried: set[int]) -> bool:
        for number, place in enumerate(places):
            if number in tried or not _takes(place, approval, since):
                continue
            tried.add(number)
            if number not in holders or seat(holders[number], tried):
                holders[number] = approval
                return True
        return False

    return seat(new, set())


def _takes(place: Requirement, approval: Approval, since: datetime | None) -> bool:
    if not place.role or place.role in approval.groups:
        return True
    if since is None or approval.at is None:
        return False
    waited = approval.at - since
    return any(r.role in approval.groups and waited >= timedelta(minutes=r.after_minutes) for r in place.ladder)


def _may_come_to_take(place: Requirement, voice: Approval) -> bool:
    return _takes(place, voice, None) or any(rung.role in voice.groups for rung in place.ladder)


def _rungs(now: Tally) -> Iterator[tuple[datetime, Requirement, Rung]]:
    if now.since is None:
        return
    yield from sorted(
        (
            (now.since + timedelta(minutes=rung.after_minutes), place, rung)
            for place in now.turn
            for rung in place.ladder
        ),
        key=lambda found: (found[0], found[1].role, found[2].role),
    )


def _summed(places: Sequence[Requirement]) -> tuple[Requirement, ...]:
    """Places of one kind as one requirement, in the order in which they were asked for."""
    # A requirement stands here once for each of its places.
    counts: dict[Requirement, int] = {}
    for place in places:
        counts[place] = counts.get(place, 0) + 1
    return tuple(replace(place, n=n) for place, n in counts.items())

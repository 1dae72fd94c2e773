"""Who has approved and who is still missing: requirements against the people who said yes. Pure.

One person fills one place, so two places need two people even where one belongs to both groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from policies.types import Requirement, Verdict


@dataclass(frozen=True, slots=True)
class Approval:
    person: str
    groups: frozenset[str]


def may_fill(approval: Approval, role: str) -> bool:
    return not role or role in approval.groups


def still_needed(requirements: Sequence[Requirement], approvals: Sequence[Approval]) -> tuple[Requirement, ...]:
    """The places that the approvals leave open, at best; empty when they suffice. Nothing required means one person."""
    places = [role for r in requirements for role in [r.role] * r.n] or [""]
    people = list({approval.person: approval for approval in approvals}.values())
    holder: dict[int, int] = {}

    def seat(person: int, tried: set[int]) -> bool:
        for place, role in enumerate(places):
            if place in tried or not may_fill(people[person], role):
                continue
            tried.add(place)
            if place not in holder or seat(holder[place], tried):
                holder[place] = person
                return True
        return False

    for person in range(len(people)):
        seat(person, set())
    open_places = [role for place, role in enumerate(places) if place not in holder]
    return tuple(Requirement(role, open_places.count(role)) for role in dict.fromkeys(open_places))


def with_requirements(verdict: Verdict, roles: Sequence[str]) -> Verdict:
    """The verdict with further roles asked for (an escalation). Never loosens."""
    have = {r.role for r in verdict.requirements}
    added = tuple(Requirement(role) for role in dict.fromkeys(roles) if role not in have)
    return replace(verdict, requirements=verdict.requirements + added)

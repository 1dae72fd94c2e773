"""How an action stands with people: who has said yes, who is missing, and whether this reader can say it.

For showing only. The service checks the same again, within the transaction that decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from policies.approvals import Approval, may_fill, still_needed
from policies.types import Requirement
from workers.store.inbox import Waiting
from workers.store.records import Action, Person


@dataclass(frozen=True, slots=True)
class Standing:
    needed: int
    given: int
    approved_by: tuple[str, ...]  # names
    missing: tuple[str, ...]  # "1 of finance"
    excluded: tuple[str, ...]
    #: why this reader cannot approve
    obstacle: str | None
    #: this reader is in none of the groups that are asked, and can decide nothing here
    outsider: bool

    @property
    def progress(self) -> str:
        """``1 of 2`` where more than one person is needed, else nothing."""
        return f"{self.given} of {self.needed}" if self.needed > 1 else ""


def standing(waiting: Waiting, person: Person, everyone: Mapping[str, Person]) -> Standing:
    needed = requirements(waiting.action)
    who = [everyone[i] for i in waiting.approved_by if i in everyone and everyone[i].active]
    missing = still_needed(needed, [Approval(p.id, frozenset(p.groups)) for p in who])
    total = sum(r.n for r in needed) or 1
    return Standing(
        needed=total,
        given=total - sum(r.n for r in missing),
        approved_by=tuple(p.name for p in who),
        missing=tuple(f"{r.n} of {r.role}" if r.role else f"{r.n} more" for r in missing),
        excluded=tuple(waiting.action.verdict.get("exclude", ())),
        obstacle=obstacle(waiting, person),
        outsider=_outsider(waiting, person),
    )


def obstacle(waiting: Waiting, person: Person) -> str | None:
    """Why this person cannot approve; None when they can."""
    if _outsider(waiting, person):
        roles = ", ".join(dict.fromkeys(r.role for r in requirements(waiting.action)))
        return f"This needs somebody of: {roles}. You are in: {', '.join(person.groups) or 'no group'}."
    if person.id in waiting.approved_by:
        return "You have approved this already; it waits for somebody else."
    if "editor" in waiting.action.verdict.get("exclude", ()) and f"person:{person.email}" in waiting.editors:
        return "You edited this draft, so somebody else must approve it."
    return None


def requirements(action: Action) -> list[Requirement]:
    return [Requirement(str(r["role"]), int(r["n"])) for r in action.verdict["requirements"]]


def _outsider(waiting: Waiting, person: Person) -> bool:
    roles = [r.role for r in requirements(waiting.action)]
    mine = Approval(person.id, frozenset(person.groups))
    return bool(roles) and not any(may_fill(mine, role) for role in roles)

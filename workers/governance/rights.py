"""Who may propose a change of the policy. To decide on it is another matter, which the policy in force settles."""

from __future__ import annotations

from workers.quorum import LEAD
from workers.store.records import Person

ADMIN = "admin"


def may_propose(person: Person) -> bool:
    return person.active and not {LEAD, ADMIN}.isdisjoint(person.groups)

"""How often, and how much, within a rolling window: what a policy limits, and what came of trying to reserve it.

Pure. `engine` says which limits a decision falls under and what it would use up of them; whoever stores the decision
reserves that in the same commit, and tightens the verdict by what could not be had.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from policies.types import Outcome, Requirement

#: what a limit counts apart: each customer, each agent (domain), each kind, each vendor; nothing means all together
Per = Literal["customer", "domain", "kind", "vendor"]


@dataclass(frozen=True, slots=True)
class Limit:
    """`max_count` actions, `max_minor` of `currency`, or both, within `window_minutes` that roll."""

    id: str
    bundle: str
    actions: frozenset[str]
    per: tuple[Per, ...]
    window_minutes: int
    max_count: int | None
    max_minor: int | None
    currency: str | None
    #: what an action becomes that would exceed it: REVIEW or DENY
    over: Outcome
    requirements: tuple[Requirement, ...]
    #: exceeding it throws the switch of the action's kind: whatever is amiss, it goes no further without a person
    trips: bool = False

    @property
    def ref(self) -> str:
        return f"{self.bundle}/{self.id}"


@dataclass(frozen=True, slots=True)
class Use:
    """What one action would use up of one limit. `key` names the counter: the limit and what it counts apart."""

    limit: Limit
    key: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Reserved:
    """What came of it: used before, in the window, and whether this fitted."""

    limit: str
    key: str
    used_count: int
    used_minor: int
    held: bool

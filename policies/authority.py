"""How much money each role may approve: what the platform's bundle lays down, asked of by `engine`. Pure.

A role that the table does not name may approve no money at all. Several tables hold together: what one refuses is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policies.types import Requirement

#: in a table, every currency that it does not name
OTHER = "*"


@dataclass(frozen=True, slots=True)
class Authority:
    """One table: by role, by currency, the largest amount in minor units."""

    up_to: Mapping[str, Mapping[str, int]]

    def allows(self, role: str, amount: int | None, currency: str | None) -> bool:
        """Whether the role may approve this much. What is not known counts as the worst that it could be."""
        said = self.up_to.get(role)
        if not said:
            return False
        limit = min(said.values()) if currency is None else said.get(currency, said.get(OTHER, -1))
        most = max(max(limits.values()) for limits in self.up_to.values()) if amount is None else abs(amount)
        return most <= limit


def authorised(tables: Sequence[Authority], amount: int | None, currency: str | None) -> tuple[str, ...]:
    """The roles that every table lets approve so much. None stands for an amount or a currency that cannot be known."""
    roles = {role for table in tables for role in table.up_to}
    return tuple(sorted(role for role in roles if all(table.allows(role, amount, currency) for table in tables)))


def handed_on(
    tables: Sequence[Authority], roles: Sequence[str], asked: Sequence[Requirement]
) -> tuple[Requirement, ...]:
    """What is asked, with the places of roles whose authority does not reach so far handed to anybody whose does.

    A role that no table names keeps its place: it is asked for something else than money.
    """
    named = {role for table in tables for role in table.up_to}
    kept = [requirement for requirement in asked if requirement.role not in named or requirement.role in roles]
    # Added up: two places are for two people, whoever has them now.
    handed: dict[int, int] = {}
    for requirement in asked:
        if requirement not in kept:
            handed[requirement.stage] = handed.get(requirement.stage, 0) + requirement.n
    return (*kept, *(Requirement("", n, stage) for stage, n in handed.items()))

"""Earlier policies by their hash, compiled and checked: for whoever must reach a decision again or show what was in force.

Never gives a policy whose files do not come to its hash.
"""

from __future__ import annotations

from policies.errors import PolicyError
from policies.rules import Policy
from workers.rulebook import compiled
from workers.store.database import Database
from workers.wiring import System


def policy_of(where: System | Database, hash_: str) -> Policy | None:
    """The policy with this hash; None where it is not kept, or is not what it claims to be. Raise `StoreUnavailable`."""
    if isinstance(where, System):
        in_force = where.policy
        if in_force.hash == hash_:
            return in_force
        where = where.db
    try:
        return compiled.kept_or_loaded(where, hash_)
    except PolicyError:
        return None

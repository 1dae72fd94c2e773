"""Policies of earlier decisions, by their hash: what is in force, what the database keeps, and nothing that only claims to be.

Called where a decision is reached again. A policy that is not kept, or whose files do not come to its hash any more, is none.
"""

from __future__ import annotations

from policies.errors import PolicyError
from policies.rules import Policy
from workers.rehearsal.replay import Known
from workers.rulebook import compiled
from workers.store.database import Database


def known(db: Database, *others: Policy) -> Known:
    """Gives the policy of a hash. `others` are at hand besides those in the database. Each hash is looked for once."""
    found: dict[str, Policy | None] = {policy.hash: policy for policy in others}

    def of_hash(hash_: str) -> Policy | None:
        if hash_ not in found:
            try:
                found[hash_] = compiled.kept_or_loaded(db, hash_)
            except PolicyError:
                found[hash_] = None
        return found[hash_]

    return of_hash

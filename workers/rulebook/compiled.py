"""Policies out of the database: compiled from their files as they were kept, and refused where they are not what they claim.

Called by `book` for what is in force and by whoever must judge by an earlier policy again. A set is what its hash says or
it is nothing: files that come to another hash were changed behind our back, and are never used.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from policies import loader
from policies.errors import PolicyError, Problem
from policies.rules import Policy
from workers.store import policy_sets
from workers.store.database import Database

#: compiled policies kept at hand; each is a megabyte or two
KEPT = 16

_kept: OrderedDict[str, Policy] = OrderedDict()
_lock = threading.Lock()


def kept_or_loaded(db: Database, hash_: str) -> Policy:
    """The policy with this hash, compiled once in this process. Raise `PolicyError` where it cannot be had."""
    with _lock:
        found = _kept.get(hash_)
        if found is not None:
            _kept.move_to_end(hash_)
            return found
    return keep(from_database(db, hash_))


def keep(policy: Policy) -> Policy:
    """Have a compiled policy at hand when its hash is asked for."""
    with _lock:
        _kept[policy.hash] = policy
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return policy


def from_database(db: Database, hash_: str) -> Policy:
    """Compiled anew and checked against its hash. Raise `PolicyError`."""
    with db.read() as tx:
        files = policy_sets.of_hash(tx, hash_)
    place = f"policy {hash_[:12]} in the database"
    if files is None:
        raise PolicyError([Problem(place, 1, "", "is not there")])
    policy = loader.loads({f"{place}, {name}": text for name, text in files.items()}, run_tests=False, vouched=True)
    if policy.hash != hash_:
        raise PolicyError(
            [
                Problem(
                    place,
                    1,
                    "",
                    f"its files come to {policy.hash[:12]}: they were changed behind our back, or belong to another "
                    "version of Caseworker, and are not used",
                )
            ]
        )
    return policy

"""Proving the policy's life: whatever came into force stands in the audit log, and whatever stands there came into force.

Called by ``caseworker audit verify`` and ``caseworker doctor``. Reads only. Whoever can write to the database could else put
a policy in force that nobody decided on, and nobody would notice.
"""

from __future__ import annotations

from collections import Counter

from sqlalchemy import select, type_coerce

from workers.store import audit
from workers.store.audit import SYSTEM
from workers.store.database import Tx
from workers.store.policy_tables import policy_activations
from workers.store.unfit import AnyMoment

VERB = "policy_activated"
_ACTIVATIONS = select(
    *(column for column in policy_activations.c if column.name != "at"),
    type_coerce(policy_activations.c.at, AnyMoment).label("at"),
).order_by(policy_activations.c.seq)


def unbacked(tx: Tx) -> list[str]:
    """What does not agree, in plain words; empty where all does."""
    told = Counter(
        (entry.actor, entry.at, *(_value(entry.data.get(key)) for key in ("hash", "from", "how", "action")))
        for entry in audit.of_chain(tx, SYSTEM)
        if entry.verb == VERB
    )
    problems = []
    for row in tx.execute(_ACTIVATIONS).mappings():
        key = (row["by"], row["at"], row["hash"], row["from_hash"], row["how"], row["action_id"])
        if told[key]:
            told[key] -= 1
        else:
            problems.append(
                f"policy {row['hash'][:12]}: came into force as number {row['seq']}, and the log does not tell of it"
            )
    gone = [key for key, count in told.items() if count]
    problems += [
        f"policy {str(hash_)[:12]}: the log tells that it came into force, and the database does not know it"
        for _, _, hash_, *_ in gone
    ]
    return problems


def _value(told: object) -> object:
    """What the log tells, as it stands in a column; of an entry that was changed it may be anything."""
    return told if told is None or isinstance(told, str) else repr(told)

"""What later contradicts an action: which kinds, done to the same target afterwards, say that it should not have been done.

Declared here and nowhere guessed. For a kind that is not listed nothing is known but whether it could be carried out; the
page and ``docs/autonomy.md`` say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from workers.actions.catalogue import CATALOGUE
from workers.store import autonomy
from workers.store.database import Tx

#: what comes later than this is another story
WITHIN = timedelta(days=14)

#: beside what undoes a kind by its own declaration
_SAID_LATER: Mapping[str, frozenset[str]] = {
    # The ticket came back and there was something to do.
    "close_ticket": frozenset({"reply_to_customer", "ask_customer", "escalate_ticket"}),
    # The answer did not settle it: other people had to.
    "reply_to_customer": frozenset({"escalate_ticket"}),
    "release_charge": frozenset({"refund_payment"}),
}


def contradicting(kind: str) -> frozenset[str]:
    """The kinds that contradict this one when they are done to its target afterwards."""
    declared = CATALOGUE.get(kind)
    undo = frozenset({declared.undo} if declared is not None and declared.undo else ())
    return undo | _SAID_LATER.get(kind, frozenset())


#: kinds of which it can be known at all
CONTRADICTABLE = tuple(sorted(kind for kind in CATALOGUE if contradicting(kind)))


def contradicted(tx: Tx, kinds: Mapping[str, str]) -> dict[str, str]:
    """Of these actions (kind by id), those that were contradicted in time, with the kind that did."""
    found: dict[str, str] = {}
    by_kind: dict[str, list[str]] = {}
    for action_id, kind in kinds.items():
        if contradicting(kind):
            by_kind.setdefault(kind, []).append(action_id)
    for kind, ids in by_kind.items():
        for action_id, later, settled_at, at in autonomy.contradicted(tx, ids, _listed(kind)):
            if at - settled_at <= WITHIN:
                found.setdefault(action_id, later)
    return found


def _listed(kind: str) -> Sequence[str]:
    return sorted(contradicting(kind))

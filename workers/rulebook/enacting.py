"""Puts an approved policy in force: the one who writes the rulebook, handed to `execute` like any other system's writer.

Made by `workers.wiring.hands` for the process that carries actions out, and for nobody else. It loads what it puts in force
and checks it against its hash first, and does so only while the policy that the change was made for is still in force.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from integrations.base import Receipt
from integrations.errors import Permanent, Stale, Temporary
from policies.errors import PolicyError
from workers.rulebook import compiled
from workers.rulebook.book import activated
from workers.store import actions, audit, policy_sets
from workers.store.audit import SYSTEM
from workers.store.database import Database, StoreUnavailable, Tx
from workers.store.policy_sets import Activation, How

#: the system that targets of policy changes name: ``caseworker:policy:…``
SYSTEM_NAME = "caseworker"


class Enacting:
    """Opens the database for each change, of which there are few, and holds no connection between them."""

    def __init__(self, url: str, clock: Callable[[], datetime]) -> None:
        self._url = url
        self._clock = clock

    def enact(self, hash_: str, from_hash: str, *, key: str) -> Receipt:
        """Put a set in force in the place of `from_hash`; the same `key` again gives the same answer and changes nothing.
        Raise `Stale` where another policy is in force by now."""
        db = Database(self._url, connections=2)
        try:
            return self._enact(db, hash_, from_hash, key)
        except StoreUnavailable as error:
            raise Temporary(str(error), maybe_done=True) from error
        finally:
            db.dispose()

    def _enact(self, db: Database, hash_: str, from_hash: str, key: str) -> Receipt:
        with db.read() as tx:
            done = policy_sets.by_action(tx, key)
        if done is not None:
            return _receipt(done)
        try:
            policy = compiled.from_database(db, hash_)
        except PolicyError as error:
            raise Permanent(f"This policy cannot be put in force. {error}") from error
        with db.write() as tx:
            current = policy_sets.in_force(tx)
            if current is None or current.hash != from_hash:
                raise Stale("Another policy is in force by now: this change was made for the one before.")
            taken = policy_sets.activate(
                tx,
                hash_,
                after=current,
                how=How.APPROVED,
                by=_approved_by(tx, key),
                now=self._clock(),
                action_id=key,
            )
            if taken is None:
                raise Stale("Another policy came into force at this moment.")
            audit.append(tx, SYSTEM, taken.at, activated(taken, policy.name))
        return _receipt(taken)


def _approved_by(tx: Tx, action_id: str) -> str:
    """Everybody whose yes to the present revision counted, as the audit log names them."""
    action = actions.get(tx, action_id)
    said = actions.decisions_of(tx, action_id) if action is not None else []
    yes = [d.actor for d in said if d.decision == "approve" and action is not None and d.digest == action.digest]
    return ", ".join(dict.fromkeys(yes))[:200] or "caseworker"


def _receipt(done: Activation) -> Receipt:
    return Receipt(
        ref=f"{SYSTEM_NAME}:policy:{done.hash[:12]}",
        version_before=done.from_hash or "",
        version_after=done.hash,
        data={"activation": done.seq},
    )

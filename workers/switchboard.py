"""The kill switches: which are thrown, read at most twice a second, and how one is thrown or released, with its entry in the
audit log.

A decision asks its process's `Switchboard`; just before anything is sent, `execute` asks the database itself. Throwing and
releasing is for people (command line, API, page), for limits that trip and for autonomy that is taken back; whoever does it
is named. Nothing here decides what a thrown switch means.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import datetime

from workers.actions.catalogue import CATALOGUE
from workers.store import audit, switches
from workers.store.audit import SYSTEM, Note
from workers.store.database import Database, Tx
from workers.store.records import Switch

#: a decision may rest on what was so this long ago
FRESH_SECONDS = 0.5
#: a rule's permission is suspended; the engine knows what that means for the action
RULE = "rule:"
RULE_SCOPE = re.compile(r"rule:[a-z][a-z0-9_-]{0,63}/[a-z][a-z0-9_-]{0,63}")


def scopes_of(domain: str, kind: str, vendor: str) -> list[str]:
    """The switches that stop an action: everything, its domain, its kind, and the system that it would change."""
    return ["all", f"domain:{domain}", f"action:{kind}", f"vendor:{vendor}"]


def applying(thrown: Sequence[Switch], domain: str, kind: str, vendor: str) -> list[str]:
    """Those of the thrown switches that say something of such an action, with every rule that is suspended."""
    stopping = scopes_of(domain, kind, vendor)
    return sorted(s.scope for s in thrown if s.scope in stopping or s.scope.startswith(RULE))


class Switchboard:
    """What is thrown, as this process last saw it. One query each `FRESH_SECONDS` at most, whoever asks."""

    def __init__(self, db: Database, *, fresh_seconds: float = FRESH_SECONDS) -> None:
        self._db = db
        self._fresh_seconds = fresh_seconds
        self._lock = threading.Lock()
        self._seen: tuple[Switch, ...] = ()
        self._seen_at = float("-inf")

    def thrown(self) -> tuple[Switch, ...]:
        """All that are thrown. Raise `StoreUnavailable`: what cannot be known is not taken for released."""
        with self._lock:
            # Before the question: an answer is as old as the moment in which it was asked for.
            asked_at = time.monotonic()
            if asked_at - self._seen_at >= self._fresh_seconds:
                self._seen, self._seen_at = tuple(switches.now_thrown(self._db)), asked_at
            return self._seen

    def forget(self) -> None:
        """Ask again next time: this process has just thrown or released one itself."""
        with self._lock:
            self._seen_at = float("-inf")


def throw(tx: Tx, scope: str, *, reason: str, actor: str, now: datetime) -> None:
    """Throw a switch and write it down. One that is thrown already gets the new reason."""
    switches.throw(tx, scope, reason=reason, actor=actor, now=now)
    audit.append(tx, SYSTEM, now, Note(actor, "switch_thrown", {"scope": scope, "reason": reason}))


def release(tx: Tx, scope: str, *, reason: str, actor: str, now: datetime) -> bool:
    """Release a switch, write it down, and let go on what it held. False, and nothing written, where it is not thrown."""
    if not switches.release(tx, scope):
        return False
    told = {"scope": scope, **({"reason": reason} if reason else {})}
    audit.append(tx, SYSTEM, now, Note(actor, "switch_released", told))
    switches.let_go(tx, scope, now)
    return True


def known_scopes(*, domains: Iterable[str], vendors: Iterable[str]) -> list[str]:
    """Every switch that there is but those of rules. A misspelt one would stop nothing, and nobody would notice."""
    return [
        "all",
        *(f"domain:{name}" for name in domains),
        *(f"action:{kind}" for kind in CATALOGUE),
        *(f"vendor:{name}" for name in vendors),
    ]

"""The policy in force, as a process holds it: the first one taken from the folder, every later one from the database.

`System.policy` asks here. At most twice a second one small read says which policy is in force; nothing is read for a case.
What cannot be loaded never takes the place of what can: the last good policy stays, and log, metrics and doctor say so.
Whoever judges takes the policy once and keeps it, so no verdict is made of two.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from policies import checked, loader
from policies.errors import PolicyError, Problem
from policies.rules import Policy
from workers.log import logger
from workers.rulebook import compiled
from workers.store import audit, policy_sets
from workers.store.audit import SYSTEM, Note
from workers.store.database import Database, StoreUnavailable, Tx
from workers.store.policy_sets import Activation, How, SetState
from workers.telemetry import metrics

#: how often a process asks which policy is in force
EVERY_SECONDS = 0.5
#: how long to leave a policy alone that could not be loaded
AGAIN_SECONDS = 30.0
#: a thread waits no longer for another that is asking; meanwhile the policy before holds, and `execute` asks again
PATIENCE_SECONDS = 2.0
HOUSE = "caseworker"


class Rulebook(Protocol):
    """Says which policy is in force."""

    @property
    def policy(self) -> Policy: ...

    @property
    def trouble(self) -> str | None: ...

    def begin(self) -> Policy: ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """One policy and no other: for whoever tries a policy out."""

    policy: Policy
    trouble: str | None = None

    def begin(self) -> Policy:
        return self.policy


class Book:
    """Follows what the database says is in force. `folder_wins` takes over whatever lies in the folder at the start."""

    def __init__(
        self,
        db: Database,
        folder: Path,
        *,
        folder_wins: bool = False,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = db
        self._folder = folder
        self._folder_wins = folder_wins
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._until = 0.0
        self._held: Policy | None = None
        self._refused: tuple[int, float] | None = None
        self._trouble: str | None = None

    @property
    def policy(self) -> Policy:
        """What is in force. Raise `PolicyError` where a process has never had one and none can be loaded."""
        held = self._held
        if held is None:
            return self.begin()
        if self._monotonic() >= self._until:
            self._follow()
        return self._held or held

    @property
    def trouble(self) -> str | None:
        """Why this process does not judge by the policy in force; None where it does."""
        return self._trouble

    def begin(self) -> Policy:
        """Find what is in force, or make the folder's policy the first. Raise `PolicyError`, and then nothing may start."""
        with self._lock:
            if self._held is None:
                self._held = self._first()
                self._until = self._monotonic() + EVERY_SECONDS
            return self._held

    def _first(self) -> Policy:
        with self._db.read() as tx:
            current = policy_sets.in_force(tx)
        if current is None or self._folder_wins:
            current = self._take_the_folder()
        try:
            return compiled.kept_or_loaded(self._db, current.hash)
        except PolicyError as error:
            remedy = "nothing may run without the policy in force: `caseworker doctor` says what to do"
            raise PolicyError([*error.problems, Problem(f"policy {current.hash[:12]}", 1, "", remedy)]) from error

    def _take_the_folder(self) -> Activation:
        """The folder's policy in force, tested. Of several processes that start at once one puts it there."""
        files = loader.read(self._folder)
        policy = loader.loads(files, checked=checked.known([self._folder]))
        compiled.keep(policy)
        texts = {Path(name).name: text.decode() for name, text in files.items()}
        while True:
            with self._db.write() as tx:
                current = policy_sets.in_force(tx)
                if current is not None and (current.hash == policy.hash or not self._folder_wins):
                    return current
                taken = self._put(tx, policy, texts, current)
            if taken is not None:
                return taken

    def _put(self, tx: Tx, policy: Policy, texts: dict[str, str], current: Activation | None) -> Activation | None:
        now = self._clock()
        how = How.GENESIS if current is None else How.FOLDER
        why = "The first one here." if current is None else "The folder has it, and here the folder always wins."
        policy_sets.add(
            tx, policy.hash, name=policy.name, files=texts, by=HOUSE, why=why, now=now, state=SetState.ACTIVE
        )
        taken = policy_sets.activate(tx, policy.hash, after=current, how=how, by=HOUSE, now=now)
        if taken is not None:
            audit.append(tx, SYSTEM, now, activated(taken, policy.name))
            logger.info("policy_in_force", hash=policy.hash[:12], policy=policy.name, how=how.value)
        return taken

    def _follow(self) -> None:
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            return
        try:
            if self._monotonic() >= self._until:
                self._look()
                self._until = self._monotonic() + EVERY_SECONDS
        finally:
            self._lock.release()

    def _look(self) -> None:
        try:
            with self._db.read() as tx:
                current = policy_sets.in_force(tx)
        except StoreUnavailable:
            # Nothing can be decided without the database either: what is written next waits for it, and asks again.
            return
        held = self._held
        if current is None or held is None or current.hash == held.hash:
            self._say(None)
            return
        if self._refused is not None and self._refused[0] == current.seq and self._monotonic() < self._refused[1]:
            return
        try:
            self._held = compiled.kept_or_loaded(self._db, current.hash)
        except StoreUnavailable:
            return
        except PolicyError as error:
            self._refused = (current.seq, self._monotonic() + AGAIN_SECONDS)
            self._say(str(error))
            logger.error("policy_not_loaded", hash=current.hash[:12], kept=held.hash[:12], error=str(error))
            return
        self._refused = None
        self._say(None)
        logger.info("policy_followed", hash=current.hash[:12], policy=self._held.name)

    def _say(self, trouble: str | None) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            metrics.policy_kept_back(trouble is not None)


def activated(activation: Activation, name: str) -> Note:
    """What the audit log says of a policy that came into force."""
    told = {
        "hash": activation.hash,
        "from": activation.from_hash,
        "how": activation.how,
        "action": activation.action_id,
        "policy": name,
    }
    return Note(activation.by, "policy_activated", told)

"""A second policy beside the one in force: each decision is judged by it as well, some time after it was committed.

`RehearsalThread` calls `follow`. It reads records and writes what both said, and touches neither cases nor actions: what a shadow says is
only ever read. It delays no decision, and where it fails none notices. Limits are not reserved for it and no switch is asked
for but those that the record has: it says what its rules say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from policies import loader
from policies.backtest import again
from policies.comparison import Said
from policies.errors import PolicyError
from policies.rules import Policy
from policies.types import Requirement
from workers.log import logger
from workers.rulebook import compiled
from workers.store import decided, policy_sets, shadow_verdicts
from workers.store.database import Database
from workers.store.ids import until_now
from workers.store.policy_sets import SetState
from workers.store.shadow_verdicts import Waiting
from workers.wiring import System

LOT = 500
#: a shadow that is new begins with what was drafted in this time; whatever is older is for a backtest
FIRST = timedelta(days=1)
KEPT = timedelta(days=90)
#: shadows that are followed at the same time
MOST = 3


class Shadows:
    """The shadows of one process: the folder's, read again when its files change, and those kept in the database."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._read: Mapping[str, bytes] = {}
        self._held: Policy | None = None
        self._refused = ""

    def now(self, db: Database) -> list[Policy]:
        """Which there are at this moment. One that cannot be loaded is said once and left out."""
        found = [] if self._folder is None else self._of_the_folder(self._folder)
        with db.read() as tx:
            hashes = [one.hash for one in policy_sets.in_state(tx, SetState.SHADOW)]
        for hash_ in hashes:
            try:
                found.append(compiled.kept_or_loaded(db, hash_))
            except PolicyError as error:
                self._say(str(error))
        return list({policy.hash: policy for policy in found}.values())[:MOST]

    def _of_the_folder(self, folder: Path) -> list[Policy]:
        try:
            files = loader.read(folder)
            if files != self._read:
                self._read, self._held = files, None
                self._held = loader.loads(files, run_tests=False)
        except (PolicyError, OSError) as error:
            self._say(str(error))
        return [self._held] if self._held is not None else []

    def _say(self, told: str) -> None:
        if told != self._refused:
            self._refused = told
            logger.warning("policy_shadow_not_loaded", error=told)


def follow(system: System, policy: Policy, *, go_on: Callable[[], bool] = lambda: True) -> int:
    """Judge what was decided since the last time. How many decisions that were."""
    total, floor = 0, _begins(system, policy.hash)
    while go_on():
        with system.db.read() as tx:
            lot = shadow_verdicts.drafted(tx, policy.hash, floor=floor, limit=LOT)
        if not lot:
            break
        floor = lot[-1].action_id
        total += _keep(system, policy, lot, "actions", floor)
    return total + _follow_people(system, policy) if go_on() else total


def _begins(system: System, shadow: str) -> str:
    with system.db.read() as tx:
        mark = shadow_verdicts.mark(tx, shadow, "actions")
        return shadow_verdicts.before("act", mark) if mark else decided.last_before(tx, system.clock() - FIRST)


def _follow_people(system: System, policy: Policy) -> int:
    """What was judged anew because somebody decided. A new shadow takes no part in what was before it was there."""
    with system.db.read() as tx:
        mark = shadow_verdicts.mark(tx, policy.hash, "decisions")
        newest = shadow_verdicts.newest_decision(tx)
        floor = shadow_verdicts.before("dec", mark) if mark else newest
        lot = shadow_verdicts.judged_anew(tx, policy.hash, floor=floor, upto=newest)
    return _keep(system, policy, lot, "decisions", newest) if lot or until_now(newest) > mark else 0


def _keep(system: System, policy: Policy, lot: Sequence[Waiting], what: str, mark: str) -> int:
    now = system.clock()
    rows = [row for one in lot if (row := _judged(policy, one, now)) is not None]
    with system.db.write() as tx:
        shadow_verdicts.add(tx, rows)
        shadow_verdicts.set_mark(tx, policy.hash, what, mark, now)
        shadow_verdicts.drop_before(tx, now - KEPT)
    return len(rows)


def _judged(policy: Policy, one: Waiting, now: datetime) -> dict[str, Any] | None:
    """What both say of it; None where the record is none, as an erased one."""
    try:
        stored = json.loads(one.record)
        was = Said.kept(stored)
        would_be = Said.of(again(policy, stored).verdict)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    differs = was.outcome is not would_be.outcome or was.asked != would_be.asked
    return {
        "shadow": policy.hash,
        "action_id": one.action_id,
        "revision": one.revision,
        "name": policy.name[:400],
        "domain": one.domain,
        "kind": one.kind,
        "was": was.outcome.name.lower(),
        "would_be": would_be.outcome.name.lower(),
        "differs": differs,
        # Ids and names alone: what a rule says may quote a customer.
        "told": {"was": _said(was), "would_be": _said(would_be)} if differs else None,
        "decided_at": one.created_at,
        "at": now,
    }


def _said(said: Said) -> dict[str, Any]:
    return {"outcome": said.outcome.name.lower(), "requirements": _asked(said.asked), "rules": list(said.rules)}


def _asked(asked: Sequence[Requirement]) -> list[dict[str, Any]]:
    return [{"role": one.role, "n": one.n} | ({"stage": one.stage} if one.stage else {}) for one in asked]

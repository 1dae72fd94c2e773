"""What a proposed change of the policy would change, for its card: in words, as text, and on what was decided of late.

Reads the two policies as they are kept and judges a sample by both. Shown beside the draft; decides nothing. A set never
changes and neither do its tests, so these are run once in a process, whoever looks how often.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from policies import loader, suites
from policies.comparison import Change, Report
from policies.rules import Policy
from workers.actions.governing import CHANGE
from workers.governance import differences, staffing
from workers.governance.book import policy_of
from workers.governance.differences import Difference, FileDifference
from workers.governance.rehearsed import lately
from workers.store import policy_sets
from workers.store.policy_sets import PolicySet
from workers.store.records import Action, ActionState
from workers.wiring import System

#: how the tests of so many sets went: those that passed, those that failed
KEPT = 64

_kept: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Compared:
    """Two policies side by side."""

    pieces: Sequence[Difference]
    files: Sequence[FileDifference]


@dataclass(frozen=True, slots=True)
class ChangedPolicy:
    """`kept` is None where the set is gone or is not what it claims to be: then nothing of it can be shown, or put in force."""

    hash: str
    from_hash: str
    loosens: bool
    kept: PolicySet | None
    compared: Compared
    passed: int
    failed: int
    report: Report | None
    obstacle: str | None

    @property
    def examples(self) -> Sequence[Change]:
        return self.report.changes[:20] if self.report is not None else ()


def changed_policy(system: System, action: Action) -> ChangedPolicy | None:
    """What the action would change; None for every other kind."""
    if action.kind != CHANGE:
        return None
    hash_, from_hash = str(action.arguments["hash"]), str(action.arguments["from_hash"])
    before, after = policy_of(system, from_hash), policy_of(system, hash_)
    waits = action.state == ActionState.PENDING
    with system.db.read() as tx:
        kept = policy_sets.get(tx, hash_)
        obstacle = staffing.obstacle(tx, system.policy, system.clock()) if waits else None
    passed, failed = _tested(system, hash_) if after is not None else (0, 0)
    return ChangedPolicy(
        hash=hash_,
        from_hash=from_hash,
        loosens=bool(action.arguments.get("loosens", True)),
        kept=kept if after is not None else None,
        compared=compared(system, before, after),
        passed=passed,
        failed=failed,
        report=lately(system, before, after).report if waits and before is not None and after is not None else None,
        obstacle=obstacle,
    )


def compared(system: System, before: Policy | None, after: Policy | None) -> Compared:
    """Empty where one of them cannot be had."""
    if before is None or after is None:
        return Compared((), ())
    with system.db.read() as tx:
        old, new = policy_sets.of_hash(tx, before.hash) or {}, policy_sets.of_hash(tx, after.hash) or {}
    return Compared(differences.between(before, after), differences.texts(old, new))


def _tested(system: System, hash_: str) -> tuple[int, int]:
    """How many of its tests pass, and how many do not. The caller has made sure that the set is what its hash says."""
    which = (system.db.url, hash_)
    with _lock:
        if (found := _kept.get(which)) is not None:
            return found
    with system.db.read() as tx:
        files = policy_sets.of_hash(tx, hash_) or {}
    loaded = loader.examine(files, vouched=True)
    if loaded.policy is None:
        return 0, 0
    results = suites.run(loaded.policy, loaded.suites, loaded.sources).results
    passed = sum(result.passed for result in results)
    with _lock:
        _kept[which] = (passed, len(results) - passed)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return passed, len(results) - passed

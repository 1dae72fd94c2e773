"""What a proposed policy would have said of late, beside what the one in force says of the same: for the card, and to find
out whether it loosens anything.

Both are asked anew about recorded facts, so a decision of long ago under a third policy proves nothing here. Reads the latest
few hundred decisions and no more; whoever wants all of them runs a backtest.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from policies import backtest
from policies.comparison import Report, Said
from policies.rules import Policy
from policies.types import Outcome, Requirement
from workers.store import decided
from workers.store.database import Database
from workers.store.decided import Window
from workers.wiring import System

LATELY = 500
SHOWN = 50
#: what was rehearsed for cards: so many, and for so long
KEPT = 16
GOOD_FOR = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """`looser` counts decisions that would have been let through more easily: a weaker answer, or fewer people."""

    report: Report
    looser: int
    #: could not be read again, so nothing is known of them
    unreadable: int


_kept: OrderedDict[tuple[str, str, str], tuple[datetime, Rehearsed]] = OrderedDict()
_lock = threading.Lock()


def rehearse(db: Database, in_force: Policy, proposed: Policy, *, limit: int = LATELY) -> Rehearsed:
    """Raise `StoreUnavailable`."""
    tally = backtest.Tally(proposed, cap=SHOWN)
    looser = unreadable = 0
    for kept in decided.stream(db, Window(limit=limit)):
        try:
            record = json.loads(kept.record)
            was = Said.of(backtest.again(in_force, record).verdict)
            now = backtest.again(proposed, record)
        except (KeyError, TypeError, ValueError, AttributeError):
            unreadable += 1
            continue
        tally.compare(kept.id, was, now)
        looser += is_looser(was, Said.of(now.verdict))
    return Rehearsed(tally.report(), looser, unreadable)


def lately(system: System, in_force: Policy, proposed: Policy) -> Rehearsed:
    """The same for a card, which many look at: rehearsed once in a while in this process. Raise `StoreUnavailable`."""
    which, now = (system.db.url, in_force.hash, proposed.hash), system.clock()
    with _lock:
        found = _kept.get(which)
    if found is not None and now - found[0] < GOOD_FOR:
        return found[1]
    made = rehearse(system.db, in_force, proposed)
    with _lock:
        _kept[which] = (now, made)
        _kept.move_to_end(which)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return made


def is_looser(was: Said, now: Said) -> bool:
    """Whether less stands between the action and the world than before."""
    if now.outcome is not was.outcome:
        return now.outcome < was.outcome
    return was.outcome is Outcome.REVIEW and not _covered(was, now)


def _covered(was: Said, now: Said) -> bool:
    asked = _needed(now)
    return all(asked.get(role, 0) >= n for role, n in _needed(was).items())


def _needed(said: Said) -> Mapping[str, int]:
    """How many of each role, and under "" how many people in all."""
    needed: dict[str, int] = {}
    for requirement in said.asked:
        if requirement.role:
            needed[requirement.role] = needed.get(requirement.role, 0) + requirement.n
    return {**needed, "": sum(requirement.n for requirement in said.asked)}


def asked(requirements: tuple[Requirement, ...]) -> str:
    """Who must say yes, in words."""
    return " and ".join(f"{r.n} of {r.role or 'anybody'}" for r in requirements)

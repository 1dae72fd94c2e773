"""A backtest over the store: another policy on what was really decided, streamed through the pure kernel.

Called by the command line, by the job behind the page and by whoever proposes a change. Reads only, in short transactions,
and holds no more than a page at a time; what lies in archives is left out, and the result says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from policies import backtest
from policies.backtest import Became, Recorded, Report
from policies.rules import Policy
from workers.store import decided
from workers.store.database import Database
from workers.store.decided import Decided, Window
from workers.store.records import ActionState

#: how often whoever watches is told, in decisions
TOLD_EVERY = 500
#: what people said no to as it was drafted, or said nothing to in time
_REFUSED = (ActionState.REJECTED, ActionState.EXPIRED, ActionState.CHANGES_REQUESTED)
_LET_THROUGH = (ActionState.APPROVED, ActionState.EXECUTING, ActionState.DONE, ActionState.UNCERTAIN)


class Stopped(Exception):
    """Whoever asked does not want to know any more."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What came of it. `archived` cases were not looked at."""

    report: Report
    archived: int


def total(db: Database, window: Window) -> int:
    """How many decisions there are to judge again."""
    with db.read() as tx:
        return decided.count(tx, window)


def rehearse(
    db: Database,
    policy: Policy,
    window: Window,
    *,
    told: Callable[[int], None] | None = None,
    go_on: Callable[[], bool] = lambda: True,
    cap: int = backtest.CAP,
) -> Rehearsed:
    """Judge again what was decided. `told` hears how many are done. Raise `Stopped` once `go_on` says no."""
    with db.read() as tx:
        archived = decided.archived(tx, window.since)
    report = backtest.run(policy, _recorded(db, window, go_on), cap=cap, progress=told, every=TOLD_EVERY)
    return Rehearsed(report, archived)


def became(one: Decided) -> Became:
    """What is known of an action's fate. That it was taken back later is known to no row of it."""
    if one.state in _REFUSED:
        return Became.REJECTED
    if one.state == ActionState.FAILED:
        return Became.FAILED
    if one.state not in _LET_THROUGH:
        return Became.UNKNOWN
    if one.edited:
        # Also where a rule let through what the edit had made of it: as it was drafted it needed that person.
        return Became.EDITED
    if not (one.decided_by or "").startswith("policy:"):
        return Became.APPROVED
    return Became.AUTOMATIC if one.state == ActionState.DONE else Became.UNKNOWN


def _recorded(db: Database, window: Window, go_on: Callable[[], bool]) -> Iterator[Recorded]:
    for number, one in enumerate(decided.stream(db, window)):
        if number % TOLD_EVERY == 0 and not go_on():
            raise Stopped
        yield Recorded(one.id, one.record, became(one))

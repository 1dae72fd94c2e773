"""The job that learns from closed cases: in lots, each in one transaction, beside the work and never in its way.

Run by the sweeper. A case is learned from once, whoever is killed when: what was learned and the mark that it was are one
commit. Nothing here changes a case or asks anything outside.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from workers import faults
from workers.memory.learning import RECORDS, learn
from workers.memory.merging import merge, slot_of
from workers.memory.terms import Terms
from workers.store import closed, memories
from workers.store.database import Database
from workers.store.rows import shallow

#: cases in one transaction: some tens of milliseconds, and on SQLite nobody else writes meanwhile
LOT = {"sqlite": 20, "postgresql": 100}
#: how far back is looked at the first time
FIRST = timedelta(days=30)
CRASH_POINTS = ("memory.learned", "memory.committing", "memory.committed")


def remember(
    db: Database, terms: Terms, clock: Callable[[], datetime], *, go_on: Callable[[], bool] = lambda: True
) -> int:
    """Learn from what closed since the last time, and drop what has expired. How many cases were looked at.

    `go_on` is asked between lots. Raise `StoreUnavailable`.
    """
    looked = 0
    while go_on():
        lot = _lot(db, terms, clock())
        looked += lot
        if not lot:
            break
    with db.write() as tx:
        memories.drop_expired(tx, clock())
        if looked:
            closed.prune(tx, clock())
    return looked


def _lot(db: Database, terms: Terms, now: datetime) -> int:
    with db.read() as tx:
        ids = closed.unlooked(tx, now=now, first=FIRST, limit=LOT["sqlite" if db.is_sqlite else "postgresql"])
        found = closed.read(tx, ids, RECORDS) if ids else []
        kinds = closed.kinds_of(tx, [said.action_id for case in found for said in case.said])
    if not found:
        return 0
    learned = [one for case in found for one in learn(case, kinds)]
    faults.point("memory.learned")
    with db.write() as tx:
        # First the mark: whoever looks at the same case beside us, or erases it, waits here and then finds it taken.
        mine = closed.take(tx, {case.id: case.closed_at for case in found})
        fresh = [one for one in learned if one.case_id in mine]
        known = memories.in_slots(tx, list(dict.fromkeys(map(slot_of, fresh))))
        changes = merge(fresh, known, terms, now)
        memories.add(tx, [{k: v for k, v in shallow(one).items() if k != "number"} for one in changes.added])
        for memory_id, columns in changes.changed.items():
            memories.change(tx, memory_id, **columns)
        for older, newer in changes.superseded:
            memories.supersede(tx, older, newer, now)
        faults.point("memory.committing")
    faults.point("memory.committed")
    return len(found)

"""Named queries on backtests that were asked for: kept with their files, worked one at a time, their report kept as it came out.

Whoever runs one moves its row every second or so; a row that has not moved for a while is taken over and begun again, and
the one who had it finds that out with the next move.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, or_, select, update

from workers.store.database import Tx
from workers.store.ids import new_id
from workers.store.rehearsal_tables import backtests
from workers.store.rows import columns, many, one

#: reports that are kept; older ones go when a new one is asked for
KEPT = 200


class State(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Backtest:
    """One that was asked for, without its files; see `files_of`."""

    id: str
    state: str
    name: str
    policy_hash: str
    options: Mapping[str, Any]
    asked_by: str
    done: int
    total: int
    report: Mapping[str, Any] | None
    error: str | None
    claimed_by: str | None
    moved_at: datetime
    asked_at: datetime
    finished_at: datetime | None


_BACKTEST = columns(backtests, Backtest)
_B = backtests.c


def ask(
    tx: Tx,
    *,
    name: str,
    policy_hash: str,
    files: Mapping[str, str],
    options: Mapping[str, Any],
    asked_by: str,
    now: datetime,
) -> str:
    """Keep one to be run. Its id."""
    made = new_id("bkt")
    row = {
        "id": made,
        "state": State.WAITING,
        "name": name[:400],
        "policy_hash": policy_hash,
        "files": zlib.compress(json.dumps(dict(files), sort_keys=True).encode()),
        "options": dict(options),
        "asked_by": asked_by,
        "done": 0,
        "total": 0,
        "moved_at": now,
        "asked_at": now,
    }
    tx.execute(backtests.insert(), row)
    kept = select(_B.id).order_by(_B.id.desc()).offset(KEPT).limit(1).scalar_subquery()
    tx.execute(delete(backtests).where(_B.id <= kept, _B.finished_at.is_not(None)))
    return made


def get(tx: Tx, backtest_id: str) -> Backtest | None:
    return one(Backtest, tx.execute(select(*_BACKTEST).where(_B.id == backtest_id)).first())


def files_of(tx: Tx, backtest_id: str) -> dict[str, str]:
    """The files as they were given, by name."""
    packed = tx.execute(select(_B.files).where(_B.id == backtest_id)).scalar_one()
    files: dict[str, str] = json.loads(zlib.decompress(packed))
    return files


def listing(tx: Tx, *, limit: int = 50) -> list[Backtest]:
    """Newest first."""
    return many(Backtest, tx.execute(select(*_BACKTEST).order_by(_B.id.desc()).limit(limit)).all())


def open_by(tx: Tx, person: str) -> int:
    """How many of a person's wait or run."""
    found = tx.execute(select(_B.id).where(_B.finished_at.is_(None), _B.asked_by == person)).all()
    return len(found)


def claim(tx: Tx, *, worker: str, now: datetime, silent_since: datetime) -> Backtest | None:
    """The oldest that waits, or whose worker has not moved it since `silent_since`; None where there is none."""
    free = or_(_B.state == State.WAITING, _B.moved_at < silent_since)
    found = tx.execute(select(_B.id, _B.moved_at).where(_B.finished_at.is_(None), free).order_by(_B.asked_at)).first()
    if found is None:
        return None
    taking = (
        update(backtests)
        .where(_B.id == found.id, _B.moved_at == found.moved_at, _B.finished_at.is_(None), free)
        .values(state=State.RUNNING, claimed_by=worker, moved_at=now, done=0)
        .returning(*_BACKTEST)
    )
    return one(Backtest, tx.execute(taking).first())


def move(tx: Tx, backtest_id: str, worker: str, *, done: int, total: int, now: datetime) -> bool:
    """Say how far it is. False where somebody else has it by now."""
    mine = (_B.id == backtest_id) & (_B.claimed_by == worker) & _B.finished_at.is_(None)
    return tx.execute(update(backtests).where(mine).values(done=done, total=total, moved_at=now)).rowcount == 1


def release(tx: Tx, backtest_id: str, worker: str, now: datetime) -> None:
    """Leave one to whoever comes next."""
    mine = (_B.id == backtest_id) & (_B.claimed_by == worker) & _B.finished_at.is_(None)
    tx.execute(update(backtests).where(mine).values(state=State.WAITING, claimed_by=None, done=0, moved_at=now))


def finish(
    tx: Tx,
    backtest_id: str,
    worker: str,
    *,
    now: datetime,
    report: Mapping[str, Any] | None = None,
    error: str | None = None,
    done: int = 0,
) -> bool:
    """Keep what came of it. False where somebody else has it by now."""
    mine = (_B.id == backtest_id) & (_B.claimed_by == worker) & _B.finished_at.is_(None)
    values: dict[str, Any] = {
        "state": State.FAILED if error is not None else State.DONE,
        "report": dict(report) if report is not None else None,
        "error": error,
        "finished_at": now,
        "moved_at": now,
        **({"done": done} if done else {}),
    }
    return tx.execute(update(backtests).where(mine).values(values)).rowcount == 1

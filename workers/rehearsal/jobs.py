"""Backtests that people ask for on a page or through the API: kept, run beside the work, and their reports kept.

`ask` is called by the inbox, `work` by the thread of rehearsal. One runs at a time in a process; it gives way to the doors, and starts over
elsewhere when its process dies. A backtest decides nothing and changes nothing but its own row.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from workers.log import logger
from workers.rehearsal import folder, past
from workers.rehearsal.folder import Unfit
from workers.rehearsal.past import Stopped
from workers.store import backtests
from workers.store.backtests import Backtest
from workers.store.database import StoreUnavailable, Tx
from workers.store.decided import Window
from workers.wiring import System

#: so long without a move, and a run is taken for dead
SILENT = timedelta(seconds=60)
MOVE_SECONDS = 1.0
#: of one person's, waiting or running at the same time
MOST_OPEN = 3


class TooMany(Exception):
    """This person asks for more than is run for one."""


def ask(tx: Tx, files: dict[str, str], window: Window, *, by: str, now: datetime) -> str:
    """Keep a backtest to be run, once its policy is sound. Its id. Raise `Unfit` or `TooMany`."""
    tried = folder.policy(files)
    if backtests.open_by(tx, by) >= MOST_OPEN:
        raise TooMany(f"{MOST_OPEN} of yours wait or run already. Wait for one of them.")
    return backtests.ask(
        tx,
        name=tried.name,
        policy_hash=tried.hash,
        files=files,
        options=options(window),
        asked_by=by,
        now=now,
    )


def work(
    system: System, *, go_on: Callable[[], bool] = lambda: True, clock: Callable[[], float] = time.monotonic
) -> bool:
    """Run the next one, if any waits. Whether one was run. Raise `StoreUnavailable`: it is begun again later."""
    now = system.clock()
    with system.db.write() as tx:
        job = backtests.claim(tx, worker=system.worker, now=now, silent_since=now - SILENT)
        files = backtests.files_of(tx, job.id) if job is not None else {}
    if job is None:
        return False
    try:
        report = _run(system, job, files, go_on, clock)
    except Unfit as error:
        # Sound when it was asked for: this process is of another version.
        _finish(system, job, error=str(error))
    except Stopped:
        # This process ends, or another has taken it over meanwhile, to whom this changes nothing.
        with system.db.write() as tx:
            backtests.release(tx, job.id, system.worker, system.clock())
        logger.info("backtest_left", backtest=job.id)
    except (StoreUnavailable, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - a bug: it breaks off at each beginning, and who asked would wait for ever
        logger.error("backtest_broke_off", backtest=job.id, exc_info=error)
        _finish(system, job, error=f"It broke off on our side ({type(error).__name__}). It was written down.")
    else:
        _finish(system, job, report=report)
    return True


def options(window: Window) -> dict[str, Any]:
    return {
        "since": window.since.isoformat() if window.since is not None else None,
        "domain": window.domain,
        "kind": window.kind,
        "limit": window.limit,
    }


def window(job: Backtest) -> Window:
    """What a job was asked to look at."""
    said = job.options
    since = said.get("since")
    return Window(
        since=datetime.fromisoformat(since) if since else None,
        domain=said.get("domain"),
        kind=said.get("kind"),
        limit=said.get("limit"),
    )


def _run(
    system: System, job: Backtest, files: dict[str, str], go_on: Callable[[], bool], clock: Callable[[], float]
) -> dict[str, Any]:
    tried = folder.policy(files)
    chosen = window(job)
    total = past.total(system.db, chosen)
    moved_at = float("-inf")
    done = 0

    def told(count: int) -> None:
        nonlocal done
        done = count

    def still_mine() -> bool:
        nonlocal moved_at
        system.request_priority.give_way()
        if not go_on():
            return False
        if clock() - moved_at < MOVE_SECONDS:
            return True
        moved_at = clock()
        with system.db.write() as tx:
            return backtests.move(tx, job.id, system.worker, done=done, total=total, now=system.clock())

    found = past.rehearse(system.db, tried, chosen, told=told, go_on=still_mine)
    report = found.report.as_json()
    # Words of a rule may quote what a customer wrote: they are shown where the action is, and not kept here.
    changes = [{name: value for name, value in change.items() if name != "reasons"} for change in report["changes"]]
    return {**report, "changes": changes, "archived": found.archived}


def _finish(system: System, job: Backtest, *, report: dict[str, Any] | None = None, error: str | None = None) -> None:
    with system.db.write() as tx:
        done = int(report["judged"]) if report is not None else 0
        backtests.finish(tx, job.id, system.worker, now=system.clock(), report=report, error=error, done=done)
    logger.info("backtest_finished", backtest=job.id, failed=error is not None)

"""A process that is stopped (SIGSTOP) is not dead: it may go on at any moment, so what it holds waits for the lease."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from tests.kit.patience import until
from workers.store import cases, processes
from workers.sweeper import Sweeper

BEATS = """
import sys, time
from datetime import UTC, datetime, timedelta
from workers.lease import Leases
from workers.store.database import Database

url, name = sys.argv[1:]
leases = Leases(Database(url, connections=1), lambda: datetime.now(UTC), lease=timedelta(minutes=1),
                longest=timedelta(hours=1), process=name)
leases.begin(["support"])
time.sleep(600)
"""
WORKER = "machine:18:bbbb"


@pytest.fixture
def worker(shared):
    """A process of its own that beats, and that has claimed a case."""
    process = subprocess.Popen([sys.executable, "-c", BEATS, shared.system.db.url, WORKER])
    try:
        until(lambda: WORKER in [row.id for row in rows(shared)])
        yield process
    finally:
        process.kill()
        process.wait(60)


def test_one_that_is_stopped_keeps_what_it_holds_and_one_that_is_killed_loses_it(shared, ticks, worker):
    case_id = claimed(shared)
    worker.send_signal(signal.SIGSTOP)
    sweeper = Sweeper(shared.system, monotonic=ticks)

    assert passes(sweeper, ticks, 12) == 0
    assert holder(shared, case_id) == WORKER
    assert WORKER in [row.id for row in rows(shared)]

    worker.kill()
    until(lambda: passes(sweeper, ticks, 1) == 1)
    assert holder(shared, case_id) is None
    assert WORKER not in [row.id for row in rows(shared)]


def test_what_a_stopped_one_holds_is_claimed_by_another_when_its_lease_has_run_out(shared, ticks, worker):
    case_id = claimed(shared)
    worker.send_signal(signal.SIGSTOP)
    sweeper = Sweeper(shared.system, monotonic=ticks)
    passes(sweeper, ticks, 6)
    shared.hints.waiting.clear()

    shared.clock.on(seconds=61)
    passes(sweeper, ticks, 1)
    assert ("case", case_id) in shared.hints.waiting
    shared.drain()
    assert holder(shared, case_id) is None


def test_one_that_goes_on_is_heard_again_and_has_lost_nothing(shared, ticks, worker):
    case_id = claimed(shared)
    worker.send_signal(signal.SIGSTOP)
    sweeper = Sweeper(shared.system, monotonic=ticks)
    passes(sweeper, ticks, 6)
    before = beat(shared)
    worker.send_signal(signal.SIGCONT)
    until(lambda: beat(shared) > before)

    assert passes(sweeper, ticks, 1) == 0
    assert holder(shared, case_id) == WORKER


def test_the_lock_with_a_process_name_is_taken_by_each_new_connection(shared, ticks, worker):
    """Its session was ended, by an administrator or a restart: it beats on a new one, which bears its name as well."""
    with shared.system.db.write() as tx:
        before = beat(shared)
        tx.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock'"
        )
    until(lambda: beat(shared) > before)

    with shared.system.db.write() as tx:
        assert processes.gone(tx, [WORKER, "machine:19:cccc"]) == ["machine:19:cccc"]


def claimed(shared):
    shared.event()
    case_id = shared.case().id
    with shared.system.db.write() as tx:
        cases.claim(tx, case_id, worker=WORKER, now=shared.clock(), lease=timedelta(seconds=60))
    return case_id


def rows(shared):
    with shared.system.db.read() as tx:
        return processes.all_of(tx)


def beat(shared):
    return next(row.beat for row in rows(shared) if row.id == WORKER)


def holder(shared, case_id):
    with shared.system.db.read() as tx:
        return cases.get(tx, case_id).claimed_by


def passes(sweeper, ticks, seconds):
    freed = 0
    for _ in range(seconds):
        freed += sweeper.sweep().freed
        ticks.on(1)
    return freed

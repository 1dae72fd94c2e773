"""Somebody stands still in mid-transaction with rows in his hand: nobody waits for him for long, and sweepers not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import text

from tests.integration.fleet.test_fair_sweeping import open_cases
from tests.integration.intake.test_together import event
from tests.kit.engine import refund
from tests.kit.patience import until
from workers.intake.receive import Provenance, prepare, store
from workers.store import arrivals, cases, database, flow, schema
from workers.store.database import Database, StoreUnavailable
from workers.store.flow import Caps
from workers.store.records import ActionState
from workers.sweeper import Sweeper

DEAD = "machine:17:aaaa"
HOLDS = """
import sys, time
from sqlalchemy import text
from workers.store.database import Database

with Database(sys.argv[1], connections=1).write() as tx:
    tx.execute(text("SELECT 1 FROM cases WHERE id = :id FOR UPDATE"), {"id": sys.argv[2]})
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def impatient(monkeypatch, shared):
    """The database as a process has it open that waits for a row for no longer than half a second."""
    monkeypatch.setattr(database, "ROW_MILLISECONDS", 500)
    db = Database(shared.system.db.url, connections=4, busy_seconds=3)
    yield db
    db.dispose()


@contextmanager
def somebody(engine, table, row_id):
    """Whoever holds a row and is no process of ours: an open psql. What he holds he keeps for as long as he likes."""
    with psycopg.connect(engine.system.db.url.replace("+psycopg", "")) as connection:
        connection.execute(f"SELECT 1 FROM {table} WHERE id = %s FOR UPDATE", (row_id,))
        yield
        connection.rollback()


def claim(db, case_id, engine):
    lease = timedelta(seconds=60)
    return flow.claim(db, case_id, worker="machine:18:bbbb", now=engine.clock(), lease=lease, caps=Caps())


def freed(sweeper, ticks, seconds=6):
    """How many rows are freed in so many passes, none of which waits."""
    count = 0
    for _ in range(seconds):
        began = time.monotonic()
        count += sweeper.sweep().freed
        assert time.monotonic() - began < 60, "it waits for whoever holds the row"
        ticks.on(1)
    return count


def test_a_case_of_the_dead_that_somebody_holds_keeps_no_sweeper_waiting_and_is_freed_when_he_is_gone(
    shared, another, ticks
):
    soon = shared.clock() + timedelta(seconds=50)
    held, other = open_cases(shared, "ana@example.com", 2, claimed_by=DEAD, held_until=soon)
    first, second = another(), another()

    with somebody(shared, "cases", held):
        assert freed(first, ticks) == 1
        assert holder(shared, other) is None
        assert holder(shared, held) == DEAD
        assert not second.sweep().leading

    assert freed(first, ticks) == 1
    assert holder(shared, held) is None


def test_so_is_an_action_that_the_dead_was_carrying_out(shared, ticks):
    sweeper = Sweeper(shared.system, monotonic=ticks)
    shared.model.drafts = [[refund(1200)]]
    shared.event()
    shared.house.after = [KeyboardInterrupt()]  # the process ends after the refund, before its record
    with pytest.raises(KeyboardInterrupt):
        shared.drain()
    with shared.system.db.write() as tx:
        tx.execute(text("UPDATE actions SET claimed_by = :dead WHERE state = 'executing'"), {"dead": DEAD})
    action = shared.action("refund_payment")
    assert action.state == ActionState.EXECUTING

    with somebody(shared, "actions", action.id):
        assert freed(sweeper, ticks) == 0

    assert freed(sweeper, ticks) == 1


def test_a_process_that_is_stopped_in_mid_transaction_loses_what_it_holds(shared, impatient):
    (held,) = open_cases(shared, "ana@example.com", 1)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, shared.system.db.url, held], stdout=subprocess.PIPE, env=environment
    )
    try:
        assert process.stdout.readline() == b"held\n"
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(StoreUnavailable):
            claim(impatient, held, shared)

        until(lambda: claimed(impatient, held, shared), "it is never cut off")
    finally:
        process.kill()
        process.wait(60)
        process.stdout.close()


def test_hints_at_a_case_that_somebody_holds_give_their_threads_and_connections_back(shared, impatient):
    held, *others = open_cases(shared, "ana@example.com", 4)
    refused = []

    def hinted():
        with pytest.raises(StoreUnavailable) as error:
            claim(impatient, held, shared)
        refused.append(str(error.value))

    with somebody(shared, "cases", held):
        threads = [threading.Thread(target=hinted) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        assert len(refused) == 6
        assert any("lock timeout" in why for why in refused)
        assert all(claim(impatient, other, shared) for other in others)


def test_an_event_on_a_case_that_somebody_holds_is_refused_for_the_moment_and_not_for_what_it_is(shared, impatient):
    """Its sender is told 503 and comes again: it is neither lost nor called faulty."""
    shared.event(ticket="7")
    case_id = shared.case().id
    more = prepared(shared, 2)

    with somebody(shared, "cases", case_id):
        assert isinstance(store(replace(shared.system, db=impatient), [more])[0], StoreUnavailable)

    (stored,) = store(replace(shared.system, db=impatient), [more])[0]
    assert stored.case_id == case_id


def test_so_is_a_new_event_that_somebody_has_stored_and_does_not_commit(shared, impatient):
    here, there = prepared(shared, 2), prepared(shared, 2)

    with shared.system.db.write() as tx:
        arrivals.take(tx, there[0])
        assert isinstance(store(replace(shared.system, db=impatient), [here])[0], StoreUnavailable)

    (stored,) = store(replace(shared.system, db=impatient), [here])[0]
    assert (stored.event_id, stored.case_id) == (there[0].event_id, None)


def test_whoever_migrates_may_think_for_as_long_as_it_takes_and_nobody_else(shared, monkeypatch):
    monkeypatch.setattr(database, "IDLE_MILLISECONDS", 1000)
    db = Database(shared.system.db.url, connections=2)

    def think(asking):
        asking.execute(text("SELECT 1"))
        time.sleep(2)
        asking.execute(text("SELECT 1"))

    def write():
        with db.write() as tx:
            think(tx)

    with schema._patient(db) as connection:
        think(connection)

    with pytest.raises(StoreUnavailable):
        write()
    db.dispose()


def prepared(engine, number):
    return prepare(engine.system, [event(number, ticket="7")], Provenance("test", b"{}"))


def claimed(db, case_id, engine):
    try:
        return claim(db, case_id, engine) is not None
    except StoreUnavailable:
        return False


def holder(engine, case_id):
    with engine.system.db.read() as tx:
        return cases.get(tx, case_id).claimed_by


def test_a_row_that_somebody_holds_keeps_no_other_lease_from_being_renewed(shared, impatient):
    held = [claim(impatient, case_id, shared).case for case_id in open_cases(shared, "ana", 3)]
    until = shared.clock() + timedelta(minutes=5)

    with somebody(shared, "cases", held[0].id), impatient.write() as tx:
        cases.renew(tx, {case.id: case.version for case in held}, until=until)

    with impatient.read() as tx:
        leases = [tx.execute(text("SELECT held_until FROM cases WHERE id = :id"), {"id": c.id}).scalar() for c in held]
    assert leases[0] < until
    assert leases[1:] == [until, until]

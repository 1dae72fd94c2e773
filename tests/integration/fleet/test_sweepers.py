"""Several sweepers run and exactly one acts; whatever becomes of it, another goes on within seconds."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace

import psycopg
import pytest
from sqlalchemy import select

from tests.kit.patience import until
from workers.log import logger
from workers.store import audit, processes, proof
from workers.store.audit_tables import audit_anchors
from workers.store.database import Database, StoreUnavailable
from workers.sweeper import Sweeper


def leaders(shared):
    with shared.system.db.read() as tx:
        return [row.id for row in processes.all_of(tx) if row.kind == processes.SWEEPER and row.held]


def test_of_two_sweepers_exactly_one_acts(shared, another, ticks):
    first, second = another(), another()
    acted = []
    for _ in range(10):
        acted.append((first.sweep().leading, second.sweep().leading))
        ticks.on(1)

    assert acted == [(True, False)] * 10


def test_the_one_that_stands_by_hints_at_nothing_and_frees_nothing(shared, another, ticks):
    first, second = another(), another()
    first.sweep()
    shared.event()
    shared.hints.waiting.clear()

    done = second.sweep()

    assert (done.leading, done.hinted, shared.hints.waiting) == (False, 0, [])


def test_when_the_leader_is_gone_the_other_takes_over_within_seconds(shared, another, ticks):
    first, second = another(), another()
    first.sweep()
    second.sweep()
    seconds = 0
    while not second.sweep().leading:
        ticks.on(1)
        seconds += 1

    assert seconds <= 4


def test_a_leader_that_was_stopped_and_goes_on_finds_that_another_leads(shared, another, ticks):
    first, second = another(), another()
    first.sweep()
    for _ in range(6):
        second.sweep()
        ticks.on(1)

    assert [first.sweep().leading, second.sweep().leading, first.sweep().leading] == [False, True, False]
    assert len(leaders(shared)) == 1


def test_a_leader_that_looks_as_seldom_as_it_was_told_to_keeps_the_lead(shared, another, ticks):
    shared.system = replace(shared.system, settings=shared.system.settings.model_copy(update={"sweep_seconds": 10.0}))
    first, second = another(), another()
    led = []
    for _ in range(3):
        led.append(first.sweep().leading)
        ticks.on(4)
        led.append(second.sweep().leading)
        ticks.on(5.5)
        led.append(second.sweep().leading)
        ticks.on(0.5)

    assert led == [True, False, False] * 3


def test_a_leader_that_ends_in_order_hands_over_at_once(shared, another, ticks):
    first, second = another(), another()
    first.once()

    assert second.sweep().leading


def test_one_pass_is_made_though_a_leader_that_was_killed_still_has_its_row(shared, another):
    """As a timer runs it: nobody else would ever see that the row moves no more."""
    another().sweep()

    assert Sweeper(shared.system).once().leading
    assert len(leaders(shared)) == 1, "of the dead; who swept once is out of the way again"


def test_one_pass_is_left_to_a_leader_that_moves(shared, monkeypatch):
    monkeypatch.setattr("workers.sweeper.TAKE_OVER_SECONDS", 1.0)
    leader = Sweeper(replace(shared.system, settings=quick(shared)))
    leader.start()
    try:
        until(lambda: leader.latest.leading)
        assert not Sweeper(shared.system).once().leading
        assert leader.latest.leading
    finally:
        leader.stop()


def test_a_sweeper_stopped_in_mid_pass_is_cut_off_and_its_lock_with_it(shared):
    """As under SIGSTOP: the connection stays open, the transaction begun, and nothing more comes."""
    db = Database(shared.system.db.url, connections=1)

    def pass_that_is_stopped():
        with db.write() as tx:
            assert processes.my_turn(tx)
            assert not locked_by(shared.system.db)
            until(lambda: locked_by(shared.system.db))
            processes.all_of(tx)

    with pytest.raises(StoreUnavailable):
        pass_that_is_stopped()
    db.dispose()


def test_a_leader_whose_connection_is_cut_goes_on_or_is_followed(shared):
    """True time and true threads: the server ends every session of the leader, again and again."""
    dbs = [Database(shared.system.db.url, connections=2) for _ in range(2)]
    sweepers = [Sweeper(replace(shared.system, db=db, settings=quick(shared))) for db in dbs]
    for sweeper in sweepers:
        sweeper.start()
    try:
        for number in range(3):
            cut_every_session(shared)
            shared.system.db.dispose()
            shared.event(f"d{number}", ticket=str(number))
            case = shared.case().id
            shared.hints.waiting.clear()
            until(lambda case=case: ("case", case) in shared.hints.waiting, "nobody sweeps")
    finally:
        for sweeper in sweepers:
            sweeper.stop()
        for db in dbs:
            db.dispose()
    assert leaders(shared) == [], "both have signed off"


def test_an_error_that_nobody_foresaw_ends_a_pass_and_not_the_sweeper(shared, monkeypatch):
    """A table that a pass needs is away for a moment; it is told, and then work is found again."""
    told = []
    monkeypatch.setattr(logger, "exception", lambda event: told.append((event, str(sys.exception()))))
    rename(shared, "processes", "elsewhere")
    sweeper = Sweeper(replace(shared.system, settings=quick(shared)))
    sweeper.start()
    try:
        until(lambda: told)
        rename(shared, "elsewhere", "processes")
        until(lambda: sweeper.latest.leading)
    finally:
        sweeper.stop()
    event, error = told[0]
    assert event == "sweep_broke_off"
    assert "UndefinedTable" in error


def test_two_that_begin_at_once_do_not_both_lead(shared, another, ticks):
    sweepers = [another() for _ in range(4)]
    together = threading.Barrier(4)
    leading = []

    def begin(sweeper):
        together.wait(60)
        leading.append(sweeper.sweep().leading)

    threads = [threading.Thread(target=begin, args=(sweeper,)) for sweeper in sweepers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert leading.count(True) == 1


def test_a_sweeper_that_stood_still_while_it_sealed_seals_nothing_twice(shared, monkeypatch):
    """The one that took over meanwhile, and an archive, find the log being sealed: two anchors that begin at the same one would
    never fit again."""
    shared.event()
    shared.drain()
    shared.clock.on(minutes=5)
    stands, goes_on = threading.Event(), threading.Event()
    seal = audit._seal

    def still(*asked):
        if threading.current_thread() is stopped:
            stands.set()
            goes_on.wait(20)
        return seal(*asked)

    monkeypatch.setattr(audit, "_seal", still)
    stopped = threading.Thread(target=Sweeper(shared.system).upkeep)
    stopped.start()
    assert stands.wait(60)
    Sweeper(shared.system).upkeep()
    archive = threading.Thread(target=sealed_for_an_archive, args=(shared,))
    archive.start()
    archive.join(0.3)
    waits = archive.is_alive()
    goes_on.set()
    stopped.join(60)
    archive.join(60)

    assert waits, "an archive needs the anchor"
    with shared.system.db.read() as tx:
        assert len(tx.execute(select(audit_anchors)).all()) == 1
    with shared.system.db.read() as tx:
        assert proof.verify(tx) == []


def sealed_for_an_archive(engine):
    with engine.system.db.write() as tx:
        audit.anchor(tx, engine.clock(), wait=True)


def rename(engine, old, new):
    with engine.system.db.write() as tx:
        tx.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")


def quick(engine):
    return engine.system.settings.model_copy(update={"sweep_seconds": 0.2})


def cut_every_session(engine):
    with psycopg.connect(engine.system.db.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def locked_by(db):
    with db.write() as tx:
        return processes.my_turn(tx)

"""A process that stopped moving loses what it held within seconds; one that moves, or could not be heard, loses nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.architecture.source import ROOT
from tests.kit.engine import make_engine, refund
from tests.kit.patience import until
from workers.lease import Leases
from workers.store import cases, processes
from workers.store.database import Database, StoreUnavailable
from workers.store.records import ActionState, CaseState
from workers.sweeper import Pulse, Sweeper

DEAD = "machine:17:aaaa"
LIVING = "machine:18:bbbb"
OF_EARLIER_VERSION = "machine:19"


def claimed(engine, case, worker):
    with engine.system.db.write() as tx:
        return cases.claim(tx, case, worker=worker, now=engine.clock(), lease=timedelta(seconds=60))


def beats(engine, *workers):
    with engine.system.db.write() as tx:
        for worker in workers:
            processes.beat(tx, worker, kind=processes.WORKER, queues=["support"], held=1, now=engine.clock())


def locks_of(engine, session):
    with engine.system.db.read() as tx:
        return tx.execute(text("SELECT count(*) FROM pg_locks WHERE pid = :session"), {"session": session}).scalar_one()


def open_case(engine, ticket):
    engine.event(f"d{ticket}", ticket=ticket)
    with engine.system.db.read() as tx:
        return cases.find_open(tx, "support", f"house:ticket:{ticket}").id


def held_by(engine, case_id):
    with engine.system.db.read() as tx:
        return cases.get(tx, case_id).claimed_by


def passes(engine, sweeper, ticks, seconds, *, beating=()):
    """So many seconds of sweeping, a pass each second. How many rows were freed."""
    freed = 0
    for _ in range(seconds):
        beats(engine, *beating)
        freed += sweeper.sweep().freed
        ticks.on(1)
    return freed


def test_a_dead_workers_case_goes_on_after_seconds_and_a_living_ones_is_left_alone(shared, ticks):
    sweeper = Sweeper(shared.system, monotonic=ticks)
    lost, kept = open_case(shared, "1"), open_case(shared, "2")
    claimed(shared, lost, DEAD)
    claimed(shared, kept, LIVING)
    beats(shared, DEAD, LIVING)
    shared.hints.waiting.clear()

    assert passes(shared, sweeper, ticks, 4, beating=[LIVING]) == 0, "too early to call it dead"
    assert passes(shared, sweeper, ticks, 2, beating=[LIVING]) == 1

    assert ("case", lost) in shared.hints.waiting
    assert ("case", kept) not in shared.hints.waiting
    assert held_by(shared, kept) == LIVING
    shared.drain()
    with shared.system.db.read() as tx:
        assert cases.get(tx, lost).state != CaseState.WORKING
        assert DEAD not in [process.id for process in processes.all_of(tx)]


def test_what_the_dead_held_is_hinted_at_however_much_waits_in_the_queue(shared, ticks, monkeypatch):
    """Hints at all others wait there already; of these the dead took the only ones."""
    sweeper = Sweeper(shared.system, monotonic=ticks)
    lost = [open_case(shared, "1"), open_case(shared, "2")]
    for number in range(3, 8):
        open_case(shared, str(number))
    for case in lost:
        claimed(shared, case, DEAD)
    beats(shared, DEAD)
    shared.hints.waiting.clear()
    monkeypatch.setattr(shared.hints, "depth", lambda target: 5 + len(shared.hints.waiting))

    assert passes(shared, sweeper, ticks, 6) == 2

    assert sorted(shared.hints.waiting) == sorted(("case", case) for case in lost)


def test_a_worker_that_died_before_it_was_ever_heard_is_found_too(shared, ticks):
    sweeper = Sweeper(shared.system, monotonic=ticks)
    case = open_case(shared, "1")
    claimed(shared, case, DEAD)

    assert passes(shared, sweeper, ticks, 6) == 1


def test_on_sqlite_where_one_process_does_all_nobody_is_looked_for(tmp_path, ticks):
    alone = make_engine(tmp_path)
    case = open_case(alone, "1")
    claimed(alone, case, DEAD)

    assert passes(alone, Sweeper(alone.system, monotonic=ticks), ticks, 10) == 0
    assert held_by(alone, case) == DEAD
    alone.system.close()


def test_a_claim_of_an_earlier_version_which_gives_no_signs_waits_for_its_lease(shared, ticks):
    sweeper = Sweeper(shared.system, monotonic=ticks)
    case = open_case(shared, "1")
    claimed(shared, case, OF_EARLIER_VERSION)

    assert passes(shared, sweeper, ticks, 10) == 0
    assert held_by(shared, case) == OF_EARLIER_VERSION


def test_the_dead_cannot_commit_to_what_was_freed(shared, ticks):
    sweeper = Sweeper(shared.system, monotonic=ticks)
    case = claimed(shared, open_case(shared, "1"), DEAD)
    passes(shared, sweeper, ticks, 6)

    with pytest.raises(cases.LostClaim), shared.system.db.write() as tx:
        cases.move(tx, case, now=shared.clock(), step="gather")


def test_an_action_that_a_dead_worker_was_carrying_out_is_looked_after(shared, ticks):
    sweeper = Sweeper(shared.system, monotonic=ticks)
    shared.model.drafts = [[refund(1200)]]
    shared.event()
    shared.house.after = [KeyboardInterrupt()]  # the process ends after the refund, before its record
    with pytest.raises(KeyboardInterrupt):
        shared.drain()
    with shared.system.db.write() as tx:
        tx.execute(text("UPDATE actions SET claimed_by = :dead WHERE state = 'executing'"), {"dead": DEAD})
    assert shared.action("refund_payment").state == ActionState.EXECUTING

    assert passes(shared, sweeper, ticks, 6) == 1
    shared.drain()

    assert shared.action("refund_payment").state == ActionState.DONE
    assert shared.house.done("refund") == [1200]


def test_silence_while_nobody_could_hear_kills_nobody(shared, ticks):
    """The database was away, or the sweeper was stopped: the watch starts anew."""
    sweeper = Sweeper(shared.system, monotonic=ticks)
    case = open_case(shared, "1")
    claimed(shared, case, LIVING)
    beats(shared, LIVING)
    passes(shared, sweeper, ticks, 3)

    ticks.on(60)
    assert passes(shared, sweeper, ticks, 3) == 0
    assert passes(shared, sweeper, ticks, 10, beating=[LIVING]) == 0
    assert held_by(shared, case) == LIVING


def test_nor_does_silence_around_an_outage_however_short_it_was(shared, ticks, monkeypatch):
    sweeper = Sweeper(shared.system, monotonic=ticks)
    case = open_case(shared, "1")
    claimed(shared, case, LIVING)
    beats(shared, LIVING)
    passes(shared, sweeper, ticks, 3)

    def away(*_):
        raise StoreUnavailable("gone")

    with monkeypatch.context() as patched:
        patched.setattr(type(shared.system.db), "write", away)
        with pytest.raises(StoreUnavailable):
            sweeper.sweep()
    ticks.on(1)

    assert passes(shared, sweeper, ticks, 3) == 0
    assert held_by(shared, case) == LIVING
    assert passes(shared, sweeper, ticks, 3) == 1


def test_a_number_that_moves_is_life_whatever_it_is():
    pulse = Pulse(4, longest_gap=3)
    for second in range(10):
        pulse.look({"moves": second, "stands": 7, "absent": None, "returns": 1 if second < 4 else 0}, float(second))

    assert sorted(pulse.dead()) == ["absent", "returns", "stands"]
    pulse.look({"moves": 10, "stands": 8, "absent": 1, "returns": 1}, 10.0)
    assert pulse.dead() == []


def test_a_working_process_beats_and_signs_off_only_when_its_work_has_ended(shared):
    def leases(process):
        made = Leases(
            shared.system.db, shared.clock, lease=timedelta(minutes=1), longest=timedelta(hours=1), process=process
        )
        made.begin(["support"])
        return made

    def living():
        with shared.system.db.read() as tx:
            return {process.id for process in processes.all_of(tx)}

    ended, cut_off = leases(LIVING), leases(DEAD)
    with cut_off.case("case_1", 1), ended.case("case_2", 1):
        until(lambda: living() == {LIVING, DEAD})
        cut_off.close()
    ended.close()

    assert living() == {DEAD}


def test_every_process_has_a_name_of_its_own_that_fits_the_column():
    names = {processes.new_id() for _ in range(100)}

    assert len(names) == 100
    assert all(len(name) <= 80 and processes.gives_signs_of_life(name) for name in names)


@pytest.fixture
def ended_here():
    """A process of this machine that has ended, under the name that it had."""
    name = "from workers.store import processes; print(processes.new_id())"
    said = subprocess.run([sys.executable, "-c", name], capture_output=True, check=True, text=True, cwd=ROOT)
    return said.stdout.strip()


def test_what_a_process_of_this_machine_held_is_free_as_soon_as_it_has_ended(shared, ticks, ended_here):
    sweeper = Sweeper(shared.system, monotonic=ticks)
    lost, kept = open_case(shared, "1"), open_case(shared, "2")
    alive = processes.new_id()
    claimed(shared, lost, ended_here)
    claimed(shared, kept, alive)
    beats(shared, ended_here, alive)

    assert passes(shared, sweeper, ticks, 2) == 1

    assert held_by(shared, lost) is None
    assert held_by(shared, kept) == alive, "it is as silent, but its number says that it lives"
    assert passes(shared, sweeper, ticks, 4) == 1, "silence alone counts after the set time"


def test_as_long_as_one_of_its_connections_is_open_nothing_of_it_is_free(shared, ticks, ended_here):
    """What it sent last may be under way in the server yet."""
    sweeper = Sweeper(shared.system, monotonic=ticks)
    case = open_case(shared, "1")
    claimed(shared, case, ended_here)
    beats(shared, ended_here)
    still_open = Database(shared.system.db.url, connections=1)
    processes.hold_name(still_open, ended_here)
    with still_open.read() as tx:
        session = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()

    assert passes(shared, sweeper, ticks, 6) == 0
    still_open.dispose()
    until(lambda: not locks_of(shared, session), "the server has not noticed that the connection was closed")
    assert passes(shared, sweeper, ticks, 2) == 1


@pytest.mark.parametrize(
    "of_whom",
    [
        lambda name: name.rpartition(":")[0] + ":aaaabbbb" + "0" * 16,
        lambda name: name.rpartition(":")[0] + ":aaaabbbb",
        lambda name: name.partition(":")[0],
        lambda _: processes.new_id(),
    ],
    ids=["of another container", "of an earlier version", "of no number", "of who lives"],
)
def test_of_others_the_numbers_of_this_machine_say_nothing(ended_here, of_whom):
    assert processes.ended(ended_here)

    assert not processes.ended(of_whom(ended_here))


def test_a_restart_of_the_database_frees_nothing_that_lives(postgres, shared):
    """True time: a process beats, the server goes away and comes back, and what the process holds stays its own."""
    case = open_case(shared, "1")
    claimed(shared, case, LIVING)
    leases = Leases(
        shared.system.db, shared.clock, lease=timedelta(minutes=1), longest=timedelta(hours=1), process=LIVING
    )
    sweeper = Sweeper(shared.system)
    with leases.case(case, 1):
        sweeper.start()
        time.sleep(2)
        postgres.restart(down_for=2.5)
        time.sleep(6)
        until(lambda: sweeper.latest.leading, "nobody sweeps any more")
        sweeper.stop()

        assert held_by(shared, case) == LIVING
        assert sweeper.latest.leading
    leases.close()
    with shared.system.db.read() as tx:
        assert cases.get(tx, case).claims == 1

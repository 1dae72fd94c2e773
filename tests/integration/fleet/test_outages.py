"""The database goes away in mid-work: what was paid for is recorded when it is back, and nobody waits for a lease."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from tests.integration.fleet.proxy import LossyProxy
from tests.kit.engine import refund, tags
from tests.kit.patience import until
from workers import execute, pipeline
from workers.lease import Leases
from workers.store import actions, audit, cases, processes, proof, steps
from workers.store.database import Database, StoreUnavailable
from workers.store.outage import with_retries
from workers.store.records import ActionState, CaseState

WORKER = "machine:18:bbbb"


@pytest.fixture
def named(shared):
    """The engine as a process of its own name, beating and letting go."""
    leases = Leases(
        Database(shared.system.db.url, connections=1),
        shared.clock,
        lease=timedelta(minutes=1),
        longest=timedelta(hours=1),
        process=WORKER,
    )
    leases.begin(["support"])
    shared.system = replace(shared.system, leases=leases, worker=WORKER)
    return shared


@pytest.fixture
def outage(postgres, shared):
    """Begins a true restart of the server, and comes back when it can no longer be reached."""
    begun = []

    def begin():
        begun.append(threading.Thread(target=postgres.restart, kwargs={"down_for": 1.0}))
        begun[-1].start()
        until(lambda: not reachable(shared))

    yield begin
    for thread in begun:
        thread.join(90)


def journal(engine):
    with engine.system.db.read() as tx:
        return [step.name for step in steps.of_case(tx, engine.case().id)]


def asked(engine):
    return [request.task for request in engine.model.asked]


def whole(engine):
    """Each step once, each answer paid for once, and the audit log unbroken."""
    assert journal(engine) == ["triage", "gather", "draft"]
    assert asked(engine) == ["triage", "draft"]
    with engine.system.db.read() as tx:
        assert len(steps.usage_of(tx, engine.case().id)) == 2
    with engine.system.db.read() as tx:
        assert proof.verify(tx) == []


@pytest.mark.parametrize("step", ["triage", "draft"])
def test_a_commit_whose_answer_was_lost_is_recognised_and_not_made_twice(beyond, step):
    engine, proxy = beyond
    engine.model.drafts = [[tags()]]
    engine.event()
    # The step's name is a value of the commit, which goes with its length before it.
    proxy.lose(f"\0\0\0{chr(len(step))}{step}")
    engine.drain()

    assert proxy.lost == 1
    whole(engine)
    assert engine.case().state == CaseState.CLOSED
    assert engine.house.done("tag") == [["refund"]]


def test_an_ending_whose_answer_was_lost_is_not_written_twice(beyond):
    engine, proxy = beyond
    engine.model.drafts = [[refund(1200)]]
    engine.event()
    engine.drain(1)
    proxy.lose('"ref"')
    engine.drain()

    assert proxy.lost == 1
    whole(engine)
    assert engine.house.done("refund") == [1200]
    with engine.system.db.read() as tx:
        entries = audit.of_chain(tx, engine.case().id)
        tries = actions.attempts_of(tx, engine.action("refund_payment").id)
    assert [entry.verb for entry in entries].count("executed") == 1
    assert [one.outcome for one in tries] == [ActionState.DONE]


@pytest.mark.parametrize("task", ["triage", "draft"])
def test_an_answer_that_came_while_the_database_was_away_is_recorded_when_it_is_back(shared, outage, task):
    shared.model.drafts = [[refund(1200)]]
    shared.model.during = lambda: outage() if asked(shared)[-1] == task else None
    shared.event()
    shared.drain()
    shared.system.db.dispose()

    whole(shared)
    assert shared.case().claims == 0
    assert shared.house.done("refund") == [1200]


def test_what_came_of_a_call_is_recorded_when_the_database_is_back(shared, outage):
    shared.model.drafts = [[refund(1200)]]
    shared.event()
    shared.drain(1)
    shared.house.during_write = outage
    shared.drain()
    shared.system.db.dispose()

    assert shared.house.done("refund") == [1200]
    assert shared.action("refund_payment").state == ActionState.DONE


def test_a_refusal_that_is_no_outage_is_not_repeated():
    tried = []

    def refused():
        tried.append(1)
        raise cases.LostClaim("somebody else")

    with pytest.raises(cases.LostClaim):
        with_retries(refused)
    assert len(tried) == 1


def test_a_case_left_in_an_outage_is_let_go_of_at_once(named):
    """Whoever claims it next need not wait for the lease; what was recorded stays."""
    named.model.faults = [StoreUnavailable("away")]
    named.event()
    with pytest.raises(StoreUnavailable):
        named.drain()
    case = named.case()
    assert case.claimed_by == WORKER

    until(lambda: named.case().claimed_by is None)
    assert named.case().wake_at == named.clock()
    named.sweep()
    whole_again = named.case()
    assert whole_again.version > case.version
    assert whole_again.state != CaseState.WORKING


def test_an_action_left_in_an_outage_is_looked_after_at_once(named):
    named.model.drafts = [[refund(1200)]]
    named.event()
    named.house.after = [StoreUnavailable("away")]
    with pytest.raises(StoreUnavailable):
        named.drain()
    left = named.action("refund_payment")
    assert (left.state, left.claimed_by) == (ActionState.EXECUTING, WORKER)

    until(lambda: named.action("refund_payment").wake_at == named.clock())
    named.sweep()

    assert named.action("refund_payment").state == ActionState.DONE
    assert named.house.done("refund") == [1200]


def test_what_broke_off_for_an_unforeseen_reason_is_not_tried_again_in_the_same_moment(named):
    named.model.faults = [ValueError("a mistake of ours")]
    named.event()
    with pytest.raises(ValueError, match="a mistake of ours"):
        named.drain()
    time.sleep(2.5)

    assert named.case().claimed_by == WORKER
    named.system.leases.close()
    assert named.case().claimed_by is None


def test_nothing_is_let_go_of_that_somebody_else_has_claimed_since(named):
    named.event()
    case_id = named.case().id
    with named.system.db.write() as tx:
        first = cases.claim(tx, case_id, worker=WORKER, now=named.clock(), lease=timedelta(0))
        second = cases.claim(tx, case_id, worker="machine:19:cccc", now=named.clock(), lease=timedelta(minutes=1))
        processes.let_go(tx, {("case", case_id): first.version}, WORKER, named.clock())
        processes.let_go(tx, {("case", case_id): second.version}, WORKER, named.clock())

    assert named.case().claimed_by == "machine:19:cccc"


def test_a_claim_whose_answer_was_lost_is_found_and_let_go_of(named, postgres):
    named.event()
    case_id = named.case().id
    with LossyProxy(named.system.db.url.replace("+psycopg", "")) as proxy:
        through = replace(named.system, db=Database(proxy.url, connections=2))
        proxy.lose(case_id)
        with pytest.raises(StoreUnavailable):
            pipeline.advance(through, case_id)
        through.db.dispose()
    assert named.case().claimed_by == WORKER

    named.system.leases.answer_missed()
    until(lambda: named.case().claimed_by is None)
    named.sweep()
    assert named.case().state != CaseState.WORKING


def test_a_claim_that_is_only_just_being_taken_in_hand_is_not_taken_for_one_either(named):
    """Between its commit and the block that holds it, a look finds it in nobody's hands."""
    named.event()
    with named.system.db.write() as tx:
        case = cases.claim(tx, named.case().id, worker=WORKER, now=named.clock(), lease=timedelta(minutes=1))
    leases = named.system.leases
    leases.answer_missed()
    until(lambda: leases._looks == 1)
    with leases.case(case.id, case.version):
        time.sleep(2.5)

        assert named.case().claimed_by == WORKER


def test_what_is_being_worked_on_is_not_taken_for_a_claim_that_nobody_knows(named):
    named.event()
    case_id = named.case().id
    with named.system.db.write() as tx:
        case = cases.claim(tx, case_id, worker=WORKER, now=named.clock(), lease=timedelta(minutes=1))
    with named.system.leases.case(case.id, case.version):
        named.system.leases.answer_missed()
        time.sleep(4)

        assert named.case().claimed_by == WORKER


def test_a_process_that_stood_still_after_writing_its_attempt_down_does_not_send(shared, ticks):
    """It may have been taken for dead meanwhile. It says that it did not send, so nobody has to look."""
    shared.model.drafts = [[refund(1200)]]
    shared.event()
    shared.drain(1)
    action = shared.action("refund_payment")
    # Before it reads the action, before it begins the attempt, and before it sends: there it has stood still.
    readings = iter([0.0, 0.0, 2.5])
    still = replace(shared.system, monotonic=lambda: next(readings))
    execute.carry_out(still, shared.writers, action.id)

    waiting = shared.action("refund_payment")
    assert shared.house.done("refund") == []
    assert (waiting.state, waiting.tries) == (ActionState.APPROVED, 0)

    shared.clock.on(seconds=5)
    shared.sweep()
    assert shared.house.done("refund") == [1200]


def reachable(engine):
    try:
        psycopg.connect(engine.system.db.url.replace("+psycopg", ""), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True

"""A switch that one process throws stops every other within a second, before a decision and before anything is sent."""

from __future__ import annotations

import time

import pytest

from tests.kit.engine import START
from workers import switchboard
from workers.inbox import service
from workers.inbox.words import Choice, Word
from workers.store import actions, inbox, people
from workers.store.records import ActionState

#: what is promised
A_SECOND = 1.0


@pytest.fixture
def workers(install, redis_broker):
    return install(redis_broker, CASEWORKER_SWEEP_SECONDS="0.2")


def newest(workers):
    with workers.system.db.read() as tx:
        found = inbox.list_actions(tx, states=(), case_id=None, before=None, limit=1)
    return found[0] if found else None


def test_thrown_nothing_goes_out_a_second_later_and_released_it_goes_on(workers):
    workers.start("worker", "--queues", "support,actions")
    workers.start("sweep")
    workers.ticket()
    workers.until(lambda: workers.tagged() == 1, "it does not work at all")
    system = workers.system
    with system.db.write() as tx:
        ana = people.add(
            tx, email="ana@firm.example", name="Ana", password_hash="-", groups=("support", "lead"), now=START
        )
        switchboard.throw(tx, "vendor:sample", reason="They are down", actor="person:ana", now=system.clock())
    time.sleep(A_SECOND)

    workers.ticket()
    workers.until(lambda: newest(workers).state == ActionState.PENDING, "it does not wait for people")
    drafted = newest(workers)
    assert "vendor:sample" in " ".join(drafted.verdict["reasons"])
    choice = Choice(Word.APPROVE, drafted.revision, drafted.digest)
    approved = service.decide(system, ana, drafted.id, choice)
    assert approved.state == ActionState.APPROVED
    workers.until(lambda: "Held by" in (newest(workers).waiting_for or ""), "nobody says that it is held")
    assert workers.tagged() == 1

    with system.db.write() as tx:
        switchboard.release(tx, "vendor:sample", reason="", actor="person:ana", now=system.clock())
    workers.until(lambda: workers.tagged() == 2, "it does not go on")
    with system.db.read() as tx:
        assert [attempt.outcome for attempt in actions.attempts_of(tx, drafted.id)] in ([None], ["done"])

"""A limit holds over all processes, in Redis and in the database; quiet that one was asked for, all keep."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from integrations.errors import Postponed, Temporary
from tests.kit.engine import ScriptedModel, refund
from tests.servers.redis import RedisServer, installed
from workers.guards import Guards, parse
from workers.guards.limits import Limit, turn
from workers.guards.shared import Quiet, RedisBucket, TableBucket
from workers.store import cases
from workers.store.database import Database
from workers.store.records import ActionState, CaseState

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def redis_server():
    if not installed():
        pytest.skip("Redis is not installed: `make test` installs it where it may")
    with RedisServer() as server:
        yield server


@pytest.mark.parametrize("kept_in", ["redis", "database"])
def test_two_processes_together_call_no_oftener_than_the_limit(kept_in, shared, redis_server):
    broker = redis_server.url if kept_in == "redis" else "memory://localhost/"
    seconds = 3.0
    command = [sys.executable, str(Path(__file__).with_name("allowing.py")), shared.system.db.url, broker, "desk=20/s"]
    running = [
        subprocess.Popen([*command, str(seconds)], stdout=subprocess.PIPE, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
        for _ in range(2)
    ]
    told = [tuple(map(float, process.communicate(timeout=120)[0].split())) for process in running]
    calls, begun, ended = zip(*told, strict=True)

    # a burst of one second, the rate over all the time in which either asked, and what the longest wait lends
    assert sum(calls) <= 20 + 20 * (max(ended) - min(begun) + 0.2)
    assert min(calls) > 0
    assert sum(calls) >= 20, "it is let through as often as it may be at once"


def test_both_keepers_reckon_alike(shared, redis_server):
    """The script in Redis and the arithmetic in Python are one rule."""
    limit = Limit(1, 3600)
    in_redis = RedisBucket(redis_server.url, TableBucket(shared.system.db, shared.clock))
    in_table = TableBucket(shared.system.db, shared.clock)
    tokens, expected = limit.burst, []
    for _ in range(3):
        tokens, answer = turn(limit, tokens, 0.0)
        expected.append((answer.granted, answer.wait))

    for bucket in (in_redis, in_table):
        answers = [bucket.take("alike", limit) for _ in range(3)]
        assert [answer.granted for answer in answers] == [granted for granted, _ in expected]
        assert [answer.wait for answer in answers] == pytest.approx([wait for _, wait in expected], abs=2)
    in_redis.close()


def test_while_redis_is_away_the_database_keeps_the_limit(shared, redis_server):
    limit = Limit(1, 3600)
    bucket = RedisBucket(redis_server.url, TableBucket(shared.system.db, shared.clock))
    assert bucket.take("away", limit).granted
    redis_server.stop()
    try:
        answers = [bucket.take("away", limit).granted for _ in range(3)]
    finally:
        redis_server.start()
    bucket.close()

    assert answers == [True, False, False]


def test_no_clock_counts_but_the_databases_so_that_none_of_a_process_holds_up_the_others(on_postgresql):
    db = Database(on_postgresql, connections=2)
    limit = Limit(1, 3600)
    assert TableBucket(db).take("desk", limit).granted
    Quiet(db).ask("desk", 3600)
    assert not TableBucket(db).take("desk", limit).granted
    assert Quiet(db).remaining()["desk"] == pytest.approx(3600, abs=60)

    with db.write() as tx:
        tx.execute(text("CREATE SCHEMA later"))
        tx.execute(
            text(
                "CREATE FUNCTION later.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS"
                " $$ SELECT pg_catalog.clock_timestamp() + interval '1 hour' $$"
            )
        )
        name = tx.execute(text("SELECT current_database()")).scalar_one()
        tx.execute(text(f'ALTER DATABASE "{name}" SET search_path = later, public, pg_catalog'))
    db.dispose()

    assert TableBucket(db).take("desk", limit).granted
    assert not TableBucket(db).take("desk", limit).granted
    assert Quiet(db).remaining() == {}
    db.dispose()


def test_a_time_that_was_kept_by_a_wrong_clock_is_put_right_by_the_next_who_asks(engine):
    """As a server's clock that was set back, or the clock of an earlier version's process."""
    limit = Limit(1, 60)
    ahead = TableBucket(engine.system.db, lambda: engine.clock() + timedelta(hours=1))
    right = TableBucket(engine.system.db, engine.clock)
    assert ahead.take("desk", limit).granted
    assert not right.take("desk", limit).granted

    engine.clock.on(seconds=61)

    assert right.take("desk", limit).granted
    assert not right.take("desk", limit).granted


def test_two_that_ask_at_once_make_no_seconds_count_twice(engine):
    limit = Limit(2, 1)
    bucket = TableBucket(engine.system.db, engine.clock)
    a_little_behind = TableBucket(engine.system.db, lambda: engine.clock() - timedelta(milliseconds=900))
    while bucket.take("desk", limit).granted:
        pass
    for _ in range(5):
        assert not a_little_behind.take("desk", limit).granted
        assert not bucket.take("desk", limit).granted


class Desk:
    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.asked = 0

    def ticket(self) -> str:
        self.asked += 1
        if self.faults:
            raise self.faults.pop(0)
        return "a ticket"


def test_quiet_that_one_process_was_asked_for_all_keep(engine, ticks):
    def process(desk):
        quiet = Quiet(engine.system.db, engine.clock)
        return Guards(quiet=quiet, monotonic=ticks).wrap("desk", desk)

    ours, theirs = Desk(Temporary("too many requests", retry_after=30)), Desk()
    our_desk, their_desk = process(ours), process(theirs)
    assert their_desk.ticket() == "a ticket"
    with pytest.raises(Temporary):
        our_desk.ticket()

    ticks.on(1)
    with pytest.raises(Postponed, match="asked us to wait"):
        their_desk.ticket()
    assert theirs.asked == 1

    ticks.on(30)
    engine.clock.on(seconds=31)
    assert their_desk.ticket() == "a ticket"


def test_a_later_word_does_not_shorten_an_earlier_one(engine):
    quiet = Quiet(engine.system.db, engine.clock)
    quiet.ask("desk", 60)
    quiet.ask("desk", 5)

    assert quiet.remaining() == {"desk": 60}
    engine.clock.on(seconds=61)
    assert quiet.remaining() == {}


def test_a_case_waits_by_its_row_while_its_model_is_limited_and_says_why(engine, ticks):
    guards = Guards(
        parse("scripted=1/h"), bucket=TableBucket(engine.system.db, engine.clock), monotonic=ticks, sleep=no_sleep
    )
    engine.system = replace(engine.system, guards=guards, model=guards.wrap("scripted", engine.model))
    engine.event()
    engine.drain()

    case = engine.case()
    assert case.state == CaseState.WAITING
    assert case.waiting_for == "Scripted is called as often as it may be (1/h)."
    assert case.wake_at > engine.clock()
    assert [request.task for request in engine.model.asked] == ["triage"]

    engine.clock.on(hours=2)
    ticks.on(7200)
    engine.sweep()
    assert [request.task for request in engine.model.asked] == ["triage", "draft"], "nothing was asked twice"


def test_a_write_that_the_limit_refuses_was_never_made_and_is_made_later_once(engine, ticks):
    engine.model.drafts = [[refund(1200)]]
    guards = Guards(
        parse("house=1/h"), bucket=TableBucket(engine.system.db, engine.clock), monotonic=ticks, sleep=no_sleep
    )
    guards.bucket.take("house", Limit(1, 3600))
    engine.writers = type(engine.writers)({"house": engine.house}, guards.wrap)
    engine.event()
    engine.drain()

    waiting = engine.action("refund_payment")
    assert waiting.state == ActionState.APPROVED
    assert "as often as it may be" in waiting.waiting_for
    assert engine.house.done("refund") == []

    engine.clock.on(hours=2)
    ticks.on(7200)
    engine.sweep()
    assert engine.action("refund_payment").state == ActionState.DONE
    assert engine.house.done("refund") == [1200]


def test_an_open_breaker_is_a_reason_that_a_person_can_read(engine, ticks):
    model = ScriptedModel(faults=[Temporary("The model cannot be reached.") for _ in range(5)])
    guards = Guards(monotonic=ticks)
    engine.system = replace(engine.system, model=guards.wrap("scripted", model))
    for number in range(6):
        engine.event(f"d{number}", ticket=str(number))
    engine.drain()

    reasons = {case.waiting_for for case in all_cases(engine)}
    assert reasons == {
        "The model cannot be reached.",
        "Scripted is left alone for a while: it could not be reached 5 times in a row.",
    }
    assert len(model.asked) == 5

    ticks.on(6)
    engine.clock.on(minutes=2)
    engine.sweep()
    assert CaseState.WAITING not in {case.state for case in all_cases(engine)}


def all_cases(engine):
    with engine.system.db.read() as tx:
        return cases.listing(tx)


def no_sleep(seconds: float) -> None:
    assert seconds <= 0.2

"""A piece of work that needs more calls of a vendor than may be made at once comes to its end all the same, at the vendor's pace."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from itertools import pairwise

import pytest
import redis

from tests.kit.engine import call, refund
from tests.kit.looking import house, looking, lookup
from tests.servers.redis import RedisServer, installed
from workers.guards import Guards, parse
from workers.guards.limits import ENDLESS, Limit
from workers.guards.shared import KEY, RedisBucket, TableBucket
from workers.store.records import ActionState, CaseState


@pytest.fixture
def paced(engine, ticks):
    """The engine with a house that may be called as often as a limit says; who sleeps lets time go by. Its `calls` are those of
    the house, each with when it was made."""

    def go_by(seconds: float) -> None:
        engine.clock.on(seconds=seconds)
        ticks.on(seconds)

    def at(limit: str):
        bucket = TableBucket(engine.system.db, engine.clock)
        guards = Guards(parse(f"house={limit}"), bucket=bucket, monotonic=ticks, sleep=go_by)
        engine.calls = []
        for name in ("ticket", "customer", "charge", "version", "refund"):
            setattr(engine.house, name, outermost(name, getattr(engine.house, name), guards.of("house")))
        engine.system = replace(engine.system, guards=guards)
        engine.go_by = go_by
        return engine

    def outermost(name, asking, guard):
        """What the house asks itself on the way is no call of it."""

        def noting(*args, **kwargs):
            engine.calls.append((name, ticks()))
            at_home.append(name)
            try:
                return asking(*args, **kwargs)
            finally:
                at_home.pop()

        through = guard.around(noting)

        @wraps(asking)
        def asked(*args, **kwargs):
            return (asking if at_home else through)(*args, **kwargs)

        return asked

    at_home = []
    return at


def round_by_round(engine, done, rounds=10):
    for _ in range(rounds):
        if done():
            return
        engine.go_by(30.0)
        engine.sweep()
    pytest.fail(f"it never comes to its end: {engine.case()}")


@pytest.mark.parametrize(("limit", "apart"), [("1/s", 1), ("6/min", 10), ("2/h", 10)])
def test_what_an_agent_looks_up_is_looked_up_to_its_end_at_the_pace_of_the_limit(paced, limit, apart):
    engine = paced(limit)
    engine.event()
    engine.drain()

    round_by_round(engine, lambda: engine.actions("refund_payment"))

    names, times = zip(*engine.calls, strict=True)
    assert names == ("ticket", "customer", "charge"), "nothing was looked up twice"
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps == pytest.approx([apart] * len(gaps), abs=1e-6)


@pytest.mark.parametrize("limit", ["1/s", "6/min"])
def test_an_action_is_carried_out_though_its_target_is_looked_at_first(paced, limit):
    engine = paced(limit)
    engine.model.drafts = [[refund(1200)]]
    engine.event()
    engine.drain()

    round_by_round(engine, lambda: engine.case().state == CaseState.CLOSED)

    assert engine.action("refund_payment").state == ActionState.DONE
    assert [name for name, _ in engine.calls][-2:] == ["version", "refund"]
    assert engine.house.done("refund") == [1200]


def test_what_was_taken_ahead_is_missing_to_whoever_comes_after(paced):
    engine = paced("2/h")
    engine.event()
    engine.drain()
    round_by_round(engine, lambda: engine.actions("refund_payment"))
    engine.event("d2", ticket="8")
    engine.drain()
    assert engine.case().waiting_for == "House is called as often as it may be (2/h)."
    looked_up = len(engine.calls)

    # Three calls were made of the two an hour, the last two ahead of their time.
    engine.go_by(3600)
    engine.sweep()
    assert len(engine.calls) == looked_up

    engine.go_by(3600)
    engine.sweep()
    assert len(engine.calls) == looked_up + 3


def test_calls_that_are_no_one_piece_of_work_are_sent_away_each_for_itself(paced):
    engine = paced("1/h")
    engine.house.customer("ana@example.com")

    for _ in range(2):
        with engine.system.guards.admit_once(), pytest.raises(Exception, match="as often as it may be"):
            engine.house.customer("ana@example.com")


def test_redis_owes_as_the_database_does_and_forgets_no_debt(shared):
    if not installed():
        pytest.skip("Redis is not installed: `make test` installs it where it may")
    limit = Limit(1, 3600)
    with RedisServer() as server:
        bucket = RedisBucket(server.url, TableBucket(shared.system.db, shared.clock))
        in_table = TableBucket(shared.system.db, shared.clock)
        for keeper in (bucket, in_table):
            answers = [keeper.take("desk", limit, patience) for patience in (0.2, ENDLESS, ENDLESS, 0.2)]
            assert [answer.granted for answer in answers] == [True, True, True, False]
            assert [answer.wait for answer in answers] == pytest.approx([0, 3600, 7200, 10800], abs=5)
        with redis.Redis(port=server.port) as client:
            assert client.pttl(KEY + "desk") > 3 * 3600 * 1000
        bucket.close()


def test_a_look_up_of_two_calls_comes_to_its_end(paced):
    engine = paced("1/s")

    def both(inquiry, _wanted):
        desk = house(inquiry)
        return [desk.customer("ana@example.com"), desk.charge("ch_1")]

    looking(engine, [call("find_both")], lookups=[lookup("find_both", both)])
    engine.event()
    engine.drain()

    round_by_round(engine, lambda: engine.actions("refund_payment"))

    assert [name for name, _ in engine.calls].count("charge") == 2, "once gathered, once looked up"

"""Messages that nobody could have foreseen: each is put aside, whoever wrote it and however, and none ends a worker."""

from __future__ import annotations

import gzip
import json
import time

import amqp
import pytest
import redis

from tests.kit.patience import until
from tests.kit.producers import Producer, event, rows
from workers import embedded, hint_delivery
from workers.queue import RECEIVE
from workers.store import cases, deadletters
from workers.store.records import CaseState


@pytest.fixture
def engine(start, far_broker):
    found = start(far_broker.url)
    far_broker.wait_until_heard()
    return found


@pytest.fixture
def producer(engine, far_broker):
    return Producer(engine, far_broker)


@pytest.fixture
def ended(monkeypatch):
    """How often the worker ended unasked. It is started again each time, so that nothing else would show it."""
    seen = []
    monkeypatch.setattr(embedded.logger, "error", lambda event, **_: seen.append(event))
    return seen


#: what is no task message that Celery could call a task with: body, headers, content type
TO_A_TASK = {"task": RECEIVE, "id": "1"}
ODD = {
    "number": (b"7", TO_A_TASK),
    "null": (b"null", TO_A_TASK),
    "no-json": (b"no json", TO_A_TASK),
    "no-text": (b"\xff\xfe\x00", TO_A_TASK),
    "arguments-no-list": (b"[7, {}, {}]", TO_A_TASK),
    "named-no-object": (b"[[], [], {}]", TO_A_TASK),
    "rest-no-object": (b"[[], {}, 7]", TO_A_TASK),
    "first-protocol": (b'{"task": "caseworker.receive", "id": "1", "args": 7}', {}),
    "odd-limits": (b"[[8], {}, {}]", {**TO_A_TASK, "timelimit": 7}),
    "unknown-type": (b'[[{"__type__": "x", "__value__": 1}], {}, {}]', TO_A_TASK),
    "task-no-name": (b"[[1], {}, {}]", {"task": ["x"], "id": "1"}),
    "no-id": (b"[[2], {}, {}]", {"task": RECEIVE}),
    "not-unpacked": (gzip.compress(b"[[3], {}, {}]", mtime=1), {**TO_A_TASK, "compression": "gzip"}),
    "no-headers": (json.dumps(event()).encode(), {}),
    "nothing": (b"", {}),
    "odd-expiry": (b"[[4], {}, {}]", {**TO_A_TASK, "expires": "soon"}),
    "expiry-no-time": (b"[[5], {}, {}]", {**TO_A_TASK, "expires": [1]}),
}


def test_what_celery_cannot_read_is_put_aside_and_ends_no_worker(engine, producer, ended):
    for body, headers in ODD.values():
        producer.raw(body, headers)
    producer.raw("a: 1", TO_A_TASK, content_type="application/x-yaml")
    producer.task(event(2))

    dead = rows(engine, deadletters.listing, len(ODD) + 1)
    rows(engine, cases.listing, 1)
    reasons = {letter.body: letter.reason for letter in dead}
    assert reasons == {**dict.fromkeys((body for body, _ in ODD.values()), "malformed"), b"a: 1": "content_type"}
    assert {letter.door for letter in dead} == {"task"}
    assert ended == []


def test_what_kombu_cannot_unpack_is_put_aside(engine, producer, ended):
    packed = gzip.compress(json.dumps(event()).encode())
    producer.publish(packed, compression="gzip")
    producer.publish(event(2))

    dead = rows(engine, deadletters.listing, 1)[0]
    rows(engine, cases.listing, 1)
    assert (dead.reason, dead.door, dead.body) == ("malformed", "exchange", packed)
    assert ended == []


def test_an_odd_message_among_hints_ends_no_worker(engine, producer, ended):
    def thought_through(wanted):
        until(
            lambda: all(case.state != CaseState.WORKING for case in rows(engine, cases.listing, wanted)),
            "no hint is taken",
        )

    # What is there when the loop begins, Celery reads in a way that hides its faults.
    producer.task(event())
    thought_through(1)
    producer.raw("7", {"task": ["x"], "id": "1"}, queue="support")
    producer.raw("7", {"task": "caseworker.advance", "id": "1"}, queue="support")
    producer.task(event(2))

    thought_through(2)
    with engine.system.db.read() as tx:
        assert deadletters.listing(tx) == []
    assert ended == []


def envelope(body, **changes):
    """As kombu writes one into a list."""
    way = {"exchange": "", "routing_key": "events"}
    properties = {"delivery_tag": "t", "delivery_info": way, **changes.pop("properties", {})}
    return json.dumps({"body": body, "headers": {}, "properties": properties, **changes}).encode()


@pytest.mark.parametrize(
    "pushed",
    [
        b"junk",
        b"[]",
        b"7",
        b"[" * 100_000,
        b'{"properties": 1}',
        b'{"body": "%%%", "properties": {"body_encoding": "base64"}}',
        envelope(event()),
        envelope("x", properties={"body_encoding": "zzz"}),
        envelope("x", headers=["x"]),
        envelope("x", headers={"x": {"__type__": "unknown", "__value__": 1}}),
        envelope("x").decode().encode("utf-16"),
    ],
    ids=[
        "text",
        "list",
        "number",
        "deep",
        "odd",
        "not-base64",
        "object",
        "unknown-encoding",
        "odd-headers",
        "unknown-type",
        "utf-16",
    ],
)
def test_whatever_is_pushed_into_redis_ends_no_worker(start, redis_broker, ended, pushed):
    engine = start(redis_broker.url)
    redis_broker.wait_until_heard()
    with redis.Redis(port=redis_broker.server.port) as client:
        for key in ("caseworker:events.plain", "caseworker:events", "caseworker:support"):
            client.lpush(key, pushed)
        client.lpush("caseworker:events.plain", json.dumps(event(3)))

    rows(engine, cases.listing, 1)
    dead = rows(engine, deadletters.listing, 2)
    assert {(letter.door, letter.body) for letter in dead} == {("exchange", pushed), ("task", pushed)}
    assert ended == []


def test_what_redis_says_no_to_for_a_while_ends_no_worker(start, redis_broker, ended):
    engine = start(redis_broker.url)
    redis_broker.wait_until_heard()
    with redis.Redis(port=redis_broker.server.port) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        refused = until(lambda: client.info("stats")["total_error_replies"] or None, "nobody is refused")
        time.sleep(2.5)
        again = client.info("stats")["total_error_replies"] - refused
        client.execute_command("REPLICAOF", "NO", "ONE")
    Producer(engine, redis_broker).task(event(1))
    Producer(engine, redis_broker).publish(event(2))

    rows(engine, cases.listing, 2)
    assert ended == []
    assert again < 60, "it is asked without a pause"


def test_a_rabbitmq_that_lets_nobody_in_is_asked_once_a_second(start, rabbit_broker, caplog):
    start(rabbit_broker.url.replace("guest:guest", "guest:changed"))

    def refused():
        return sum("AccessRefused" in str(record.args) for record in caplog.records)

    until(refused, "nobody is refused")
    before, began = refused(), time.monotonic()
    until(lambda: refused() >= before + 3, "it does not ask again")
    assert time.monotonic() - began > 1.5
    assert not [record for record in caplog.records if record.levelname == "CRITICAL"]


def test_what_rabbitmq_says_no_to_is_named(start, rabbit_broker, monkeypatch):
    """A queue that an earlier set-up left there in another form."""
    said = []
    monkeypatch.setattr(hint_delivery.logger, "warning", lambda event, **more: said.append((event, more.get("said"))))
    with amqp.Connection(
        rabbit_broker.url.removeprefix("amqp://guest:guest@").partition("/")[0], virtual_host=rabbit_broker.room
    ) as far:
        far.channel().queue_declare("support", durable=True, auto_delete=False)
    start(rabbit_broker.url)

    _, words = until(lambda: next((line for line in said if line[0] == "broker_refused"), None), "nothing is said")
    assert "queue 'support'" in words

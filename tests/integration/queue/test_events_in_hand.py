"""A message is the only copy of its event: one that a worker had in hand when it was killed becomes a case with another."""

from __future__ import annotations

import json
from contextlib import contextmanager

import amqp
import psycopg
import pytest
import redis

from tests.kit.patience import until
from tests.kit.producers import Producer, event
from tests.kit.workers import Workers
from workers import event_messages
from workers.queue import PLAIN_EVENTS, RECEIVE, make_app
from workers.store import cases
from workers.store.database import StoreUnavailable

pytestmark = pytest.mark.timeout(600)
INDEX = "caseworker:unacked_index"
PLAIN = f"caseworker:{PLAIN_EVENTS}"


@pytest.fixture
def workers(tmp_path, far_broker, on_postgresql):
    made = Workers(tmp_path, far_broker.url, database_url=on_postgresql)
    yield made
    made.close()


@contextmanager
def nothing_can_be_stored(url):
    with psycopg.connect(url.replace("+psycopg", "")) as somebody:
        somebody.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        yield
        somebody.rollback()


def in_hand(broker, sent):
    """Whether a worker has taken so many messages and acknowledged none."""
    if broker.kind == "redis":
        with redis.Redis.from_url(broker.url) as client:
            return client.zcard(INDEX) == sent
    host = broker.url.removeprefix("amqp://guest:guest@").partition("/")[0]
    with amqp.Connection(host, virtual_host=broker.room) as far:
        asked = [far.channel().queue_declare(name, passive=True) for name in ("events", PLAIN_EVENTS)]
    return all(queue.message_count == 0 for queue in asked)


def let_time_pass(broker):
    """On Redis nobody knows that the worker is gone: its messages come back a quarter of an hour after it took them."""
    if broker.kind == "redis":
        with redis.Redis.from_url(broker.url) as client:
            for message, _ in client.zscan_iter(INDEX):
                client.zadd(INDEX, {message: 1})


def test_messages_that_are_tagged_alike_all_go_back(start, redis_broker, monkeypatch):
    """As a producer writes them that makes kombu's envelope by hand."""
    taken = []

    def refuse(*args):
        taken.append(args)
        raise StoreUnavailable("away")

    monkeypatch.setattr(event_messages, "receive", refuse)
    engine = start(redis_broker.url)
    redis_broker.wait_until_heard()
    bodies = [json.dumps(event(number)) for number in (1, 2)]
    envelope = {
        "headers": {},
        "properties": {"delivery_tag": "t", "delivery_info": {"exchange": "", "routing_key": ""}},
    }
    with redis.Redis.from_url(redis_broker.url) as client:
        client.lpush(PLAIN, *(json.dumps({**envelope, "body": body}) for body in bodies))
        until(lambda: len(taken) >= 2, "nobody takes them")
        stop, *_ = engine.stops
        stop()
        back = [json.loads(item)["body"] for item in client.lrange(PLAIN, 0, -1)]

    assert sorted(back) == bodies


@pytest.fixture
def full(redis_broker):
    """Makes Redis take nothing more, however much it holds; to free memory it allows."""
    with redis.Redis.from_url(redis_broker.url) as client:
        yield lambda: client.config_set("maxmemory", 1)
        client.config_set("maxmemory", 0)


def test_a_redis_that_is_full_is_read_until_it_is_empty(start, redis_broker, full):
    numbers = range(1, 5)
    tasks = make_app(redis_broker.url)
    with redis.Redis.from_url(redis_broker.url) as client:
        client.lpush(PLAIN, *(json.dumps(event(number)) for number in numbers[:2]))
        for number in numbers[2:]:
            tasks.send_task(RECEIVE, args=[event(number)], queue="events")
        full()
        engine = start(redis_broker.url)

        def left():
            return [client.llen(PLAIN), client.llen("caseworker:events"), client.zcard(INDEX)]

        until(lambda: not any(left()), "it stays full")
        until(lambda: all(is_stored(engine, number) for number in numbers), "an event is lost")


def is_stored(engine, number):
    with engine.system.db.read() as tx:
        return cases.on_subject(tx, f"house:ticket:{number}") is not None


def test_what_a_killed_worker_had_in_hand_is_received_by_the_next(workers, far_broker, on_postgresql):
    producer = Producer(workers, far_broker)
    first = workers.start("worker", "--queues", "events")
    far_broker.wait_until_heard()

    with nothing_can_be_stored(on_postgresql):
        producer.task(event(1))
        producer.publish(event(2))
        until(lambda: in_hand(far_broker, 2), "nobody takes them")
        first.kill()
        first.wait(30)
    assert workers.cases() == []

    let_time_pass(far_broker)
    workers.start("worker", "--queues", "events")

    workers.until(lambda: len(workers.cases()) == 2, "an event is lost")

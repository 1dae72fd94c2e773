"""A message is the only copy of its event: one that a worker had in hand when it was killed becomes a case with another."""

from __future__ import annotations

from contextlib import contextmanager

import amqp
import psycopg
import pytest
import redis

from tests.kit.patience import until
from tests.kit.producers import Producer, event
from tests.kit.workers import Workers
from workers.queue import PLAIN_EVENTS

pytestmark = pytest.mark.timeout(600)
INDEX = "caseworker:unacked_index"


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

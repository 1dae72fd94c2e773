"""Events from the queue: both doors on both brokers, what cannot be read, and what waits for the database."""

from __future__ import annotations

import json
import time

import pytest
import redis
from kombu import Connection, Exchange

from tests.kit.patience import until
from workers import embedded, letters
from workers.intake.receive import NotStored
from workers.queue import RECEIVE
from workers.store import audit, cases, deadletters, events
from workers.store.database import StoreUnavailable

EXCHANGE = Exchange("caseworker.events", type="topic", durable=True)


def event(number=1, **changes):
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "/shop",
        "type": "ticket.created",
        "subject": f"house:ticket:{number}",
        "data": {"title": "Broken", "text": "My order is broken", "requester_email": "ana@example.com"},
        **changes,
    }


class Producer:
    """Speaks to the exchange, and to the task's queue."""

    def __init__(self, engine, broker):
        self.engine, self.broker = engine, broker

    def publish(self, body, content_type="application/cloudevents+json", **headers):
        options = {"global_keyprefix": "caseworker:"} if self.broker.kind == "redis" else {"confirm_publish": True}
        with Connection(self.broker.url, transport_options=options) as connection:
            connection.Producer().publish(
                body if isinstance(body, bytes) else json.dumps(body),
                exchange=EXCHANGE,
                declare=[EXCHANGE],
                routing_key="any.thing",
                content_type=content_type,
                content_encoding="utf-8",
                headers=headers,
            )

    def task(self, *args):
        self.engine.system.app.send_task(RECEIVE, args=args, queue="events")


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


def rows(engine, query, wanted):
    """What is found, once it is so many."""

    def enough():
        with engine.system.db.read() as tx:
            found = query(tx)
        return found if len(found) >= wanted else None

    return until(enough, f"never {wanted}")


def test_one_event_by_both_doors_many_times_is_one_event(engine, producer):
    for _ in range(3):
        producer.publish(event())
        producer.task(event())

    case = rows(engine, cases.listing, 1)[0]
    thread = rows(engine, lambda tx: [one for one in events.of_case(tx, case.id) if one.duplicates >= 5], 1)
    assert [(e.source, e.delivery_id, e.duplicates) for e in thread] == [("cloudevents:/shop", "e1", 5)]


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"no json", "application/json", "malformed"),
        (b"\xff\xfe\x00", "application/json", "malformed"),
        (event(subject=None), "application/cloudevents+json", "malformed"),
        (event(), "text/xml", "content_type"),
        (event(data={"title": "x", "text": "y" * 1_100_000}), "application/json", "too_large"),
    ],
    ids=["no-json", "no-text", "no-event", "not-said-to-be-json", "too-large"],
)
def test_what_cannot_be_read_is_put_aside_with_the_reason_and_the_next_goes_on(
    engine, producer, body, content_type, reason
):
    producer.publish(body, content_type, origin="a\x00b")
    producer.publish(event(2))

    dead = rows(engine, deadletters.listing, 1)[0]
    rows(engine, cases.listing, 1)
    assert (dead.reason, dead.door) == (reason, "exchange")
    assert dead.body == (body if isinstance(body, bytes) else json.dumps(body).encode())


def test_a_task_with_no_event_in_it_is_put_aside_too(engine, producer):
    producer.task({"no": "event"})

    dead = rows(engine, deadletters.listing, 1)[0]
    assert (dead.reason, dead.door, json.loads(dead.body)) == ("malformed", "task", {"no": "event"})


def test_a_type_that_nobody_handles_is_ignored(engine, producer):
    producer.publish(event(1, type="parcel.lost"))
    producer.publish(event(2))

    rows(engine, cases.listing, 1)
    with engine.system.db.read() as tx:
        assert deadletters.listing(tx) == []
        assert len(cases.listing(tx)) == 1


def test_while_the_database_is_away_messages_wait_and_none_is_lost(engine, producer, monkeypatch):
    away, tried = [True], []
    real = letters.receive

    def receive(*args):
        if away[0]:
            tried.append(args)
            raise StoreUnavailable("away")
        return real(*args)

    monkeypatch.setattr(letters, "receive", receive)
    for number in range(6):
        producer.publish(event(number))
        producer.task(event(10 + number))
    until(lambda: len(tried) >= 2, "nobody takes them")
    away[0] = False

    rows(engine, lambda tx: cases.listing(tx, limit=50), 12)
    with engine.system.db.read() as tx:
        assert deadletters.listing(tx) == []


def test_a_dead_letter_is_replayed_once_and_it_is_written_down(engine, producer):
    producer.publish(event(), "text/plain")
    dead = rows(engine, deadletters.listing, 1)[0]

    first = letters.replay(engine.system, dead.id, operator="operator:ana")
    again = letters.replay(engine.system, dead.id, operator="operator:ana")

    assert first[0]
    assert first[1].startswith("accepted")
    assert "duplicate" in again[1]
    with engine.system.db.read() as tx:
        assert len(cases.listing(tx)) == 1
        assert deadletters.listing(tx, waiting=True) == []
        assert {"item": dead.id, "result": first[1]} in [entry.data for entry in audit.since(tx, 0)]


def test_what_cannot_be_replayed_stays(engine, producer):
    producer.publish(b"{}")
    dead = rows(engine, deadletters.listing, 1)[0]

    assert not letters.replay(engine.system, dead.id, operator="operator:ana")[0]
    with engine.system.db.read() as tx:
        assert [letter.id for letter in deadletters.listing(tx, waiting=True)] == [dead.id]
    assert not letters.replay(engine.system, "dead_none", operator="operator:ana")[0]


def test_what_still_cannot_be_stored_stays(engine, producer, monkeypatch):
    producer.publish(event(), "text/plain")
    dead = rows(engine, deadletters.listing, 1)[0]

    def receive(*_):
        raise NotStored("the database refused this event")

    monkeypatch.setattr(letters, "receive", receive)

    assert letters.replay(engine.system, dead.id, operator="operator:ana") == (False, "the database refused this event")
    with engine.system.db.read() as tx:
        assert [letter.id for letter in deadletters.listing(tx, waiting=True)] == [dead.id]


@pytest.mark.parametrize(
    "pushed",
    [b"junk", b"[]", b"7", b'{"properties": 1}', b'{"body": "%%%", "properties": {"body_encoding": "base64"}}'],
    ids=["text", "list", "number", "odd", "not-base64"],
)
def test_whatever_is_pushed_into_redis_ends_no_worker(start, redis_broker, pushed):
    engine = start(redis_broker.url)
    redis_broker.wait_until_heard()
    with redis.Redis(port=redis_broker.server.port) as client:
        for key in ("caseworker:events.plain", "caseworker:events", "caseworker:support"):
            client.lpush(key, pushed)
        client.lpush("caseworker:events.plain", json.dumps(event(3)))

    rows(engine, cases.listing, 1)
    assert rows(engine, deadletters.listing, 1)[0].body == pushed


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


def test_what_rabbitmq_gives_up_delivering_is_put_aside_unopened(start, rabbit_broker):
    engine = start(rabbit_broker.url)
    rabbit_broker.wait_until_heard()
    with Connection(rabbit_broker.url) as connection:
        channel = connection.channel()
        connection.Producer().publish(json.dumps(event()), exchange="", routing_key="events.dead")
        channel.close()

    dead = rows(engine, deadletters.listing, 1)[0]
    assert dead.reason == "undeliverable"
    with engine.system.db.read() as tx:
        assert cases.listing(tx) == []


def test_rabbitmq_gives_up_a_message_that_comes_back_too_often(start, rabbit_broker):
    """The worker is away; somebody takes an event twenty times and dies with it."""
    engine = start(rabbit_broker.url)
    rabbit_broker.wait_until_heard()
    for stop in engine.stops:
        stop()
    Producer(engine, rabbit_broker).publish(event())
    with Connection(rabbit_broker.url) as connection:
        for _ in range(25):
            channel = connection.channel()
            found = channel.basic_get("events.plain")
            if found is None:
                break
            channel.basic_reject(found.delivery_tag, requeue=True)
            channel.close()

    def given_up():
        with Connection(rabbit_broker.url) as connection:
            return connection.channel().basic_get("events.dead", no_ack=True)

    message = until(given_up, "it is not given up")
    assert json.loads(message.body)["id"] == "e1"
    assert message.headers["x-death"][0]["reason"] == "delivery_limit"

"""Events from the queue: both doors on both brokers, what cannot be read, and what waits for the database."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from kombu import Connection

from tests.kit.patience import until
from tests.kit.producers import Producer, event, rows
from workers import event_messages
from workers.intake.receive import NotStored
from workers.queue import RECEIVE
from workers.store import audit, cases, deadletters, events
from workers.store.database import StoreUnavailable


@pytest.fixture
def engine(start, far_broker):
    found = start(far_broker.url)
    far_broker.wait_until_heard()
    return found


@pytest.fixture
def producer(engine, far_broker):
    return Producer(engine, far_broker)


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


def test_what_python_has_types_for_is_text_again(engine, producer):
    data = event()["data"]
    order = UUID(int=7)
    producer.task(event(1, time=datetime(2026, 3, 1, 9, 30, tzinfo=UTC)))
    producer.task(event(2, data={**data, "amount": Decimal("12.50"), "order": order, "day": date(2026, 3, 1)}))

    found = rows(engine, cases.listing, 2)
    with engine.system.db.read() as tx:
        first, second = (
            next(one for case in found for one in events.of_case(tx, case.id) if one.delivery_id == name)
            for name in ("e1", "e2")
        )
        assert deadletters.listing(tx) == []
    assert first.occurred_at == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    assert {key: second.data[key] for key in ("amount", "order", "day")} == {
        "amount": "12.50",
        "order": str(order),
        "day": "2026-03-01",
    }


def test_a_task_called_with_anything_but_one_event_is_put_aside_whole(engine, producer):
    producer.task(event(), {"trace": 1})
    producer.task()
    producer.task(evnt=event())
    producer.task("e1")
    producer.task(event(9), event=event(9))
    producer.task(event=event(2))

    dead = rows(engine, deadletters.listing, 5)
    rows(engine, cases.listing, 1)
    assert {(letter.reason, letter.door) for letter in dead} == {("malformed", "task")}
    assert {letter.body for letter in dead} == {
        json.dumps({"args": args, "kwargs": kwargs}).encode()
        for args, kwargs in (
            ([event(), {"trace": 1}], {}),
            ([], {}),
            ([], {"evnt": event()}),
            (["e1"], {}),
            ([event(9)], {"event": event(9)}),
        )
    }


def test_an_event_for_a_task_of_another_name_can_be_replayed(engine, producer):
    producer.task(event(), name="caseworker.recieve")

    dead = rows(engine, deadletters.listing, 1)[0]
    assert (dead.reason, json.loads(dead.body)) == ("malformed", event())
    assert "caseworker.recieve" in dead.detail
    assert event_messages.replay(engine.system, dead.id, operator="operator:ana")[0]


def test_an_event_that_expired_is_put_aside_and_can_be_replayed(engine, producer):
    app = engine.system.app
    app.send_task(RECEIVE, args=[event()], queue="events", expires=-1)
    app.send_task(RECEIVE, args=[event(2)], queue="events", expires=600)

    dead = rows(engine, deadletters.listing, 1)[0]
    assert rows(engine, cases.listing, 1)[0].subject == event(2)["subject"]
    assert (dead.door, json.loads(dead.body)) == ("task", event())
    assert event_messages.replay(engine.system, dead.id, operator="operator:ana")[0]


def test_what_is_published_after_redis_was_emptied_is_received(start, redis_broker):
    engine = start(redis_broker.url)
    redis_broker.wait_until_heard()

    redis_broker.flush()
    redis_broker.wait_until_heard()
    Producer(engine, redis_broker).publish(event())

    assert rows(engine, cases.listing, 1)[0].subject == event()["subject"]


@pytest.mark.parametrize("door", ["task", "publish"])
def test_what_can_be_kept_as_neither_goes_back_and_is_tried_again(engine, producer, monkeypatch, door):
    failed = []
    real = deadletters.add

    def add(tx, letter):
        if not failed:
            failed.append(letter)
            raise RuntimeError("a fault of ours")
        real(tx, letter)

    monkeypatch.setattr(deadletters, "add", add)
    getattr(producer, door)({"no": "event"})

    assert json.loads(rows(engine, deadletters.listing, 1)[0].body) == {"no": "event"}
    assert failed


def test_a_type_that_nobody_handles_is_ignored(engine, producer):
    producer.publish(event(1, type="parcel.lost"))
    producer.publish(event(2))

    rows(engine, cases.listing, 1)
    with engine.system.db.read() as tx:
        assert deadletters.listing(tx) == []
        assert len(cases.listing(tx)) == 1


def test_while_the_database_is_away_messages_wait_and_none_is_lost(engine, producer, monkeypatch):
    away, tried = [True], []
    real = event_messages.receive

    def receive(*args):
        if away[0]:
            tried.append(args)
            raise StoreUnavailable("away")
        return real(*args)

    monkeypatch.setattr(event_messages, "receive", receive)
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

    first = event_messages.replay(engine.system, dead.id, operator="operator:ana")
    again = event_messages.replay(engine.system, dead.id, operator="operator:ana")

    assert first[0]
    assert first[1].startswith("accepted")
    assert "duplicate" in again[1]
    with engine.system.db.read() as tx:
        assert len(cases.listing(tx)) == 1
        assert deadletters.listing(tx, waiting=True) == []
        assert [letter.replay_result for letter in deadletters.listing(tx)] == [first[1]]
        assert {"item": dead.id, "result": first[1]} in [entry.data for entry in audit.since(tx, 0)]


def test_what_cannot_be_replayed_stays(engine, producer):
    producer.publish(b"{}")
    dead = rows(engine, deadletters.listing, 1)[0]

    assert not event_messages.replay(engine.system, dead.id, operator="operator:ana")[0]
    with engine.system.db.read() as tx:
        assert [letter.id for letter in deadletters.listing(tx, waiting=True)] == [dead.id]
    assert not event_messages.replay(engine.system, "dead_none", operator="operator:ana")[0]


def test_what_still_cannot_be_stored_stays(engine, producer, monkeypatch):
    producer.publish(event(), "text/plain")
    dead = rows(engine, deadletters.listing, 1)[0]

    def receive(*_):
        raise NotStored("the database refused this event")

    monkeypatch.setattr(event_messages, "receive", receive)

    assert event_messages.replay(engine.system, dead.id, operator="operator:ana") == (
        False,
        "the database refused this event",
    )
    with engine.system.db.read() as tx:
        assert [letter.id for letter in deadletters.listing(tx, waiting=True)] == [dead.id]


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


#: how Celery calls the task
TO_A_TASK = {"task": RECEIVE, "id": "1"}
CALL = json.dumps([[event()], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])


@pytest.mark.parametrize(
    ("headers", "body", "door", "kept"),
    [
        (TO_A_TASK, CALL, "task", json.dumps(event())),
        (TO_A_TASK, "[[], {}, {}]", "task", "[[], {}, {}]"),
        ({}, CALL, "exchange", CALL),
        ({"compression": "gzip"}, "x", "exchange", "x"),
    ],
    ids=["called", "called-with-nothing", "plain", "not-unpacked"],
)
def test_of_what_is_given_up_on_its_way_to_the_task_the_event_is_kept(start, rabbit_broker, headers, body, door, kept):
    engine = start(rabbit_broker.url)
    rabbit_broker.wait_until_heard()
    Producer(engine, rabbit_broker).raw(body, headers, queue="events.dead")

    dead = rows(engine, deadletters.listing, 1)[0]
    assert (dead.reason, dead.door, dead.body) == ("undeliverable", door, kept.encode())
    replayed = event_messages.replay(engine.system, dead.id, operator="operator:ana")
    assert replayed[0] == (kept == json.dumps(event()))


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

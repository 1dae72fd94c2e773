"""A queue that RabbitMQ forgot the leader of, as 3.10 does when it is killed within a second of making one: hints go on by themselves."""

from __future__ import annotations

import amqp
import pytest
from kombu.connection import Connection

from tests.kit.patience import until
from tests.servers import rabbitmq
from tests.servers.rabbitmq import RabbitServer
from workers import leaderless
from workers.hint_delivery import Reader
from workers.hint_line import Line
from workers.queue import DEAD_EVENTS, PLAIN_EVENTS, QUEUES, QUORUM, Hints, make_app

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def server():
    if not rabbitmq.installed():
        pytest.skip("RabbitMQ is not installed: `make test` installs it where it may")
    with RabbitServer() as one:
        yield one


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(leaderless, "PATIENCE_SECONDS", 2)


def forget_the_leader(server, name):
    """It was the last to be made. Another RabbitMQ than 3.10 may know better, and then there is nothing to try."""
    with amqp.Connection(f"127.0.0.1:{server.port}") as far:
        far.channel().queue_declare(name, durable=True, auto_delete=False, arguments=dict(QUORUM))
    server.kill_at_once()
    server.start()
    if waiting(server, name) is not None:
        pytest.skip("this RabbitMQ knows who leads its queues")


def waiting(server, name):
    """What it gives: a message, "nothing", "gone", or None where it gives no answer at all."""
    far = amqp.Connection(f"127.0.0.1:{server.port}", read_timeout=2)
    far.connect()
    try:
        got = far.channel().basic_get(name, no_ack=True)
    except TimeoutError:
        return None
    except amqp.NotFound:
        return "gone"
    finally:
        far.collect()
    return got.body if got else "nothing"


def test_hints_for_such_a_queue_arrive_before_long(server, monkeypatch):
    forget_the_leader(server, "support")
    dialled = Line._dial
    monkeypatch.setattr(Line, "_dial", lambda line: patient_no_more(dialled(line)))
    hints = Hints(make_app(server.url()))
    try:
        hints.case("case_1", "support")
        until(lambda: waiting(server, "support") == "gone", "nobody deletes it")
        hints.case("case_2", "support")
        until(lambda: "case_2" in str(waiting(server, "support")), "it is deaf still")
    finally:
        hints.close()


def patient_no_more(producer):
    producer.channel.connection.transport.sock.settimeout(2)
    return producer


def test_what_waits_in_a_queue_that_answers_is_left_there(server):
    app = make_app(server.url())
    hints = Hints(app)
    hints.case("case_1", "content")
    hints.close()

    leaderless.mend(app.connection_for_write(), QUEUES)

    until(lambda: "case_1" in str(waiting(server, "content")), "it is gone")


def test_a_queue_of_events_is_for_a_person_to_delete(server, monkeypatch):
    for name in (PLAIN_EVENTS, DEAD_EVENTS, "events"):
        assert name.partition(".")[0] == leaderless.OF_EVENTS
    forget_the_leader(server, "events")
    said = []
    monkeypatch.setattr(leaderless.logger, "error", lambda event, **more: said.append((event, more["remedy"])))

    leaderless.mend(make_app(server.url()).connection_for_write(), ["events"])

    assert waiting(server, "events") is None
    assert said == [("queue_without_leader", "rabbitmqctl delete_queue events, see docs/queue.md")]


def test_a_worker_that_is_told_of_an_internal_error_looks_at_each_queue_that_it_hears(monkeypatch):
    """As RabbitMQ tells whoever listens to such a queue, after 65 s."""
    looked_at = []
    monkeypatch.setattr(leaderless, "mend", lambda _known, targets: looked_at.append(list(targets)))
    reader = object.__new__(Reader)
    reader.app, reader.channel_errors, reader.connection = make_app("amqp://127.0.0.1:1"), (), Connection("memory://")
    reader.app.amqp.queues.select(["support", "events"])
    reader.heard_beside = (PLAIN_EVENTS,)

    reader.on_connection_error_after_connected(amqp.ConnectionForced("it stops"))
    reader.on_connection_error_after_connected(amqp.InternalError("INTERNAL_ERROR", (0, 0), "", 541))

    assert looked_at == [["support", "events", PLAIN_EVENTS]]

"""Connections to a model's service: kept for whoever is next, never used when they are dead, and nothing sent twice."""

from __future__ import annotations

import socket
import sys
import threading

import httpx2
import pytest

from integrations.models.wire import KEPT_SECONDS, Connection, Patience, Wire, disown_all
from tests.kit.patience import until
from tests.servers.raw_http import CLOSE, RawHttp, ok

SOON = Patience(60.0, 60.0, 60.0)
#: how often something is known that one name stands for, and `getrefcount` is asked about
KNOWN_HERE = 2
HEAD = b"POST /v1 HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def wire(clock):
    made = Wire(monotonic=clock)
    yield made
    made.close()


@pytest.fixture
def server():
    with RawHttp([ok()]) as serving:
        yield serving


def asked(wire, server):
    return wire.host(httpx2.URL(server.url)).ask(HEAD + b"{}", SOON)


def wait_until_readable(wire, server):
    """Until what the service did with the kept connection has come here."""
    idle = wire.host(httpx2.URL(server.url))._idle
    assert not idle or idle[0]._poll.poll(30_000)


def test_calls_one_after_the_other_share_a_connection(wire, server):
    answers = [asked(wire, server) for _ in range(5)]

    assert [(answer.status, answer.read()) for answer in answers] == [(200, b"ok")] * 5
    assert server.connections == 1
    assert server.requests == [HEAD + b"{}"] * 5


def test_a_question_is_kept_by_nobody_while_its_answer_is_waited_for(wire, server):
    """A thousand wait at once, and a question is as long as what it is about."""
    question, go = HEAD + bytes(2), threading.Event()
    handed = [question]
    server.answers[:] = [[lambda: go.wait(300), *ok()]]
    host = wire.host(httpx2.URL(server.url))
    asking = threading.Thread(target=lambda: host.ask(handed.pop(), SOON))
    asking.start()
    try:
        until(lambda: not handed and sys.getrefcount(question) == KNOWN_HERE)
    finally:
        go.set()
        asking.join()


def test_as_many_as_ask_at_once_have_one_each_and_go_on_with_these(wire, server):
    every = threading.Barrier(8)
    server.answers[:] = [[every.wait, *ok()]]

    def asking() -> None:
        for _ in range(3):
            asked(wire, server)

    threads = [threading.Thread(target=asking) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(server.requests) == 24
    assert server.connections == 8


def test_a_connection_that_its_service_closed_meanwhile_is_not_used(wire, server):
    server.answers[:] = [[*ok(), CLOSE], ok(b"again")]
    asked(wire, server)
    wait_until_readable(wire, server)

    assert asked(wire, server).read() == b"again"
    assert (server.connections, len(server.requests)) == (2, 2)


def test_what_was_sent_is_not_sent_again_when_the_connection_dies(wire, server):
    """The service may have begun with it: whether to ask again is for others to say."""
    server.answers[:] = [ok(), [CLOSE], ok()]
    asked(wire, server)

    with pytest.raises(httpx2.RemoteProtocolError):
        asked(wire, server)
    assert len(server.requests) == 2
    assert asked(wire, server).status == 200


def test_an_idle_one_is_given_up_after_half_a_minute(wire, server, clock):
    asked(wire, server)
    clock.now += KEPT_SECONDS
    asked(wire, server)
    assert server.connections == 2

    clock.now += KEPT_SECONDS - 1
    asked(wire, server)
    assert server.connections == 2


def test_of_many_idle_ones_those_that_nobody_needs_are_closed(wire, server, clock):
    host = wire.host(httpx2.URL(server.url))
    lent = [host.lend(5.0) for _ in range(6)]
    for connection in lent:
        connection.send(HEAD + b"{}", 5.0)
        while not connection.done:
            connection.receive(5.0)
        host.give_back(connection)
    assert len(host._idle) == 6

    clock.now += KEPT_SECONDS / 2
    asked(wire, server)
    clock.now += KEPT_SECONDS / 2 + 1
    asked(wire, server)

    assert len(host._idle) == 1


def test_a_service_that_ends_its_connection_says_so_and_is_believed(wire, server):
    server.answers[:] = [ok(b"ok", "connection: close")]

    assert [asked(wire, server).read() for _ in range(2)] == [b"ok", b"ok"]
    assert server.connections == 2


def test_after_more_than_was_asked_for_the_connection_is_not_used_again(wire, server):
    """Whatever comes behind an answer would be taken for that to the next question."""
    server.answers[:] = [[*ok(b"mine"), *ok(b"forged")], ok(b"next")]

    assert asked(wire, server).read() == b"mine"
    wait_until_readable(wire, server)
    assert asked(wire, server).read() == b"next"
    assert server.connections == 2


def test_more_than_was_asked_for_in_one_piece_too(wire, server):
    server.answers[:] = [[ok(b"mine")[0] + ok(b"forged")[0]], ok(b"next")]

    assert asked(wire, server).read() == b"mine"
    assert asked(wire, server).read() == b"next"
    assert server.connections == 2


def test_a_forked_process_leaves_what_it_inherited_alone(wire, server):
    """Its parent goes on with these, and would get its answers."""
    asked(wire, server)

    disown_all()
    asked(wire, server)

    assert server.connections == 2


def test_closed_is_closed(wire, server):
    host = wire.host(httpx2.URL(server.url))
    lent = host.lend(5.0)
    asked(wire, server)

    wire.close()
    host.give_back(lent)

    assert not host._idle


@pytest.mark.parametrize(
    "answer",
    [
        [CLOSE],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", CLOSE],
        [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf", CLOSE],
        [b"SSH-2.0-OpenSSH\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n"],
        [b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"],
    ],
)
def test_what_is_no_answer_is_named_as_the_library_names_it(wire, server, answer):
    server.answers[:] = [answer, ok()]

    with pytest.raises(httpx2.RemoteProtocolError):
        asked(wire, server)
    assert asked(wire, server).status == 200, "the next call has another connection"


def test_a_service_that_says_nothing_is_given_up_in_time(wire, server):
    held = threading.Event()
    server.answers[:] = [[held.wait], ok()]

    with pytest.raises(httpx2.ReadTimeout):
        wire.host(httpx2.URL(server.url)).ask(HEAD + b"{}", SOON._replace(read=0.05))
    held.set()
    assert asked(wire, server).status == 200


def test_a_service_that_takes_nothing_is_given_up_in_time():
    ours, theirs = socket.socketpair()
    with theirs:
        connection = Connection(ours)
        with pytest.raises(httpx2.WriteTimeout):
            connection.send(b"x" * 50_000_000, 0.05)
        connection.close()


def test_an_answer_that_came_before_the_question_was_over_is_an_answer():
    """A service that will not have so much says so and closes, while we are still sending."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 8\r\n\r\ntoo much")
    connection = Connection(ours)

    connection.send(b"x" * 1_000_000, 5.0)
    connection.receive(5.0)

    assert (connection.status, connection.done, connection.taken()) == (413, True, b"too much")
    connection.close()


def test_nobody_there_is_a_connection_that_was_not_made(wire):
    with pytest.raises(httpx2.ConnectError):
        wire.host(httpx2.URL("http://127.0.0.1:9")).ask(HEAD, SOON)


def test_a_name_that_cannot_be_one_is_not_reached_either(wire):
    with pytest.raises(httpx2.ConnectError):
        wire.host(httpx2.URL(f"http://{'a' * 70}.example/")).ask(HEAD, SOON)


@pytest.fixture
def dripping(clock, monkeypatch):
    """Answers of four pieces, with so many seconds before each of them but the first, each read before the next is sent."""
    read, receive = threading.Semaphore(0), Connection.receive

    def receiving(self, seconds):
        receive(self, seconds)
        read.release()

    monkeypatch.setattr(Connection, "receive", receiving)

    def answer(*headers, seconds):
        whole = ok(b"abcd", *headers)[0]

        def later():
            read.acquire(timeout=5)  # whoever gave up reads no more
            clock.now += seconds

        return [whole[:-3], later, whole[-3:-2], later, whole[-2:-1], later, whole[-1:]]

    return answer


def whole(wire, server):
    return asked(wire, server).read()


def piece_by_piece(wire, server):
    with httpx2.Client(transport=wire, timeout=60.0) as client:
        return client.post(server.url, content=b"{}").content


@pytest.mark.parametrize("ask", [whole, piece_by_piece])
def test_an_answer_that_drips_has_no_more_time_than_a_silent_one(wire, server, dripping, ask):
    server.answers = [dripping(seconds=70.0)]

    with pytest.raises(httpx2.ReadTimeout):
        ask(wire, server)


@pytest.mark.parametrize("ask", [whole, piece_by_piece])
def test_an_answer_in_pieces_that_is_whole_in_time_is_taken(wire, server, dripping, ask):
    server.answers = [dripping(seconds=10.0)]

    assert ask(wire, server) == b"abcd"


def test_a_stream_may_take_longer_as_long_as_it_goes_on(wire, server, dripping):
    """Whoever reads one has a limit for all of it."""
    server.answers = [dripping("content-type: text/event-stream", seconds=50.0)]

    assert piece_by_piece(wire, server) == b"abcd"

"""The transport of the SDKs' clients: every form of answer arrives whole, also piece by piece, and what waits holds little memory."""

from __future__ import annotations

import gzip
import ssl
import threading
import tracemalloc
from ipaddress import IPv4Address

import httpx2
import pytest

from integrations.models import connections, wire
from integrations.models.wire import Wire
from tests.kit.certificates import self_signed
from tests.kit.patience import until
from tests.servers.raw_http import CLOSE, RawHttp, ok

LARGE = bytes(range(256)) * 2000
QUESTION = bytes(50_000)
WAITING = 20


@pytest.fixture
def server():
    with RawHttp([ok()]) as serving:
        yield serving


@pytest.fixture
def client():
    with httpx2.Client(transport=Wire(), timeout=60, follow_redirects=True) as made:
        yield made


@pytest.fixture
def certificate(tmp_path):
    """One for 127.0.0.1, signed by itself."""
    return self_signed(tmp_path / "both.pem", IPv4Address("127.0.0.1"))


@pytest.mark.parametrize(
    ("answer", "body", "connections_of_two"),
    [
        (ok(b"plain"), b"plain", 1),
        (ok(b""), b"", 1),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], b"", 1),
        (ok(LARGE), LARGE, 1),
        (
            [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nin \r\n", b"6\r\npieces\r\n0\r\n\r\n"],
            b"in pieces",
            1,
        ),
        ([b"HTTP/1.1 200 OK\r\n\r\nuntil ", b"the end", CLOSE], b"until the end", 2),
        ([b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nold", CLOSE], b"old", 2),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", *ok(b"after an interim one")], b"after an interim one", 1),
        ([b"HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n" + ok(b"at once")[0]], b"at once", 1),
        ([bytes([byte]) for byte in ok(b"byte by byte")[0]], b"byte by byte", 1),
        (ok(gzip.compress(b"packed"), "content-encoding: gzip"), b"packed", 1),
    ],
)
def test_every_form_of_answer_arrives_whole(server, client, answer, body, connections_of_two):
    server.answers[:] = [answer]

    found = [client.post(server.url, content=b"asked") for _ in range(2)]

    assert [one.content for one in found] == [body] * 2
    assert server.connections == connections_of_two
    assert all(request.endswith(b"\r\n\r\nasked") for request in server.requests)


def test_what_was_said_with_an_answer_is_told_and_an_interim_one_leaves_no_trace(server, client):
    interim = b"HTTP/1.1 103 Early Hints\r\nX-Interim: 1\r\n\r\n"
    server.answers[:] = [[interim, *ok(b"no", "Retry-After: 3", "X-Twice: 1", "X-Twice: 2", status="429 Slow Down")]]

    found = client.get(server.url)

    assert (found.status_code, found.reason_phrase) == (429, "Slow Down")
    assert (found.headers["retry-after"], found.headers["x-twice"]) == ("3", "1, 2")
    assert "x-interim" not in found.headers


def test_a_redirection_is_followed_as_the_client_has_it(server, client):
    moved = ok(b"", "location: /elsewhere", status="307 Temporary Redirect")
    server.answers[:] = [moved, ok(b"there")]

    assert client.post(f"{server.url}/here", content=b"asked").content == b"there"
    assert [request.split(b" ")[1] for request in server.requests] == [b"/here", b"/elsewhere"]
    assert server.requests[1].endswith(b"asked")


def test_pieces_are_told_as_they_come_and_the_connection_is_free_after_the_last(server, client):
    heard = threading.Event()
    begun = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    server.answers[:] = [[begun, b"5\r\nfirst\r\n", lambda: heard.wait(30), b"6\r\nsecond\r\n0\r\n\r\n"], ok()]

    with client.stream("GET", server.url) as found:
        pieces = found.iter_raw()
        assert next(pieces) == b"first"
        heard.set()
        assert list(pieces) == [b"second"]
    client.get(server.url)

    assert server.connections == 1


def test_an_answer_that_nobody_wants_to_the_end_takes_its_connection_with_it(server, client):
    begun = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n"
    server.answers[:] = [[begun], ok(b"whole")]

    with client.stream("GET", server.url) as found:
        assert next(found.iter_raw()) == b"first"

    assert client.get(server.url).content == b"whole"
    assert server.connections == 2


def test_a_stream_that_breaks_off_says_so(server, client):
    server.answers[:] = [[b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n", CLOSE]]

    with client.stream("GET", server.url) as found, pytest.raises(httpx2.RemoteProtocolError):
        list(found.iter_raw())


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_an_answer_without_end_is_given_up_before_it_fills_the_memory(server, client, monkeypatch, kind):
    monkeypatch.setattr(wire, "LARGEST", 100_000)
    piece = b"2710\r\n" + b"x" * 10_000 + b"\r\n"
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    server.answers[:] = [[head, *[piece] * 10, b"0\r\n\r\n"], [head, *[piece] * 11, b"0\r\n\r\n"]]

    assert len(client.get(server.url).content) == 100_000
    with pytest.raises(httpx2.RemoteProtocolError):
        client.get(server.url)


def test_what_it_does_not_speak_goes_the_librarys_way(server, client):
    """No body follows the answer to a HEAD, whatever length it names; and a body of unknown length is sent in pieces."""
    server.answers[:] = [[b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"]]
    assert client.head(server.url).headers["content-length"] == "9"

    server.answers[:] = [ok(b"heard")]
    assert client.post(server.url, content=iter([b"unknown ", b"length"])).content == b"heard"


def test_a_header_cannot_hold_another_line(server, client):
    with pytest.raises(httpx2.LocalProtocolError):
        client.get(server.url, headers={"x-name": "a\r\nauthorization: other"})
    assert not server.requests


def test_what_waits_for_an_answer_reserves_little(server, client):
    """The library's own way reserves 64 KB for each call that is open."""
    answers: list[bytes] = []
    all_asked, go = threading.Semaphore(0), threading.Event()
    server.answers[:] = [[all_asked.release, lambda: go.wait(300), *ok(LARGE)]]

    def asking() -> None:
        answers.append(client.post(server.url, content=QUESTION).content)

    def held() -> int:
        ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, wire.__file__)])
        return sum(each.size for each in ours.statistics("filename"))

    threads = [threading.Thread(target=asking) for _ in range(WAITING)]
    tracemalloc.start()
    try:
        for thread in threads:
            thread.start()
        for _ in threads:
            assert all_asked.acquire(timeout=60)
        # Who was heard has yet to begin to wait.
        until(lambda: held() / WAITING < 5_000)
    finally:
        tracemalloc.stop()
        go.set()
    for thread in threads:
        thread.join()

    assert answers == [LARGE] * WAITING


def test_over_tls_too(certificate):
    secret = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secret.load_cert_chain(certificate)
    trusted = ssl.create_default_context(cafile=str(certificate))

    with RawHttp([ok(LARGE)], secret=secret) as server:
        with httpx2.Client(transport=Wire(trusted), timeout=60) as client:
            answers = [client.get(server.url) for _ in range(3)]
        assert [answer.content for answer in answers] == [LARGE] * 3
        assert server.connections == 1


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate):
    secret = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secret.load_cert_chain(certificate)

    with (
        RawHttp([ok()], secret=secret) as server,
        httpx2.Client(transport=Wire(), timeout=60) as client,
        pytest.raises(httpx2.ConnectError, match="certificate"),
    ):
        client.get(server.url)
    assert not server.requests


def test_where_a_proxy_is_named_the_library_finds_its_own_way(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    wires = []

    def made(_key, _address, _http, wire):
        wires.append(wire)
        return threading.Event()

    kept = [connections.Shared(made, httpx2.Client).get("key", None)]
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    kept.append(connections.Shared(made, httpx2.Client).get("key", None))

    assert [type(wire) for wire in wires] == [Wire, type(None)]

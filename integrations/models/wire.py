"""Calls over HTTP/1.1 on sockets that are kept: what the SDKs' clients send goes out here, and comes back whole or piece by piece.

`connections` hands it to each SDK as its transport; Anthropic's `shortcut` asks through it directly. The bytes are read by the C
parser that serves our own door too. A connection is one thread's at a time and goes back for whoever is next, so that a call
costs the same however many others are open. Nothing is ever sent twice: a kept connection that its service closed is noticed before.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import httptools
import httpx2

from integrations.models.wire_format import PORTS, head, is_plain, is_stream

#: Idle connections are closed after half a minute, before most services do.
KEPT_SECONDS: Final = 30.0
#: As much as is read at once, in bytes. Whoever waits reserves that much, and hundreds wait for the beginning of an answer.
READ_AT_FIRST: Final = 2048
READ_AT_ONCE: Final = 8192
#: Bytes of an answer, which a whole process would else be lost to. Services take no batch that is larger.
LARGEST: Final = 256 * 2**20
#: A connection whose other end vanished is noticed in minutes, as the SDKs' own clients have it.
_OPTIONS: Final = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5))
        if hasattr(socket, name)
    ),
]


class Patience(NamedTuple):
    """Seconds for each wait: until there is a connection, until something is taken, until a whole answer is here (of a stream:
    its next piece). None is for ever."""

    connect: float | None
    write: float | None
    read: float | None

    def left(self, since: float, now: float) -> float | None:
        """Of an answer that is waited for since then: one that drips gets no more time than one that is silent."""
        return None if self.read is None else self.read - (now - since)


class Answer(NamedTuple):
    """A whole answer, its body as it came. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def read(self) -> bytes:
        """The body, as the SDKs' answers are asked for it."""
        return self.content


class Connection:
    """One socket, and what it has read of the answer that it is at. The parser calls the methods that begin with ``on``."""

    __slots__ = (
        "_parser",
        "_poll",
        "_sock",
        "_waits",
        "again",
        "begun",
        "done",
        "headers",
        "pieces",
        "reason",
        "since",
        "size",
        "status",
    )

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._waits = sock.gettimeout()
        self._parser: httptools.HttpResponseParser | None = None
        self.since = 0.0
        self._forget()

    def _forget(self) -> None:
        self.status = 0
        self.reason = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.pieces: list[bytes] = []
        self.size = 0
        self.begun = self.done = self.again = False

    # ── told by the parser ──

    def on_message_begin(self) -> None:
        if self.done:
            raise ValueError("nobody asked for another answer")
        # An interim one (100, 103) came before this.
        self._forget()

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        assert self._parser is not None, "the parser calls"
        self.status = self._parser.get_status_code()
        self.begun = self.status >= 200

    def on_body(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size > LARGEST:
            raise ValueError("no answer is so large")
        self.pieces.append(piece)

    def on_message_complete(self) -> None:
        if self.begun:
            assert self._parser is not None, "the parser calls"
            self.done, self.again = True, self._parser.should_keep_alive()

    # ── used by whoever has borrowed it ──

    def send(self, data: bytes, seconds: float | None) -> None:
        self._forget()
        self._wait_at_most(seconds)
        try:
            sent = self._sock.send(data)
            if sent < len(data):
                rest = memoryview(data)[sent:]
                while rest:
                    rest = rest[self._sock.send(rest) :]
        except TimeoutError as error:
            raise httpx2.WriteTimeout("Nothing was taken in time.") from error
        except OSError:
            # A service may answer before it has read everything, and close: its answer says why.
            return

    def receive(self, seconds: float | None) -> None:
        """Read once, until `done`. Raise what the transport of an SDK raises."""
        if seconds is not None and seconds <= 0:
            raise httpx2.ReadTimeout("It did not all come in time.")
        self._wait_at_most(seconds)
        try:
            data = self._sock.recv(READ_AT_ONCE if self.begun else READ_AT_FIRST)
        except TimeoutError as error:
            raise httpx2.ReadTimeout("Nothing came in time.") from error
        except OSError as error:
            raise httpx2.ReadError(str(error)) from error
        if not data:
            self._ended()
            return
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.done:
                raise httpx2.RemoteProtocolError(f"What came is no HTTP: {type(error).__name__}.") from error
            # Something behind the answer that nobody asked for.
            self.again = False

    def _ended(self) -> None:
        if not self.begun:
            raise httpx2.RemoteProtocolError("The service closed the connection without an answer.")
        if any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self.headers):
            raise httpx2.RemoteProtocolError("The service closed the connection in the middle of its answer.")
        # Of an answer without a length this is the end.
        self.done = True

    def taken(self) -> bytes:
        """What has been read of the body since it was last asked for."""
        pieces = self.pieces
        if not pieces:
            return b""
        self.pieces = []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _wait_at_most(self, seconds: float | None) -> None:
        if seconds != self._waits:
            self._sock.settimeout(seconds)
            self._waits = seconds

    # ── used by those who keep it ──

    def stale(self) -> bool:
        """Whether something came since the last answer, which can only be that the service has closed it."""
        return bool(self._poll.poll(0))

    def close(self) -> None:
        # They know each other, and the collector would have to find out that nobody else does.
        self._parser = None
        self._sock.close()


#: every one of this process
_HOSTS: Final[weakref.WeakSet[Host]] = weakref.WeakSet()


class Host:
    """The connections to one service. What was given back last is lent first, so that of many idle ones the oldest end."""

    def __init__(self, address: httpx2.URL, trusted: ssl.SSLContext, monotonic: Callable[[], float]) -> None:
        self._name = address.raw_host.decode("ascii").strip("[]")
        self._port = address.port or PORTS[address.scheme]
        self._trusted = trusted if address.scheme == "https" else None
        self.monotonic = monotonic
        self._idle: deque[Connection] = deque()
        self._closed = False
        _HOSTS.add(self)

    def lend(self, seconds: float | None) -> Connection:
        """A connection that lives, as far as can be known. Raise `httpx2.ConnectError` or `httpx2.ConnectTimeout`."""
        oldest = self.monotonic() - KEPT_SECONDS
        while True:
            try:
                kept = self._idle.pop()
            except IndexError:
                return self._opened(seconds)
            if kept.since > oldest and not kept.stale():
                return kept
            kept.close()

    def give_back(self, connection: Connection) -> None:
        """After an answer: kept where it may be, else closed."""
        if not connection.again or not connection.done or self._closed:
            connection.close()
            return
        connection.since = now = self.monotonic()
        self._idle.append(connection)
        self._drop_before(now - KEPT_SECONDS)

    def close(self) -> None:
        self._closed = True
        self._drop_before(float("inf"))

    def disown(self) -> None:
        """Keep nothing of what there is, which is another's. To close it here ends nothing there."""
        inherited, self._idle = self._idle, deque()
        for connection in inherited:
            connection.close()

    def _drop_before(self, oldest: float) -> None:
        idle = self._idle
        try:
            while idle[0].since < oldest:
                connection = idle.popleft()
                if connection.since >= oldest:
                    # Another thread took the one that was looked at.
                    idle.appendleft(connection)
                    return
                connection.close()
        except IndexError:
            return

    def _opened(self, seconds: float | None) -> Connection:
        try:
            sock = socket.create_connection((self._name, self._port), seconds)
            try:
                for option in _OPTIONS:
                    sock.setsockopt(*option)
                if self._trusted is not None:
                    sock = self._trusted.wrap_socket(sock, server_hostname=self._name)
            except BaseException:
                sock.close()
                raise
        except TimeoutError as error:
            raise httpx2.ConnectTimeout("The service was not reached in time.") from error
        except (OSError, UnicodeError) as error:
            # A name that cannot be one fails as what it is, a text.
            raise httpx2.ConnectError(str(error)) from error
        return Connection(sock)

    def ask(self, sent: bytes, patience: Patience) -> Answer:
        """The whole answer to one whole request. Raise what the transport of an SDK raises."""
        connection = self.lend(patience.connect)
        try:
            connection.send(sent, patience.write)
            # Hundreds wait at once, each for seconds: what was sent is kept by nobody meanwhile.
            del sent
            since = self.monotonic()
            connection.receive(patience.read)
            while not connection.done:
                connection.receive(patience.left(since, self.monotonic()))
            headers = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in reversed(connection.headers)
            }
            return Answer(connection.status, headers, connection.taken())
        finally:
            # One that broke off is not `done`, and is closed.
            self.give_back(connection)


def disown_all() -> None:
    """In a process that was forked: two that read from one connection would get each other's answers."""
    for host in list(_HOSTS):
        host.disown()


os.register_at_fork(after_in_child=disown_all)


class Wire(httpx2.BaseTransport):
    """The transport of an SDK's client. What it does not speak itself goes through the library's own."""

    def __init__(
        self, trusted: ssl.SSLContext | None = None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        # Reading the trusted certificates takes longer than all else: once for all connections.
        self._trusted = trusted or httpx2.create_ssl_context()
        self._trusted.set_alpn_protocols(["http/1.1"])
        self._monotonic = monotonic
        self._hosts: dict[tuple[str, str, int | None], Host] = {}
        self._other = httpx2.HTTPTransport(verify=self._trusted)

    def host(self, address: httpx2.URL) -> Host:
        """The connections that lead to this address."""
        key = (address.scheme, address.host, address.port)
        found = self._hosts.get(key)
        if found is None:
            # Of two that come at once both get the one that was there first.
            found = self._hosts.setdefault(key, Host(address, self._trusted, self._monotonic))
        return found

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if not is_plain(request):
            return self._other.handle_request(request)
        patience = _patience(request.extensions.get("timeout", {}))
        sent = b"".join((head(request), *request.stream))  # type: ignore[misc]  # `is_plain`: bytes in memory
        host = self.host(request.url)
        connection = host.lend(patience.connect)
        try:
            connection.send(sent, patience.write)
            del sent
            since = self._monotonic()
            while not connection.begun:
                connection.receive(patience.left(since, self._monotonic()))
        except BaseException:
            connection.close()
            raise
        return httpx2.Response(
            connection.status,
            headers=connection.headers,
            stream=_Body(host, connection, patience, None if is_stream(connection.headers) else since),
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": connection.reason},
        )

    def close(self) -> None:
        for host in list(self._hosts.values()):
            host.close()
        self._other.close()


class _Body(httpx2.SyncByteStream):
    """A body that is read as it comes. `since`: when the wait for it began; None where each piece has the time of a whole one."""

    def __init__(self, host: Host, connection: Connection, patience: Patience, since: float | None) -> None:
        self._host = host
        self._connection: Connection | None = connection
        self._patience, self._since = patience, since

    def __iter__(self) -> Iterator[bytes]:
        connection = self._connection
        if connection is None:
            return
        try:
            while True:
                if piece := connection.taken():
                    yield piece
                if connection.done:
                    break
                now = self._host.monotonic()
                connection.receive(self._patience.left(now if self._since is None else self._since, now))
        finally:
            self.close()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._host.give_back(connection)


def _patience(given: Mapping[str, Any]) -> Patience:
    return Patience(given.get("connect"), given.get("write"), given.get("read"))

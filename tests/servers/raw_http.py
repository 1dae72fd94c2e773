"""A server that answers HTTP byte for byte as it is told, so that what no well-behaved server says can be said as well.

with RawHttp() as server:
    server.answers.append(ok(b"hello"))       # one a request, in order; the last one serves for ever
    …
    server.requests                           # whole requests, head and body, in the order in which they came
    server.connections                        # how many were opened

An answer of several pieces is sent piece by piece; `CLOSE` closes the connection, a callable is called in between.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

CLOSE = object()
Piece = bytes | object | Callable[[], object]
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def ok(body: bytes = b"ok", *headers: str, status: str = "200 OK") -> list[Piece]:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
    return ["\r\n".join(lines).encode() + b"\r\n\r\n" + body]


@dataclass
class RawHttp:
    answers: list[Sequence[Piece]] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    #: so many bytes of a request are enough for an answer; None waits for all of it
    enough: int | None = None
    secret: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        scheme = "https" if self.secret else "http"
        self.url = f"{scheme}://127.0.0.1:{self._listening.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._hang_up()
        for thread in self._threads:
            thread.join(30)

    def _hang_up(self) -> None:
        with self._lock:
            for one in self._open:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # its other end was quicker

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                one, _ = self._listening.accept()
            except OSError:
                return
            self._start(self._talk, one)

    def _talk(self, one: socket.socket) -> None:
        try:
            with self.secret.wrap_socket(one, server_side=True) if self.secret else one as talking:
                with self._lock:
                    self.connections += 1
                    self._open.add(talking)
                try:
                    while self._answer(talking):
                        pass
                finally:
                    with self._lock:
                        self._open.discard(talking)
        except OSError:
            return  # it was closed, here or there: what some tests are about

    def _answer(self, talking: socket.socket) -> bool:
        request = self._read(talking)
        if request is None:
            return False
        with self._lock:
            self.requests.append(request)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        for piece in answer:
            if piece is CLOSE:
                return False
            if callable(piece):
                piece()
            else:
                assert isinstance(piece, bytes)
                talking.sendall(piece)
        return True

    def _read(self, talking: socket.socket) -> bytes | None:
        data = b""
        while True:
            head, end, body = data.partition(b"\r\n\r\n")
            found = _LENGTH.search(head)
            whole = bool(end) and len(body) >= (int(found[1]) if found else 0)
            if whole or (self.enough is not None and len(data) >= self.enough):
                return data
            more = talking.recv(65536)
            if not more:
                return None
            data += more

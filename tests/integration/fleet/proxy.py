"""A TCP proxy before PostgreSQL that loses the answer to a commit: the server has done it, the client only sees a cut.

Which commit is told by bytes that the client sends in it. One thread for each direction of each connection.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

#: the server's last word on a statement outside a transaction: committed
_READY = b"Z\x00\x00\x00\x05I"


class LossyProxy:
    """`lose(mark)`: the next commit whose statement carries `mark` is made, and its answer lost with the connection."""

    def __init__(self, url: str) -> None:
        self._there = urlsplit(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._mark: bytes | None = None
        self.lost = 0

    @property
    def url(self) -> str:
        port = self._listener.getsockname()[1]
        return self._there._replace(netloc=f"{self._there.username}@127.0.0.1:{port}").geturl()

    def lose(self, mark: str) -> None:
        self._mark = mark.encode()

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._open:
            _cut(end)
        for thread in self._threads:
            thread.join(60)
        for end in self._open:
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._there.port or 5432))
            self._open += [client, server]
            doomed = threading.Event()
            self._begin(self._ask, client, server, doomed)
            self._begin(self._answer, server, client, doomed)

    def _begin(self, what: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=what, args=arguments, daemon=True))
        self._threads[-1].start()

    def _ask(self, client: socket.socket, server: socket.socket, doomed: threading.Event) -> None:
        for chunk in _chunks(client):
            if self._mark is not None and self._mark in chunk:
                self._mark = None
                doomed.set()
            if not _sent(server, chunk):
                break
        _cut(server)

    def _answer(self, server: socket.socket, client: socket.socket, doomed: threading.Event) -> None:
        for chunk in _chunks(server):
            if doomed.is_set():
                if chunk.endswith(_READY):
                    self.lost += 1
                    break
                continue
            if not _sent(client, chunk):
                break
        _cut(client)
        _cut(server)


def _chunks(end: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            chunk = end.recv(65_536)
        except OSError:
            return
        if not chunk:
            return
        yield chunk


def _sent(end: socket.socket, chunk: bytes) -> bool:
    try:
        end.sendall(chunk)
    except OSError:
        return False
    return True


def _cut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return

"""Several small pools of connections instead of one large, for as many calls at once as there are threads.

The HTTP library looks at every connection of a pool whenever a call begins or ends: with five hundred open, that took twice
the time of the call itself. So each thread keeps to one of a few pools. `connections` gives them to the SDKs' clients; an
environment that names a proxy gets the library's own way, which knows how to use it.

What waits for an answer reserves what it may read at once. The library's 64 KB, times a thousand open calls, were a third
of such a process's memory; answers come in pieces of a few KB anyway.
"""

from __future__ import annotations

import itertools
import socket
import ssl
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.request import getproxies

import httpcore2
import httpx2

#: with a thousand calls open, thirty connections are looked at where it would be a thousand
POOLS: Final = 32
#: A connection whose other end vanished is noticed in minutes, as the SDKs' own clients have it.
_KEPT_ALIVE: Final = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5))
        if hasattr(socket, name)
    ),
]
#: as much as is read from a connection at once, in bytes
READ_AT_ONCE: Final = 8192


class _Stream(httpcore2.NetworkStream):
    """A connection that reserves no more than a little for what it waits for."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(min(max_bytes, READ_AT_ONCE), timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore2.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        return _Stream(super().connect_tcp(host, port, timeout, local_address, socket_options))


class _Pool(httpx2.HTTPTransport):
    """The library's transport over connections that reserve little: it does not hand that choice on itself."""

    def __init__(self, limits: httpx2.Limits, trusted: ssl.SSLContext) -> None:
        super().__init__(verify=trusted, limits=limits)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=trusted,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            socket_options=_KEPT_ALIVE,
            network_backend=_Backend(),
        )


class Pools(httpx2.BaseTransport):
    """Hands each request to the pool of its thread."""

    def __init__(self, limits: httpx2.Limits, count: int = POOLS, trusted: ssl.SSLContext | None = None) -> None:
        # Reading the trusted certificates takes longer than all else: once for all pools.
        trusted = trusted or httpx2.create_ssl_context()
        self._pools = [_Pool(limits, trusted) for _ in range(count)]
        self._next = itertools.count()
        self._mine = threading.local()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        pool: httpx2.HTTPTransport | None = getattr(self._mine, "pool", None)
        if pool is None:
            pool = self._mine.pool = self._pools[next(self._next) % len(self._pools)]
        return pool.handle_request(request)

    def close(self) -> None:
        for pool in self._pools:
            pool.close()


def mounts(limits: httpx2.Limits) -> Mapping[str, httpx2.BaseTransport]:
    """What a client's addresses are reached through; nothing of ours where the environment names a proxy."""
    return {} if getproxies() else {"all://": Pools(limits)}

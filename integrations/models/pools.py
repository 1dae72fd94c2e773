"""Several small pools of connections instead of one large, for as many calls at once as there are threads.

The HTTP library looks at every connection of a pool whenever a call begins or ends: with five hundred open, that took twice
the time of the call itself. So each thread keeps to one of a few pools. `connections` gives them to the SDKs' clients; an
environment that names a proxy gets the library's own way, which knows how to use it.
"""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Mapping
from typing import Final
from urllib.request import getproxies

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


class Pools(httpx2.BaseTransport):
    """Hands each request to the pool of its thread."""

    def __init__(self, limits: httpx2.Limits, count: int = POOLS) -> None:
        # Reading the trusted certificates takes longer than all else: once for all pools.
        trusted = httpx2.create_ssl_context()
        self._pools = [
            httpx2.HTTPTransport(verify=trusted, limits=limits, socket_options=_KEPT_ALIVE) for _ in range(count)
        ]
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

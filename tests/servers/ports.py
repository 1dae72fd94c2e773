"""Ports on which a test's servers can listen, for servers that must be told one. Nobody else is given the same.

Asked for port 0, the kernel hands out what is free just now: between closing that probe and the server's start, a
connection to anywhere or another process's tests may get it. So ours lie below those that the kernel hands out, and each
is held by a datagram socket of the same number until this process ends: the others' tests look there first.
"""

from __future__ import annotations

import random
import socket
from contextlib import suppress

#: below what Linux and macOS give to outgoing connections, above what servers are usually found at
OURS = range(20_000, 30_000)
_held: list[socket.socket] = []


def free_port() -> int:
    """Free now, and ours until this process ends."""
    for port in random.sample(OURS, len(OURS)):
        if _hold(port):
            return port
    raise AssertionError("no port is free")


def _hold(port: int) -> bool:
    mark = socket.socket(type=socket.SOCK_DGRAM)
    with suppress(OSError):
        mark.bind(("127.0.0.1", port))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
        _held.append(mark)
        return True
    mark.close()
    return False

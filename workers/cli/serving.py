"""Serving HTTP from a command: the listening socket, and an end that lets running things finish.

Used by ``up`` and ``web``. The socket is bound before anything else is started, so that a taken port costs nothing.
"""

from __future__ import annotations

import errno
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from fastapi import FastAPI

from workers.cli.failures import Failure
from workers.web import server

BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Port 0 takes a free one."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise Failure(_why_not(host, port, error)) from error
    return listener


def address(listener: socket.socket) -> str:
    """Where the socket is reached from this machine."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(application: FastAPI, listener: socket.socket) -> None:
    """Serve until a signal ends it. Ends in KeyboardInterrupt then, so that what the caller holds open is closed."""
    host, port = listener.getsockname()[:2]
    server(application, host=host, port=port).run(sockets=[listener])


@contextmanager
def until_stopped() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, and both end it quietly."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is in use. Stop what uses it, or choose another with --port."
    if error.errno == errno.EACCES:
        return f"Port {port} of {host} needs rights that this account lacks. Choose one above 1023 with --port."
    return f"Cannot listen on {host}, port {port}: {error.strerror or error}. Choose other ones with --host and --port."

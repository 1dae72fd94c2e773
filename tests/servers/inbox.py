"""The web application on a real port, in a thread of its own, for tests that need real connections or a browser."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from starlette.routing import BaseRoute

from workers import web
from workers.wiring import System


@contextmanager
def serving(system: System, *, extra_routes: Sequence[BaseRoute] = ()) -> Iterator[str]:
    """Yield the address. Fails when the server has not ended 10 s after it was asked to."""
    app = web.make_app(system, webhooks={}, extra_routes=extra_routes)
    server = web.server(app, host="127.0.0.1", port=0)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="web")
        thread.start()
        try:
            until = time.monotonic() + 10
            while not server.started:
                assert time.monotonic() < until, "the web server did not start"
                time.sleep(0.01)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(10)
    assert not thread.is_alive(), "the web server did not end"

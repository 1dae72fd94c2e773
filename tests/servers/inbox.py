"""The web application on a real port, in a thread of its own, for tests that need real connections or a browser."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from starlette.routing import BaseRoute

from integrations.base import WebhookSource
from tests.kit.patience import until
from workers import web
from workers.wiring import System

#: how long it waits for open requests when it is to end, in seconds: so long that who ends sooner was not cut off
GRACE = 120


@contextmanager
def serving(
    system: System,
    *,
    webhooks: Mapping[str, WebhookSource | None] | None = None,
    extra_routes: Sequence[BaseRoute] = (),
) -> Iterator[str]:
    """Yield the address. Fails when the server does not end after it was asked to."""
    app = web.make_app(system, webhooks=webhooks or {}, extra_routes=extra_routes)
    server = web.server(app, host="127.0.0.1", port=0)
    server.config.timeout_graceful_shutdown = GRACE
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="web")
        thread.start()
        try:
            until(lambda: server.started, "the web server did not start")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(2 * GRACE)
    assert not thread.is_alive(), "the web server did not end"

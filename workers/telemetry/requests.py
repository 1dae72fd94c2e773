"""Times every answer of the web application, by door and status. Plain ASGI; streams pass through untouched.

Addresses never become labels: anybody could invent new ones.
"""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workers.telemetry import metrics

_DOORS = {"hooks", "events", "api", "static", "metrics", "healthz", "readyz", "sample"}


class Measured:
    """Middleware. Counts from the request's first byte to the first of its answer: a stream may stay open for hours."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        door = door_of(scope["path"])
        answered = False

        async def noting(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                metrics.answered(door, message["status"], time.perf_counter() - began)
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            # Somebody further out answers with 500.
            if not answered:
                metrics.answered(door, 500, time.perf_counter() - began)
            raise


def door_of(path: str) -> str:
    """Which part of the application an address belongs to."""
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    return first if first in _DOORS else "pages"

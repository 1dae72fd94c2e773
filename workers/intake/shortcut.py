"""The short way for a delivery that is all in order: from the parsed bytes to `Landing` and back, with nothing between.

Used by the web server in place of uvicorn's own protocol, which it extends. A small POST to a source's address is proved,
parsed and handed over right where its last byte is read, and answered where the commit is reported: no task, no scope,
no middleware, which is half of what a delivery costs. Whatever needs more words than “accepted” or “come again” (a large
body, a signature that does not match, an address that is not a source's) goes the long way, through `Doors`, from its
beginning: what is answered to whom is decided there and nowhere else.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, ClassVar

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from workers.intake.landing import Busy
from workers.intake.receive import Received
from workers.intake.web import HOOKS, Answer, Doors
from workers.telemetry import metrics

_HOOKS = HOOKS.encode()


def protocol(doors: Doors) -> type[HttpToolsProtocol]:
    """The protocol class of a server whose deliveries go through these doors."""
    return type("DoorProtocol", (_Protocol,), {"doors": doors})


class _Protocol(HttpToolsProtocol):
    doors: ClassVar[Doors]

    def on_headers_complete(self) -> None:
        busy = self.cycle is not None and not self.cycle.response_complete
        if busy or not self._is_small_delivery():
            super().on_headers_complete()
            return
        self.cycle = _Passage(self)  # type: ignore[assignment]  # what the base asks of a cycle, it has

    def long_way(self, body: bytes) -> None:
        """Begin again as any other request, with the body that was read meanwhile."""
        super().on_headers_complete()
        self.cycle.body = bytearray(body)
        self.cycle.more_body = False
        self.cycle.message_event.set()

    def _is_small_delivery(self) -> bool:
        if not self.url.startswith(_HOOKS) or self.parser.get_method() != b"POST" or self.expect_100_continue:
            return False
        if self.parser.get_http_version() != "1.1" or self.parser.should_upgrade():
            return False
        size = b""
        for name, value in self.headers:
            if name == b"content-length":
                size = value
            elif name in (b"transfer-encoding", b"content-encoding"):
                return False
        # Beyond the high-water mark the base stops reading until somebody asks for the body.
        return size.isdigit() and int(size) <= min(HIGH_WATER_LIMIT, self.doors.largest_body)


class _Passage:
    """One delivery on its short way. To the base class this is a request's cycle, and its event of a new message too."""

    def __init__(self, protocol: _Protocol) -> None:
        self._protocol = protocol
        self._doors = protocol.doors
        self.keep_alive: bool = protocol.parser.should_keep_alive()
        self.body = bytearray()
        self.more_body = True
        self.disconnected = False
        self.response_complete = False
        self.message_event = self
        self._begun = False
        self._came = time.perf_counter()

    def set(self) -> None:
        """More of the body came, or its end, or the connection is lost."""
        if self.more_body or self._begun:
            return
        self._begun = True
        body = bytes(self.body)
        request = self._doors.ready(self._protocol.url, self._protocol.headers, body)
        if request is None:
            self.response_complete = True
            self._protocol.long_way(body)
            return
        self._doors.courtesy.arrive()
        try:
            future = self._doors.landing.begin(request)
        except Busy as error:
            self._answer(self._doors.failed(self._protocol.url.decode("latin-1"), error))
        else:
            future.add_done_callback(self._stored)

    def _stored(self, future: asyncio.Future[Received]) -> None:
        error = future.exception()
        if error is None:
            self._answer(self._doors.accepted(future.result()))
        else:
            self._answer(self._doors.failed(self._protocol.url.decode("latin-1"), error))

    def _answer(self, answer: Answer) -> None:
        self._doors.courtesy.leave()
        self.response_complete = True
        metrics.answered("hooks", answer.status, time.perf_counter() - self._came)
        if self.disconnected:
            return
        protocol = self._protocol
        head, body = self._doors.rendered(answer)
        parts: list[Any] = [STATUS_LINE[answer.status]]
        for name, value in (*protocol.server_state.default_headers, *head):
            parts += (name, b": ", value, b"\r\n")
        if not self.keep_alive:
            parts.append(b"connection: close\r\n")
        parts += (b"\r\n", body)
        protocol.transport.write(b"".join(parts))
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()

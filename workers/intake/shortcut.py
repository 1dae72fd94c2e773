"""The short way for a request that is all in order: from the parsed bytes to the commit and back, with nothing between.

Used by the web server in place of uvicorn's own protocol, which it extends. A small POST to a source's address is proved,
parsed and handed over right where its last byte is read, and answered where the commit is reported: no task, no scope,
no middleware, which is half of what a delivery costs. So is what another `Way` takes: a program's plain approvals. Whatever needs
more words than “accepted” or “come again” (a large body, a signature that does not match, an address that is not a source's) goes
the long way, through the application, from its beginning: what is answered to whom is decided there and nowhere else.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, cast

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from workers.intake.receive import Received
from workers.intake.web import HOOKS, Answer, Doors, Header
from workers.log import logger
from workers.store.database import StoreUnavailable
from workers.telemetry import metrics

_HOOKS = HOOKS.encode()

#: status, headers and body
Answered = tuple[int, Sequence[Header], bytes]


class Way(Protocol):
    """Who answers some small POSTs without the application."""

    door: str
    largest_body: int

    def concerns(self, url: bytes) -> bool: ...
    def begin(self, url: bytes, headers: Sequence[Header], body: bytes) -> asyncio.Future[Answered | None] | None:
        """None, at once or in the end, for what goes the long way, and an error for what broke: that goes there as well, and must
        be so that it can."""


def protocol(doors: Doors, way: Way | None = None) -> type[HttpToolsProtocol]:
    """The protocol class of a server whose deliveries go through these doors, and other requests by this way."""
    return type("DoorProtocol", (_Protocol,), {"doors": doors, "way": way})


class _Protocol(HttpToolsProtocol):
    doors: ClassVar[Doors]
    way: ClassVar[Way | None]

    def on_headers_complete(self) -> None:
        busy = self.cycle is not None and not self.cycle.response_complete
        passage = None if busy else self._short_way()
        if passage is None:
            super().on_headers_complete()
            return
        self.cycle = passage  # type: ignore[assignment]  # what the base asks of a cycle, it has

    def long_way(self, body: bytes) -> None:
        """Begin again as any other request, with the body that was read meanwhile."""
        super().on_headers_complete()
        self.cycle.body = bytearray(body)
        self.cycle.more_body = False
        self.cycle.message_event.set()

    def begin_again(self, passage: _Asked) -> None:
        """The same, when more may have been read since."""
        cycle = RequestResponseCycle(
            scope=passage.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=passage.keep_alive,
            on_response=self.on_response_complete,
        )
        cycle.body = passage.body
        cycle.more_body = False
        cycle.message_event.set()
        if cast("object", self.cycle) is passage:
            self.cycle = cycle
        self._start_asgi_task(cycle, self.app)

    def _short_way(self) -> _Passage | None:
        if self.url.startswith(_HOOKS):
            return _Delivered(self) if self._is_small(self.doors.largest_body) else None
        if self.way is not None and self.way.concerns(self.url) and self._is_small(self.way.largest_body):
            return _Asked(self, self.way)
        return None

    def _is_small(self, largest: int) -> bool:
        if self.parser.get_method() != b"POST" or self.expect_100_continue:
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
        return size.isdigit() and int(size) <= min(HIGH_WATER_LIMIT, largest)


class _Passage(ABC):
    """One request on its short way. To the base class this is a request's cycle, and its event of a new message too."""

    def __init__(self, protocol: _Protocol) -> None:
        self._protocol = protocol
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
        self._begin()

    @abstractmethod
    def _begin(self) -> None:
        """The whole request is here."""

    def _write(self, door: str, status: int, head: Sequence[Header], body: bytes) -> None:
        self.response_complete = True
        metrics.answered(door, status, time.perf_counter() - self._came)
        if self.disconnected:
            return
        protocol = self._protocol
        parts: list[Any] = [STATUS_LINE[status]]
        for name, value in (*protocol.server_state.default_headers, *head):
            parts += (name, b": ", value, b"\r\n")
        if not self.keep_alive:
            parts.append(b"connection: close\r\n")
        parts += (b"\r\n", body)
        protocol.transport.write(b"".join(parts))
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()


class _Delivered(_Passage):
    """A delivery, on its way to `RequestBatcher`."""

    def __init__(self, protocol: _Protocol) -> None:
        super().__init__(protocol)
        self._doors = protocol.doors

    def _begin(self) -> None:
        body = bytes(self.body)
        try:
            request = self._doors.ready(self._protocol.url, self._protocol.headers, body)
        except Exception:  # noqa: BLE001 - whoever reads requests would answer with 400; the long way says whose fault it is
            request = None
        if request is None:
            self.response_complete = True
            self._protocol.long_way(body)
            return
        self._doors.request_priority.arrive()
        try:
            future = self._doors.batcher.begin(request)
        except Exception as error:  # noqa: BLE001 - as above: the event is its sender's until we said 2xx
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
        self._doors.request_priority.leave()
        self._write("hooks", answer.status, *self._doors.rendered(answer))


class _Asked(_Passage):
    """What another way takes. What it leaves goes on as any other request, which may be after others were read."""

    def __init__(self, protocol: _Protocol, way: Way) -> None:
        super().__init__(protocol)
        self._way = way
        self._url, self._headers = protocol.url, protocol.headers
        self.scope = protocol.scope
        path = protocol.url.decode("ascii")
        self.scope |= {
            "method": "POST",
            "path": protocol.root_path + path,
            "raw_path": (protocol.root_path + path).encode("ascii"),
            "query_string": b"",
        }

    def _begin(self) -> None:
        try:
            future = self._way.begin(self._url, self._headers, bytes(self.body))
        except Exception as error:  # noqa: BLE001 - as above
            logger.error("short_way_failed", door=self._way.door, exc_info=error)
            future = None
        if future is None:
            self._leave()
        else:
            future.add_done_callback(self._known)

    def _known(self, future: asyncio.Future[Answered | None]) -> None:
        error = future.exception()
        if error is not None and not isinstance(error, StoreUnavailable):
            logger.error("short_way_failed", door=self._way.door, exc_info=error)
        answer = future.result() if error is None else None
        if answer is None:
            self._leave()
        else:
            self._write(self._way.door, *answer)

    def _leave(self) -> None:
        self.response_complete = True
        if not self.disconnected:
            self._protocol.begin_again(self)

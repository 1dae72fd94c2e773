"""The world around a contender, in one process that costs next to nothing: the model's API, the payment service that
counts effects, and the sender of webhooks and approvals.

Raw protocols on uvloop with answers made beforehand; a model's thinking time is a timer. `benchmarks/engine.py` starts it
and tells it what to do through ``POST /control``; contenders know only its model and payment addresses.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, cast

import uvloop

from engine_bench import deliveries, load

MARKER = re.compile(rb"ch_([ar]\d+)")
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
KEY = re.compile(rb"idempotency-key: *([^\r]+)", re.IGNORECASE)
ROOM = re.compile(rb'"max_tokens": ?(\d+)')
JUST_NOW = 0.05


def answer(body: bytes, status: str = "200 OK", extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


TRIAGE = answer(deliveries.message(deliveries.triage_answer()), extra="request-id: req_1\r\n")
DRAFT = {
    kind: deliveries.message(deliveries.draft_answer(f"{kind}0")).replace(f"ch_{kind}0".encode(), b"@@")
    for kind in "ar"
}
CHARGE = {
    kind: json.dumps(deliveries.charge(f"{kind}0"))
    .encode()
    .replace(f"ch_{kind}0".encode(), b"@@")
    .replace(b"cus_00000", b"##")
    for kind in "ar"
}


@dataclass
class Seen:
    """Everything that contenders did since the last reset."""

    delay: float = 0.0
    calls: Counter[str] = field(default_factory=Counter)
    answered: dict[str, float] = field(default_factory=dict)
    open_calls: Counter[str] = field(default_factory=Counter)
    open_now: int = 0
    open_peak: int = 0
    open_seconds: float = 0.0
    changed_at: float = field(default_factory=time.monotonic)
    reads: int = 0
    posts: dict[str, list[str]] = field(default_factory=dict)
    first_call_at: float | None = None
    posted_at: dict[str, float] = field(default_factory=dict)

    def opened(self, call: str, by: int) -> None:
        now = time.monotonic()
        self.open_seconds += self.open_now * (now - self.changed_at)
        self.changed_at = now
        self.open_now += by
        self.open_peak = max(self.open_peak, self.open_now)
        self.open_calls[call] += by

    def summary(self) -> dict[str, Any]:
        self.opened("", 0)
        return {
            "now": time.monotonic(),
            "done": len(self.posts),
            "posts": sum(map(len, self.posts.values())),
            "calls": sum(self.calls.values()),
            "repeated_calls": sum(count - 1 for count in self.calls.values()),
            "reads": self.reads,
            "open_now": self.open_now,
            "open_peak": self.open_peak,
            "open_seconds": self.open_seconds,
            "first_call_at": self.first_call_at,
            "last_post_at": max(self.posted_at.values(), default=None),
        }


class Service(asyncio.Protocol):
    """One connection of a contender, or of the one who measures."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._waiting = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        while (end := self._waiting.find(b"\r\n\r\n")) >= 0:
            head = self._waiting[:end]
            found = LENGTH.search(head)
            total = end + 4 + (int(found[1]) if found else 0)
            if len(self._waiting) < total:
                return
            body = self._waiting[end + 4 : total]
            self._waiting = self._waiting[total:]
            self._world.serve(self, head, body)

    def send(self, made: bytes) -> None:
        if self._transport is not None:
            self._transport.write(made)


class World:
    def __init__(self) -> None:
        self.seen = Seen()
        self.waited_for: dict[str, asyncio.Future[float]] = {}
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def serve(self, service: Service, head: bytes, body: bytes) -> None:
        if head.startswith(b"POST /v1/messages"):
            self._think(service, body)
        elif head.startswith(b"GET /charges/"):
            marker = head[16:].partition(b" ")[0]
            self.seen.reads += 1
            whose = deliveries.customer_id(int(marker[1:])).encode()
            service.send(answer(CHARGE[chr(marker[0])].replace(b"@@", b"ch_" + marker).replace(b"##", whose)))
        elif head.startswith(b"POST /refunds"):
            self._refund(service, head, body)
        elif head.startswith(b"POST /control"):
            task = self._loop.create_task(self._control(service, json.loads(body)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            service.send(answer(b"{}", "404 Not Found"))

    def _think(self, service: Service, body: bytes) -> None:
        seen, found, room = self.seen, MARKER.search(body), ROOM.search(body)
        if found is None or room is None:
            service.send(answer(b'{"type":"error","error":{"type":"invalid_request_error","message":"?"}}', "400 Bad"))
            return
        marker = found[1]
        triage = int(room[1]) == deliveries.TRIAGE_ROOM
        call = f"{marker.decode()} {'triage' if triage else 'draft'}"
        seen.calls[call] += 1
        seen.opened(call, 1)
        if seen.first_call_at is None:
            seen.first_call_at = time.monotonic()
        made = (
            TRIAGE
            if triage
            else answer(DRAFT[chr(marker[0])].replace(b"@@", b"ch_" + marker), extra="request-id: req_2\r\n")
        )
        if seen.delay:
            self._loop.call_later(seen.delay, self._thought, service, seen, call, made)
        else:
            self._thought(service, seen, call, made)

    def _thought(self, service: Service, seen: Seen, call: str, made: bytes) -> None:
        seen.opened(call, -1)
        seen.answered[call] = time.monotonic()
        service.send(made)

    def _refund(self, service: Service, head: bytes, body: bytes) -> None:
        found, key = MARKER.search(body), KEY.search(head)
        assert found is not None
        assert key is not None
        marker, now = found[1].decode(), time.monotonic()
        self.seen.posts.setdefault(marker, []).append(key[1].decode())
        self.seen.posted_at.setdefault(marker, now)
        if (waiting := self.waited_for.pop(marker, None)) is not None and not waiting.done():
            waiting.set_result(now)
        service.send(answer(b'{"refund_id": "re_' + found[1] + b'", "status": "succeeded"}'))

    async def _control(self, service: Service, asked: dict[str, Any]) -> None:
        result: dict[str, Any] = {}
        match asked.pop("do"):
            case "reset":
                self.seen = Seen(delay=asked["delay"])
            case "summary":
                result = self.seen.summary()
            case "detail":
                now, seen = time.monotonic(), self.seen
                result = {
                    **seen.summary(),
                    "call_counts": dict(seen.calls),
                    "posted": seen.posts,
                    # Answered a moment ago counts as open: no engine can have it recorded yet.
                    "open": [call for call, n in seen.open_calls.items() if n and call]
                    + [call for call, at in seen.answered.items() if now - at < JUST_NOW],
                }
            case "send":
                result = await load.send(**asked)
            case "approve":
                result = await load.approve(self.waited_for, **asked)
        service.send(answer(json.dumps(result).encode()))


async def main() -> None:
    world = World()
    server = await asyncio.get_running_loop().create_server(lambda: Service(world), "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))

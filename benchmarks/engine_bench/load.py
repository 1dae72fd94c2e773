"""The sender of webhooks and approvals: keeps so many connections busy, or a pace, and times each answer.

Runs inside `engine_bench.world`. Requests are made and signed before the clock starts.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any, cast

from engine_bench import deliveries

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Line(asyncio.Protocol):
    """One kept-alive connection: a request out, its answer's status back."""

    def __init__(self) -> None:
        self._waiting = b""
        self._answered: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(0)
        self._transport = None

    def ask(self, request: bytes) -> asyncio.Future[int]:
        self._answered = asyncio.get_running_loop().create_future()
        if self._transport is None:
            self._answered.set_result(0)
        else:
            self._transport.write(request)
        return self._answered

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        end = self._waiting.find(b"\r\n\r\n")
        if end < 0:
            return
        found = LENGTH.search(self._waiting, 0, end)
        if found is None or len(self._waiting) < end + 4 + int(found[1]):
            return
        status = int(self._waiting[9:12])
        self._waiting = b""
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(status)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def send(
    *, port: int, path: str, secret: str, kind: str, first: int, count: int, connections: int, pace: float
) -> dict[str, Any]:
    """Deliver `count` tickets. `pace` per second, or 0 for as fast as the door answers."""
    host = f"127.0.0.1:{port}"
    requests = [
        deliveries.delivery(secret, f"{kind}{number}", host=host, path=path) for number in range(first, first + count)
    ]
    lines = await _lines(port, connections)
    took: list[float] = []
    refused = 0
    waiting = iter(requests)
    began = time.monotonic()
    sent = 0

    async def busy(line: Line) -> None:
        nonlocal refused, sent
        for request in waiting:
            sent += 1
            if pace and (early := began + sent / pace - time.monotonic()) > 0:
                await asyncio.sleep(early)
            at = time.monotonic()
            status = await line.ask(request)
            took.append(time.monotonic() - at)
            refused += status // 100 != 2

    await asyncio.gather(*map(busy, lines))
    elapsed = time.monotonic() - began
    for line in lines:
        line.close()
    return {
        "seconds": elapsed,
        "refused": refused,
        "per_second": (count - refused) / elapsed,
        "p50_ms": percentile(took, 0.5) * 1000,
        "p99_ms": percentile(took, 0.99) * 1000,
    }


async def approve(
    waited_for: dict[str, asyncio.Future[float]],
    *,
    port: int,
    headers: dict[str, str],
    approvals: list[dict[str, Any]],
    pace: float,
) -> dict[str, Any]:
    """Approve one after another at a pace, or each as soon as the one before has had its effect at 0; from the request's first
    byte to the effect's arrival."""
    (line,) = await _lines(port, 1)
    loop = asyncio.get_running_loop()
    effects: list[float] = []
    answers: list[float] = []
    missing = 0
    began = time.monotonic()
    for position, one in enumerate(approvals):
        if pace and (early := began + position / pace - time.monotonic()) > 0:
            await asyncio.sleep(early)
        body = json.dumps(one["body"])
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = (
            f"POST {one['path']} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{head}Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
        waited_for[one["marker"]] = effect = loop.create_future()
        at = time.monotonic()
        status = await line.ask(request)
        answers.append(time.monotonic() - at)
        if status // 100 != 2:
            missing += 1
            continue
        try:
            effects.append(await asyncio.wait_for(effect, 10) - at)
        except TimeoutError:
            missing += 1
    line.close()
    return {
        "count": len(effects),
        "missing": missing,
        "p50_ms": percentile(effects, 0.5) * 1000,
        "p99_ms": percentile(effects, 0.99) * 1000,
        "answer_p50_ms": percentile(answers, 0.5) * 1000,
    }


async def _lines(port: int, count: int) -> list[Line]:
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(Line, "127.0.0.1", port) for _ in range(count)]
    return [line for _, line in made]


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0

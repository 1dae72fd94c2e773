"""A local server that speaks Anthropic's Messages API over true HTTP: scripted answers, every fault, and a journal.

with MessagesApi() as api:
    api.answer(lambda request: {"summary": …})      # by function, for every request; `Blocks` for more than text
    api.faults.append(Fault(429, retry_after=3))    # taken first, one a request
    anthropic.Anthropic(base_url=api.url, api_key="x")

It streams where a request asks for it, counts tokens, and keeps batches, which end when `batch_state` says so.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.servers import event_stream

Script = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """One request's bad luck. `status` 0 closes the connection without an answer."""

    status: int = 0
    retry_after: float | str | None = None
    body: bytes | None = None
    wait: float = 0.0
    content_type: str = "application/json"
    #: a stream that breaks off after so many events
    cut_after: int | None = None
    #: the error that a stream breaks off with
    told: dict[str, Any] | None = None
    #: seconds of silence before each event of a stream
    slow: float = 0.0

    @property
    def in_stream(self) -> bool:
        return self.cut_after is not None or self.told is not None or bool(self.slow)


@dataclass(frozen=True, slots=True)
class Blocks:
    """An answer of several blocks."""

    content: list[dict[str, Any]]
    stop_reason: str = "end_turn"
    usage: dict[str, Any] = field(default_factory=dict)


@dataclass
class MessagesApi:
    """Started on entering, stopped on leaving. `requests` is the journal."""

    requests: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    stop_reason: str = "end_turn"
    delay: float = 0.0
    #: how often the Models API was asked
    listings: int = 0
    #: bodies of what was only counted
    counted: list[dict[str, Any]] = field(default_factory=list)
    #: batches by id: their requests, and how they end ("ended" makes results)
    batches: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    batch_state: str = "in_progress"
    #: what becomes of a batch's requests by name, where it is not an answer
    outcomes: dict[str, dict[str, Any]] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._script: Script = lambda _: {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, script: Script) -> None:
        """Answer each request by calling `script` with its body; a str is sent as it is, anything else as JSON."""
        self._script = script

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _message(self, body: dict[str, Any], number: int) -> dict[str, Any]:
        said = self._script(body)
        if not isinstance(said, Blocks):
            text = said if isinstance(said, str) else json.dumps(said)
            said = Blocks([{"type": "text", "text": text}], self.stop_reason)
        return {
            "id": f"msg_{number}",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": said.content,
            "stop_reason": said.stop_reason,
            "stop_sequence": None,
            "usage": {
                "input_tokens": 100,
                "output_tokens": 20,
                "cache_read_input_tokens": 50,
                "cache_creation_input_tokens": 10,
                **said.usage,
            },
        }

    def _batch(self, batch: str) -> dict[str, Any]:
        return {
            "id": batch,
            "type": "message_batch",
            "processing_status": self.batch_state,
            "request_counts": {},
            "created_at": "2026-01-01T00:00:00Z",
            "expires_at": "2026-01-02T00:00:00Z",
            "results_url": "https://elsewhere.invalid/results" if self.batch_state == "ended" else None,
        }

    def _results(self, batch: str) -> list[dict[str, Any]]:
        """In the other order, as nobody promises the same."""
        lines = []
        for number, asked in enumerate(self.batches[batch], start=1):
            name = asked["custom_id"]
            result = self.outcomes.get(name)
            if result is None:
                result = {"type": "succeeded", "message": self._message(asked["params"], number)}
            lines.append({"custom_id": name, "result": result})
        return lines[::-1]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Handler", (_Handler,), {"api": self})


class _Handler(BaseHTTPRequestHandler):
    api: MessagesApi

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if "/batches/" in self.path:
            self._batch(self.path.split("?")[0].split("/batches/")[1])
            return
        self.api.listings += 1
        models = [
            {"id": "model-old", "type": "model", "created_at": "2025-01-01T00:00:00Z", "display_name": "Old"},
            {"id": "model-new", "type": "model", "created_at": "2026-01-01T00:00:00Z", "display_name": "New"},
            {
                "id": "model-free-text-only",
                "type": "model",
                "created_at": "2026-05-01T00:00:00Z",
                "display_name": "Free text only",
                "capabilities": {"structured_outputs": {"supported": False}},
            },
            {
                "id": "model-retired",
                "type": "model",
                "created_at": "2026-06-01T00:00:00Z",
                "display_name": "Retired",
                "lifecycle": "retired",
            },
        ]
        self._send(200, json.dumps({"data": models, "has_more": False}).encode())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])) or b"{}")
        if not self.path.split("?")[0].endswith("/messages"):
            self._beside(self.path.split("?")[0], body)
            return
        with self.api._lock:
            self.api.requests.append(body)
            number = len(self.api.requests)
            fault = self.api.faults.pop(0) if self.api.faults else None
        time.sleep(self.api.delay)
        if fault is not None and not fault.in_stream:
            self._fail(fault)
            return
        answer = self.api._message(body, number)
        if body.get("stream"):
            self._stream(answer, number, fault or Fault())
        else:
            self._send(200, json.dumps(answer).encode(), {"request-id": f"req_{number}"})

    def _stream(self, answer: dict[str, Any], number: int, fault: Fault) -> None:
        events = event_stream.anthropic_events(answer)[: fault.cut_after]
        told = [*events, {"type": "error", "error": fault.told}] if fault.told else events

        def timed() -> Iterator[bytes]:
            for event in told:
                time.sleep(fault.slow)
                yield event_stream.named(event)

        whole = fault.cut_after is None or bool(fault.told)
        event_stream.send(self, timed(), {"request-id": f"req_{number}"}, whole=whole)

    def _beside(self, path: str, body: dict[str, Any]) -> None:
        """Counting, and batches."""
        fault = self.api.faults.pop(0) if self.api.faults else None
        if fault is not None:
            self._fail(fault)
        elif path.endswith("/count_tokens"):
            self.api.counted.append(body)
            self._send(200, json.dumps({"input_tokens": len(json.dumps(body))}).encode())
        elif path.endswith("/cancel"):
            self.api.cancelled.append(path.split("/")[-2])
            self._send(200, json.dumps(self.api._batch(path.split("/")[-2])).encode())
        else:
            batch = f"msgbatch_{len(self.api.batches) + 1}"
            self.api.batches[batch] = body["requests"]
            self._send(200, json.dumps(self.api._batch(batch)).encode())

    def _batch(self, rest: str) -> None:
        fault = self.api.faults.pop(0) if self.api.faults else None
        if fault is not None:
            self._fail(fault)
        elif rest.endswith("/results"):
            lines = [json.dumps(line) for line in self.api._results(rest.split("/", maxsplit=1)[0])]
            self._send(200, "\n".join(lines).encode(), {"content-type": "application/binary"})
        else:
            self._send(200, json.dumps(self.api._batch(rest)).encode())

    def _fail(self, fault: Fault) -> None:
        time.sleep(fault.wait)
        if not fault.status:
            self.close_connection = True
            self.connection.close()
            return
        default = {"type": "error", "error": {"type": "api_error", "message": "as scripted"}}
        extra = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
        extra["content-type"] = fault.content_type
        self._send(fault.status, json.dumps(default).encode() if fault.body is None else fault.body, extra)

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            for name, value in {"content-type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client was killed while it waited: what some tests are about

    def log_message(self, *args: object) -> None:
        pass

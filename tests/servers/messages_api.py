"""A local server that speaks Anthropic's Messages API over true HTTP: scripted answers, every fault, and a journal.

with MessagesApi() as api:
    api.answer(lambda request: {"summary": …})      # by function, for every request
    api.faults.append(Fault(429, retry_after=3))    # taken first, one a request
    anthropic.Anthropic(base_url=api.url, api_key="x")
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Script = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """One request's bad luck. `status` 0 closes the connection without an answer."""

    status: int = 0
    retry_after: float | str | None = None
    body: bytes | None = None
    wait: float = 0.0
    content_type: str = "application/json"


@dataclass
class MessagesApi:
    """Started on entering, stopped on leaving. `requests` is the journal."""

    requests: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    stop_reason: str = "end_turn"
    delay: float = 0.0
    #: how often the Models API was asked
    listings: int = 0

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

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                api.listings += 1
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
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with api._lock:
                    api.requests.append(body)
                    number = len(api.requests)
                    fault = api.faults.pop(0) if api.faults else None
                time.sleep(api.delay)
                if fault is not None:
                    self._fail(fault)
                    return
                said = api._script(body)
                text = said if isinstance(said, str) else json.dumps(said)
                answer = {
                    "id": f"msg_{number}",
                    "type": "message",
                    "role": "assistant",
                    "model": body["model"],
                    "content": [{"type": "text", "text": text}],
                    "stop_reason": api.stop_reason,
                    "stop_sequence": None,
                    "usage": {
                        "input_tokens": 100,
                        "output_tokens": 20,
                        "cache_read_input_tokens": 50,
                        "cache_creation_input_tokens": 10,
                    },
                }
                self._send(200, json.dumps(answer).encode(), {"request-id": f"req_{number}"})

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

        return Handler

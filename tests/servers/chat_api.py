"""A local server that speaks OpenAI's chat completions, model list and embeddings over true HTTP, as one service or another.

with ChatApi(takes={"json_object"}) as api:         # a service that refuses JSON schemas
    api.answer(lambda request: {"summary": …})      # by function, for every request; `Said` for more than text
    api.faults.append(Fault(429, retry_after=3))    # taken first, one a request
    openai.OpenAI(base_url=api.url, api_key="x")
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

#: what a service may know of the API
EVERYTHING = frozenset(
    {"json_schema", "json_object", "max_tokens", "max_completion_tokens", "stream_options", "tools", "form_with_tools"}
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One request's bad luck. `status` 0 closes the connection without an answer."""

    status: int = 0
    retry_after: float | str | None = None
    body: bytes | None = None
    wait: float = 0.0
    #: the error's code and words
    code: str | int | None = None
    message: str = "as scripted"
    #: a stream that breaks off after so many chunks
    cut_after: int | None = None
    #: the error that a stream breaks off with
    told: dict[str, Any] | None = None
    #: seconds of silence before each chunk of a stream
    slow: float = 0.0

    @property
    def in_stream(self) -> bool:
        return self.cut_after is not None or self.told is not None or bool(self.slow)


@dataclass(frozen=True, slots=True)
class Said:
    """An answer's message with its fields, and why it stopped."""

    message: dict[str, Any]
    finish_reason: str = "stop"
    usage: dict[str, Any] | None = None


USAGE = {
    "prompt_tokens": 150,
    "completion_tokens": 20,
    "total_tokens": 170,
    "prompt_tokens_details": {"cached_tokens": 50},
    "completion_tokens_details": {"reasoning_tokens": 5},
}


@dataclass
class ChatApi:
    """Started on entering, stopped on leaving. `requests` is the journal, `keys` what came as authorization."""

    takes: frozenset[str] | set[str] = EVERYTHING
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    models: list[str] = field(default_factory=lambda: ["text-embedding-x", "whisper-x", "model-one", "model-two"])
    listings: int = 0
    #: texts of each call for embeddings
    embedded: list[list[str]] = field(default_factory=list)
    length: int = 3

    def __post_init__(self) -> None:
        self._script: Script = lambda _: {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": self}))
        self._server.daemon_threads = True
        self._lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

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

    def _refusal(self, body: dict[str, Any]) -> str | None:
        """What this service says of a request that it does not know how to take."""
        form = (body.get("response_format") or {}).get("type")
        if form and form not in self.takes:
            return f"Invalid parameter: 'response_format' of type '{form}' is not supported with this model."
        if body.get("tools") and "tools" not in self.takes:
            return f"registry/{body['model']} does not support tools"
        if form and body.get("tools") and "form_with_tools" not in self.takes:
            return "json mode cannot be combined with tool/function calling"
        for name in ("max_tokens", "max_completion_tokens", "stream_options"):
            if name in body and name not in self.takes:
                return f"Unsupported parameter: '{name}' is not supported with this model."
        return None

    def _completion(self, body: dict[str, Any], number: int) -> dict[str, Any]:
        said = self._script(body)
        if not isinstance(said, Said):
            said = Said({"content": said if isinstance(said, str) else json.dumps(said)})
        return {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": None, "refusal": None, **said.message},
                    "finish_reason": said.finish_reason,
                }
            ],
            "usage": said.usage or USAGE,
        }

    def _vectors(self, texts: list[str]) -> dict[str, Any]:
        """In the other order, as nobody promises the same; each begins with its text's length."""
        data = [
            {"object": "embedding", "index": index, "embedding": [float(len(text))] + [0.5] * (self.length - 1)}
            for index, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": 10 * len(texts), "total_tokens": 10 * len(texts)}
        return {"object": "list", "data": data[::-1], "model": "vectors", "usage": usage}


class _Handler(BaseHTTPRequestHandler):
    api: ChatApi

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.api.listings += 1
        models = [{"id": name, "object": "model", "created": 1, "owned_by": "x"} for name in self.api.models]
        self._send(200, json.dumps({"object": "list", "data": models}).encode())

    def do_POST(self) -> None:
        api = self.api
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with api._lock:
            api.keys.append(self.headers.get("authorization"))
            fault = api.faults.pop(0) if api.faults else None
            if not self.path.endswith("/embeddings"):
                api.requests.append(body)
            number = len(api.requests)
        if fault is not None and not fault.in_stream:
            self._fail(fault)
        elif self.path.endswith("/embeddings"):
            api.embedded.append(body["input"])
            self._send(200, json.dumps(api._vectors(body["input"])).encode(), {"x-request-id": "req_e"})
        elif (refusal := api._refusal(body)) is not None:
            self._fail(Fault(400, message=refusal))
        else:
            self._answer(body, number, fault or Fault())

    def _answer(self, body: dict[str, Any], number: int, fault: Fault) -> None:
        completion = self.api._completion(body, number)
        headers = {"x-request-id": f"req_{number}"}
        if not body.get("stream"):
            self._send(200, json.dumps(completion).encode(), headers)
            return
        counted = bool((body.get("stream_options") or {}).get("include_usage"))
        chunks: list[Any] = event_stream.chat_chunks(completion)
        chunks = chunks if counted else chunks[:-1]
        told = [*chunks[: fault.cut_after], {"error": fault.told}] if fault.told else chunks[: fault.cut_after]
        whole = fault.cut_after is None

        def timed() -> Iterator[bytes]:
            for chunk in [*told, "[DONE]"] if whole else told:
                time.sleep(fault.slow)
                yield event_stream.unnamed(chunk)

        event_stream.send(self, timed(), headers, whole=whole or bool(fault.told))

    def _fail(self, fault: Fault) -> None:
        time.sleep(fault.wait)
        if not fault.status:
            self.close_connection = True
            self.connection.close()
            return
        error = {"message": fault.message, "type": "api_error", "param": None, "code": fault.code}
        extra = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
        self._send(fault.status, json.dumps({"error": error}).encode() if fault.body is None else fault.body, extra)

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            for name, value in {"content-type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # nobody waits for it any more: what some tests are about

    def log_message(self, *args: object) -> None:
        pass

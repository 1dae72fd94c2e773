"""The short way of a question to the Messages API: what the SDK says with the first one is said with all that follow.

Middleware of the SDK's client, which `client` gives it. Our questions are one JSON text each, to one address, so request line and
headers are the same every time but for a length and the time-out. They are the SDK's own, kept from its first request; making them
took it longer than all else that a call costs. Streams, lists and batches go the SDK's way, and so does a question as long as none
has been answered. Errors are the SDK's, too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, cast

import anthropic
import httpx2
from anthropic import APIRequest

from integrations.models.wire import Answer, Host, Patience, Wire
from integrations.models.wire_format import head

MESSAGES: Final = "/v1/messages"
#: what a question is to be answered with: `read` gives the body, `headers` what was said with it
WHOLE: Final = anthropic.APIResponse[object]

#: what of the first request is its own
_ITS_OWN: Final = ("content-length", "cookie")
_WAITS: Final = ("x-stainless-timeout", "x-stainless-read-timeout")


@dataclass(frozen=True, slots=True)
class _Known:
    """A request as the SDK made it, up to what differs. `request` is told with errors."""

    host: Host
    head: bytes
    #: whether the time-out is told
    waits: tuple[str, ...]
    request: httpx2.Request


class Shortcut(anthropic.Middleware):
    """Of one client, as it holds its key. A question's answer is an `Answer` or the SDK's response, which read alike."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._known: _Known | None = None

    def handle(self, request: APIRequest, call_next: anthropic.CallNext) -> anthropic.APIResponse[Any]:
        seconds, content = request.timeout, request.options.content
        if (
            request.url != MESSAGES
            or request.stream
            or not isinstance(content, bytes)
            or not isinstance(seconds, float | int)
        ):
            return call_next(request)
        known = self._known
        if known is None:
            response = call_next(request)
            if response.http_response.is_success:
                self._known = self._kept(response.http_request)
            return response
        lines = "".join([f"{name}: {seconds}\r\n" for name in known.waits])
        own = b"%bcontent-length: %d\r\n\r\n" % (lines.encode(), len(content))
        try:
            answer = known.host.ask(b"%b%b%b" % (known.head, own, content), Patience(seconds, seconds, seconds))
            if 200 <= answer.status < 300 and "content-encoding" not in answer.headers:
                return cast("anthropic.APIResponse[Any]", answer)
            return cast("anthropic.APIResponse[Any]", _response(answer, known.request))
        except httpx2.TimeoutException as error:
            raise anthropic.APITimeoutError(request=known.request) from error
        except httpx2.RequestError as error:
            raise anthropic.APIConnectionError(request=known.request) from error

    def _kept(self, request: httpx2.Request) -> _Known:
        bare = httpx2.Request(request.method, request.url, headers=request.headers)
        for name in (*_ITS_OWN, *_WAITS):
            bare.headers.pop(name, None)
        # Packing a few KB takes both sides longer than it saves.
        bare.headers["accept-encoding"] = "identity"
        # Without the empty line at the end: more headers follow.
        return _Known(
            self._wire.host(request.url),
            head(bare)[:-2],
            tuple(name for name in _WAITS if name in request.headers),
            bare,
        )


def _response(answer: Answer, request: httpx2.Request) -> httpx2.Response:
    """The same as the SDK would have it. Raise its error where it is one."""
    response = httpx2.Response(answer.status, headers=answer.headers, content=answer.content, request=request)
    if response.is_success:
        return response
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        body = response.text
    raise anthropic.APIStatusError(f"Error code: {answer.status}", response=response, body=body)

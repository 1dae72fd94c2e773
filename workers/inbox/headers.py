"""The headers that every answer carries: what browsers may do with it, and whether anybody may keep it.

Pages and the API show customers' data, which nobody keeps. A static file is kept for good under the address that names its
content; an answer that is not that very content is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workers.inbox.rendering import STATIC, static_url

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
NOT_KEPT = "no-store"
ASKED_AGAIN = "no-cache"
KEPT_FOR_GOOD = "public, max-age=31536000, immutable"

_STATIC = "/static/"


def security_headers(*, https: bool) -> dict[str, str]:
    return {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        # Not no-referrer: with it browsers send “Origin: null” along with forms, which we compare.
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        **({"Strict-Transport-Security": "max-age=31536000"} if https else {}),
    }


class SecurityHeaders:
    """Headers on every answer that does not set them itself. Plain ASGI, so that streams pass through untouched."""

    def __init__(self, app: ASGIApp, *, headers: Mapping[str, str]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                kept = how_long(scope["path"], scope["query_string"], message["status"])
                for name, value in {**self._headers, "Cache-Control": kept}.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


def how_long(path: str, query: bytes, status: int) -> str:
    """For how long an answer may be kept.

    While processes of two versions serve side by side, a page of one asks the other for its files: what that one has under
    the same name, or has not, must not stay in a browser under the address of what it should have been.
    """
    if not path.startswith(_STATIC):
        return NOT_KEPT
    name = path.removeprefix(_STATIC)
    if status not in (200, 206, 304) or "/" in name or not (STATIC / name).is_file():
        return ASKED_AGAIN
    # The style sheet names the fonts without a version; theirs does not change.
    asked = parse_qs(query.decode("latin-1")).get("v", [""])[-1]
    return KEPT_FOR_GOOD if name.endswith(".woff2") or static_url(name) == f"{path}?v={asked}" else ASKED_AGAIN

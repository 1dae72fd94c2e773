"""The web application: intake's doors, the JSON API, the pages, static files, health, and whatever routes are given besides.

Made once per process by ``caseworker web`` and ``caseworker up``, and run by `server`, which ends open streams before it
waits for connections to close. Adds security headers to everything and turns errors into pages or JSON.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

import uvicorn
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from integrations.base import WebhookSource
from workers import exposition
from workers.inbox import (
    api,
    autonomy_page,
    away_api,
    away_page,
    backtests,
    cost,
    explanation,
    governing_api,
    governing_page,
    learning,
    memory,
    notices_page,
    pages,
    policy_api,
    posting,
    readiness,
    reference,
    rules_page,
    shadow_page,
    switches_api,
    switches_page,
)
from workers.inbox.headers import NOT_KEPT, SecurityHeaders, security_headers
from workers.inbox.identity import Identity, Refused, SignInNeeded, is_https, signed_in, who_decides
from workers.inbox.live import Live
from workers.inbox.rendering import STATIC, Pages
from workers.inbox.schemas import ANYWHERE
from workers.inbox.signin import Door
from workers.inbox.straight import Straight
from workers.inbox.words import AlreadyDecided, DecisionError, NotAllowed, NotFound
from workers.intake.batching import RequestBatcher
from workers.intake.door_threads import DoorThreads
from workers.intake.shortcut import protocol
from workers.intake.web import Doors
from workers.log import logger
from workers.store.database import Database, StoreUnavailable
from workers.store.schema import Standing, standing
from workers.store.server import is_read_only
from workers.telemetry.requests import Measured
from workers.wiring import System

RETRY_AFTER_SECONDS = 5

_SAID = {
    400: "This request cannot be read",
    401: "Sign in first",
    403: "This is not for you to do",
    404: "There is nothing here",
    405: "This cannot be done here",
    413: "This is too large",
    422: "Something in this request does not fit",
    500: "Something broke on our side",
    503: "The database is not available",
}


def make_app(
    system: System,
    *,
    webhooks: Mapping[str, WebhookSource | None],
    extra_routes: Sequence[BaseRoute] = (),
) -> FastAPI:
    """The application. `extra_routes` are mounted as they are: the sample company's pages."""
    live = Live(system.db)
    batcher = RequestBatcher(system)
    threads = DoorThreads(system.settings.door_wait_seconds)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(readiness.warm_up, system)
        yield
        live.stop()
        await run_in_threadpool(batcher.close)
        threads.close()
        await run_in_threadpool(straight.close)

    app = FastAPI(
        title="Caseworker",
        summary="Cases, drafted actions, and the decisions of people.",
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        openapi_tags=[
            {"name": "Actions"},
            {"name": "Cases"},
            {"name": "Notices"},
            {"name": "Policy"},
            {"name": "Switches"},
            {"name": "Live"},
        ],
    )
    app.state.system = system
    app.state.live = live
    app.state.door = Door(system)
    app.state.pages = Pages(system, sample_url=_sample_url(extra_routes))
    for router in (
        api.router,
        rules_page.router,
        backtests.router,
        shadow_page.router,
        policy_api.router,
        explanation.router,
        pages.router,
        posting.router,
        memory.router,
        cost.router,
        learning.router,
        away_page.router,
        away_api.router,
        notices_page.router,
        autonomy_page.router,
        governing_api.router,
        governing_page.router,
        switches_page.router,
        switches_api.router,
        reference.router,
    ):
        app.include_router(router, responses=ANYWHERE)
    app.router.routes.extend(
        [
            Route("/healthz", _healthz),
            Route("/readyz", _readyz),
            exposition.route(system),
            Mount("/static", StaticFiles(directory=STATIC), name="static"),
            *extra_routes,
        ]
    )
    _handle_errors(app)
    headers = security_headers(https=is_https(system))
    app.add_middleware(NoNul)
    app.add_middleware(WordedRefusals)
    app.add_middleware(SecurityHeaders, headers=headers)
    app.state.headers = headers = {**headers, "Cache-Control": NOT_KEPT}
    app.state.doors = partial(
        Doors, system=system, webhooks=webhooks, batcher=batcher, threads=threads, headers=headers
    )
    app.state.straight = straight = Straight(system, headers=headers)
    # The doors time their own answers: the server puts them in front of all this, see there.
    app.add_middleware(Measured)
    app.add_middleware(app.state.doors)
    return app


class Server(uvicorn.Server):
    """Ends the streams first: otherwise an open inbox page would hold up every restart."""

    def __init__(self, config: uvicorn.Config, live: Live) -> None:
        super().__init__(config)
        self._live = live

    async def shutdown(self, sockets: Any = None) -> None:
        self._live.stop()
        await super().shutdown(sockets)


def server(app: FastAPI, *, host: str, port: int) -> Server:
    """A server for the application, ready to `run` (in the main thread: with signal handlers)."""
    # The doors stand in front of it all: a delivery passes through nothing that is there for pages and people.
    proxies = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")
    doors = app.state.doors(ProxyHeadersMiddleware(cast("Any", app), proxies))
    config = uvicorn.Config(
        doors,
        http=protocol(doors, app.state.straight),
        proxy_headers=False,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=10,
    )
    return Server(config, app.state.live)


class NoNul:
    """Refuses addresses with a NUL: nobody types one, and PostgreSQL cannot even look for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and ("\x00" in scope["path"] or b"%00" in scope["query_string"]):
            refusal = _answer(Request(scope), 400, "This address cannot be read.", ask_who=False)
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)


class WordedRefusals:
    """A body over a route's limit is refused by Starlette in plain text, whoever sent it: here in words of ours, and to programs
    in JSON as described."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = False

        async def unless_refused(message: Message) -> None:
            nonlocal refused
            refused = refused or message.get("status") == 413
            if not refused:
                await send(message)

        await self._app(scope, receive, unless_refused)
        if refused:
            await _answer(Request(scope), 413, f"{_SAID[413]}.", ask_who=False)(scope, receive, send)


# ── health ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _healthz(_request: Request) -> Response:
    """The process answers. Asks nobody, so that a slow database restarts nothing."""
    return JSONResponse({"status": "ok"})


#: a server that hangs answers nothing at all, and whoever asks whether this process is ready wants to know it soon
READY_SECONDS = 4.0
_NOT_READY = {
    Standing.BEHIND: "run “caseworker migrate”",
    Standing.TOO_NEW: "the database belongs to a newer version: start that one",
}
READ_ONLY = "the database takes no writes"


async def _readyz(request: Request) -> Response:
    """The process can serve: the database is there, migrated, and takes writes. Raises `StoreUnavailable`, answered with 503."""
    system: System = request.app.state.system
    asked = asyncio.ensure_future(run_in_threadpool(_lacking, system.db))
    if not (await asyncio.wait({asked}, timeout=READY_SECONDS))[0]:
        # Whatever comes of it in the end, nobody waits for it any more.
        asked.add_done_callback(lambda late: late.cancelled() or late.exception())
        raise StoreUnavailable(f"no answer within {READY_SECONDS:g} s")
    lacking = asked.result()
    if lacking is not None:
        return JSONResponse({"status": "not ready", "detail": lacking}, status_code=503)
    return JSONResponse({"status": "ready"})


def _lacking(db: Database) -> str | None:
    """Why nothing can be taken in; None where it can. Raises `StoreUnavailable`."""
    return _NOT_READY.get(standing(db)) or (READ_ONLY if is_read_only(db) else None)


# ── errors ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _handle_errors(app: FastAPI) -> None:
    app.add_exception_handler(SignInNeeded, _sign_in_needed)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _unfit)
    app.add_exception_handler(DecisionError, _not_decided)
    app.add_exception_handler(StoreUnavailable, _store_unavailable)
    app.add_exception_handler(Exception, _broken)


def _sign_in_needed(request: Request, _error: Exception) -> Response:
    if not request.headers.get("hx-request"):
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        going = here if request.method in ("GET", "HEAD") else "/"
        return RedirectResponse(_sign_in(going), 303)
    going = _from_here(request.headers.get("hx-current-url", ""))
    if request.url.path.startswith("/actions/"):
        # The card is open, and somebody may be writing on it: that would be gone with the page.
        shown: Pages = request.app.state.pages
        return shown.page(request, "_signed_out.html", {"sign_in": _sign_in(going)}, status=401)
    # A redirect would put the sign-in page into the middle of the page that asked.
    return Response(status_code=401, headers={"HX-Redirect": _sign_in(going)})


def _sign_in(going: str) -> str:
    return f"/sign-in?{urlencode({'next': going})}" if going != "/" else "/sign-in"


def _from_here(url: str) -> str:
    """What of a page's address follows after our name: where to go on after signing in."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "/"
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    return _answer(request, error.status, error.message, headers)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _answer(request, error.status_code, _SAID.get(error.status_code, str(error.detail)) + ".", error.headers)


def _unfit(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    try:
        who_decides(request)
    except Refused as refused:
        return _refused(request, refused)
    except StoreUnavailable as away:
        return _store_unavailable(request, away)
    if request.url.path.startswith("/api/"):
        # Without the input: it may hold what cannot be written as UTF-8, and what nobody should read in a log.
        detail = [{"loc": list(e["loc"]), "msg": e["msg"], "type": e["type"]} for e in error.errors()]
        return JSONResponse({"detail": detail}, status_code=422)
    return _answer(request, 422, "The address or the form holds something that does not belong there.")


def _not_decided(request: Request, error: Exception) -> Response:
    """A decision through the API that was not taken; the pages answer these themselves."""
    if isinstance(error, AlreadyDecided):
        last = error.decision
        body = {
            "detail": str(error),
            "state": error.state,
            "decided_by": error.decided_by or (last.actor if last is not None else None),
            "decision": last.decision if last is not None else None,
            "decided_at": last.decided_at.isoformat() if last is not None else None,
        }
        return JSONResponse(body, status_code=409)
    status = 404 if isinstance(error, NotFound) else 403 if isinstance(error, NotAllowed) else 422
    return _answer(request, status, str(error))


def _store_unavailable(request: Request, error: Exception) -> Response:
    logger.error("store_unavailable", path=request.url.path, error=str(error))
    message = "The database is not available just now. Nothing was changed; try again in a moment."
    return _answer(request, 503, message, {"Retry-After": str(RETRY_AFTER_SECONDS)}, ask_who=False)


def _broken(request: Request, error: Exception) -> Response:
    logger.error("request_failed", path=request.url.path, exc_info=error)
    # Answered outside of all that is put around the application, so also of what puts the headers there.
    headers: Mapping[str, str] = request.app.state.headers
    return _answer(request, 500, "Something broke on our side. It was written down.", headers, ask_who=False)


def _answer(
    request: Request, status: int, message: str, headers: Mapping[str, str] | None = None, *, ask_who: bool = True
) -> Response:
    """JSON for programs, a page for people."""
    if request.url.path.startswith(("/api/", "/hooks/", "/events", "/healthz", "/readyz", "/metrics", "/openapi.json")):
        return JSONResponse({"detail": message}, status_code=status, headers=dict(headers or {}))
    shown: Pages = request.app.state.pages
    identity = _who(request) if ask_who else None
    context = {"status": status, "heading": _SAID.get(status, "This did not work"), "message": message}
    return shown.page(request, "error.html", context, identity=identity, status=status, headers=headers)


def _who(request: Request) -> Identity | None:
    try:
        return signed_in(request)
    except StoreUnavailable:
        return None


def _sample_url(routes: Sequence[BaseRoute]) -> str | None:
    paths = [str(getattr(route, "path", "")) for route in routes]
    return "/sample" if any(path == "/sample" or path.startswith("/sample/") for path in paths) else None

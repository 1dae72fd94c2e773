"""The HTTP doors: ``POST /hooks/{source}`` and ``POST /events``. Plain Starlette, thin, and never a 5xx for bad input.

Order of work: look the source up in memory, read the body up to a cap, prove the origin, parse, insert, answer. Nothing
is parsed before it is verified, and nothing is acknowledged before it is committed. What is our own fault is answered
with 503 and Retry-After, so that no sender gives up on us; what is refused is quarantined and can be replayed.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from integrations import cloudevents
from integrations.base import Delivery, WebhookSource
from integrations.errors import Malformed, NotAuthentic, UnknownEvent
from workers.access import Scope, bearer
from workers.intake import isolation
from workers.intake.receive import Provenance, Received, receive
from workers.log import logger
from workers.store.database import StoreUnavailable
from workers.wiring import System

RETRY_AFTER_SECONDS = 10
NOT_AUTHENTIC = {"error": "not authentic"}


class TooLarge(Exception):
    """The body is over the cap."""


def routes(system: System, webhooks: Mapping[str, WebhookSource | None]) -> list[Route]:
    """The intake's routes. `webhooks` maps each known source to its verifier, or None where no secret is set."""

    async def hook(request: Request) -> Response:
        name = request.path_params["source"]
        if name not in webhooks:
            return _say(HTTPStatus.NOT_FOUND, f"unknown source; known are: {', '.join(sorted(webhooks))}")
        delivery = await _read(request, name, system)
        if isinstance(delivery, Response):
            return delivery
        source = webhooks[name]
        if source is None:
            logger.error("source_not_configured", source=name, remedy=f"set {name.upper()}_WEBHOOK_SECRET")
            return our_fault("this source has no active secret")
        with system.courtesy.first():
            return await run_in_threadpool(accept, system, source, delivery)

    async def events(request: Request) -> Response:
        delivery = await _read(request, "cloudevents", system)
        if isinstance(delivery, Response):
            return delivery
        with system.courtesy.first():
            return await run_in_threadpool(accept_cloudevents, system, delivery)

    return [
        Route("/hooks/{source}", hook, methods=["POST"]),
        Route("/events", events, methods=["POST"]),
    ]


def accept(system: System, source: WebhookSource, delivery: Delivery) -> Response:
    """Steps 6 to 10 for one delivery: verify, parse, insert, answer."""
    try:
        secret_id = source.verify(delivery)
    except NotAuthentic as error:
        return _refuse(system, delivery, error.reason, HTTPStatus.UNAUTHORIZED, NOT_AUTHENTIC)
    try:
        inbound = source.parse(delivery)
    except UnknownEvent as error:
        return JSONResponse({"ignored": str(error)})
    except Malformed as error:
        logger.error("authentic_but_malformed", source=source.name, reason=str(error))
        return _refuse(system, delivery, "malformed", HTTPStatus.BAD_REQUEST, {"error": str(error)})
    provenance = Provenance(
        door="webhook",
        raw=delivery.body,
        headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in delivery.headers],
        secret_id=secret_id,
        body_is_key=source.signs_body_only,
    )
    try:
        return _accepted(receive(system, inbound, provenance), HTTPStatus.OK)
    except StoreUnavailable as error:
        logger.error("event_not_stored", source=source.name, reason=str(error))
        return our_fault("the database is not available")


def accept_cloudevents(system: System, delivery: Delivery) -> Response:
    """CloudEvents over HTTP define no signature, so the sender proves itself with a token of scope ``events``."""
    try:
        token = bearer(system, delivery.headers, Scope.EVENTS)
        if token is None:
            return JSONResponse(
                {"error": "a bearer token with the scope “events” is needed"},
                status_code=HTTPStatus.UNAUTHORIZED,
                headers={"WWW-Authenticate": "Bearer"},
            )
        inbound = cloudevents.read(delivery.headers, delivery.body, delivery.received_at)
        provenance = Provenance(door="events", raw=delivery.body, secret_id=token.id)
        return _accepted(receive(system, inbound, provenance), HTTPStatus.ACCEPTED)
    except UnknownEvent as error:
        return JSONResponse({"ignored": str(error)})
    except Malformed as error:
        return _say(HTTPStatus.BAD_REQUEST, str(error))
    except StoreUnavailable as error:
        logger.error("event_not_stored", source="cloudevents", reason=str(error))
        return our_fault("the database is not available")


def our_fault(what: str) -> Response:
    """503 with Retry-After: the sender keeps the event and comes back."""
    return JSONResponse(
        {"error": what},
        status_code=HTTPStatus.SERVICE_UNAVAILABLE,
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


async def _read(request: Request, source: str, system: System) -> Delivery | Response:
    headers = tuple((name.lower(), value) for name, value in request.headers.raw)
    encodings = [value.strip().lower() for name, value in headers if name == b"content-encoding"]
    if any(encoding not in (b"", b"identity") for encoding in encodings):
        return _say(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body without a content encoding")
    try:
        body = await _body(request, system.settings.max_body_bytes)
    except TooLarge:
        return _say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"over {system.settings.max_body_bytes} bytes")
    except ClientDisconnect:
        return _say(HTTPStatus.BAD_REQUEST, "the body ended early")
    return Delivery(source, headers, body, system.clock())


async def _body(request: Request, cap: int) -> bytes:
    """The raw body, never cut: a cut body would look like a bad signature."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > cap:
            raise TooLarge
        chunks.append(chunk)
    return b"".join(chunks)


def _accepted(received: Received, status: HTTPStatus) -> Response:
    return JSONResponse(
        {"accepted": received.accepted, "duplicates": received.duplicates, "cases": received.cases},
        status_code=status if received.accepted else HTTPStatus.OK,
    )


def _refuse(system: System, delivery: Delivery, reason: str, status: HTTPStatus, body: Mapping[str, str]) -> Response:
    """Keep what was refused, then refuse. The answer says nothing of the reason: that is for log and operators."""
    logger.warning("delivery_refused", source=delivery.source, reason=reason, bytes=len(delivery.body))
    try:
        isolation.keep(system, delivery, reason)
    except StoreUnavailable:
        return our_fault("the database is not available")
    return JSONResponse(body, status_code=status)


def _say(status: HTTPStatus, what: str) -> Response:
    return JSONResponse({"error": what}, status_code=status)

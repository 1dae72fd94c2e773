"""The HTTP doors: ``POST /hooks/{source}`` and ``POST /events``. Thin, and never a 5xx for bad input.

Order of work: look the source up in memory, read the body up to a cap, prove the origin, parse, store, answer. Nothing
is parsed before it is verified, and nothing is acknowledged before it is committed. What is our own fault is answered
with 503 and Retry-After, so that no sender gives up on us; what is refused is quarantined and can be replayed.

`Doors` is plain ASGI in front of the application: a delivery passes through nothing that is there for pages. It proves
and parses on the event loop, which takes a twentieth of a millisecond, and waits for `RequestBatcher` to have it committed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic_core import to_json
from starlette.types import ASGIApp, Receive, Scope, Send

from integrations import cloudevents
from integrations.base import Delivery, InboundEvent, WebhookSource
from integrations.errors import IntegrationError, Malformed, NotAuthentic, UnknownEvent
from integrations.webhooks import Reason
from workers import access
from workers.access import bearer
from workers.intake import quarantining
from workers.intake.batching import Busy, RequestBatcher
from workers.intake.door_threads import DoorThreads
from workers.intake.receive import NotStored, Provenance, Received, Request, prepare
from workers.log import logger
from workers.store.database import StoreUnavailable
from workers.telemetry import metrics
from workers.telemetry.requests import door_of
from workers.wiring import System

RETRY_AFTER_SECONDS = 10
HOOKS = "/hooks/"
EVENTS = "/events"
#: a body up to here is proved and parsed at once; a larger one in a thread, so that others do not wait for it
SMALL_BYTES = 64 * 1024

Header = tuple[bytes, bytes]


class Answer(Exception):
    """What is answered. Raised where a delivery goes no further."""

    def __init__(self, status: HTTPStatus, body: Mapping[str, Any], *headers: Header) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers


class Doors:
    """Answers deliveries, and times them; whatever else is asked goes on to `app`. `webhooks` has None where no secret is set."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        system: System,
        webhooks: Mapping[str, WebhookSource | None],
        batcher: RequestBatcher,
        threads: DoorThreads,
        headers: Mapping[str, str],
    ) -> None:
        self._app = app
        self._system = system
        self._webhooks = webhooks
        self.batcher = batcher
        self._threads = threads
        self.request_priority = system.request_priority
        self.largest_body = system.settings.max_body_bytes
        self._headers: list[Header] = [
            (b"content-type", b"application/json"),
            *((name.lower().encode(), value.encode()) for name, value in headers.items()),
        ]
        metrics.may_break("hooks", "events")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not (scope["path"].startswith(HOOKS) or scope["path"] == EVENTS):
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        answer = await self._answer(scope, receive)
        if HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            metrics.received("events" if scope["path"] == EVENTS else "webhook", refused=1)
        metrics.answered(door_of(scope["path"]), int(answer.status), time.perf_counter() - began)
        headers, body = self.rendered(answer)
        await send({"type": "http.response.start", "status": int(answer.status), "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def ready(self, path: bytes, headers: Sequence[Header], body: bytes) -> Request | None:
        """The events of a delivery that is all in order, for the short way; None for whatever needs more words."""
        source = self._webhooks.get(path[len(HOOKS) :].decode("latin-1"))
        if source is None:
            return None
        delivery = Delivery(source.name, tuple(headers), body, self._system.clock())
        try:
            return self._prepared(source, delivery, *_prove_and_parse(source, delivery))
        except IntegrationError:
            return None

    def accepted(self, received: Received, status: HTTPStatus = HTTPStatus.OK) -> Answer:
        body = {"accepted": received.accepted, "duplicates": received.duplicates, "cases": received.cases}
        return Answer(status if received.accepted else HTTPStatus.OK, body)

    def failed(self, path: str, error: BaseException) -> Answer:
        """Our fault, whatever it is: the event is its sender's until we said 2xx."""
        if isinstance(error, StoreUnavailable | Busy):
            logger.error("event_not_stored", path=path, reason=str(error))
            what = "the database is not available" if isinstance(error, StoreUnavailable) else "too much at once"
            return _our_fault(what)
        if isinstance(error, NotStored):
            return _our_fault(str(error))
        logger.error("delivery_failed", path=path, exc_info=error)
        return _our_fault("something broke on our side")

    def rendered(self, answer: Answer) -> tuple[list[Header], bytes]:
        body = to_json(answer.body)
        return [*self._headers, (b"content-length", str(len(body)).encode()), *answer.headers], body

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        try:
            if scope["method"] != "POST":
                return Answer(HTTPStatus.METHOD_NOT_ALLOWED, {"error": "send a POST"}, (b"allow", b"POST"))
            if scope["path"] == EVENTS:
                return await self._cloudevents(scope, receive)
            return await self._hook(scope, receive)
        except Answer as answer:
            return answer
        except Exception as error:  # noqa: BLE001 - a bug of ours is no reason for a sender to give the event up
            return self.failed(scope["path"], error)

    async def _hook(self, scope: Scope, receive: Receive) -> Answer:
        name = scope["path"][len(HOOKS) :]
        if name not in self._webhooks:
            raise _say(HTTPStatus.NOT_FOUND, f"unknown source; known are: {', '.join(sorted(self._webhooks))}")
        delivery = await self._read(scope, receive, name)
        # From here on: nobody gives way to a sender who takes his time.
        with self.request_priority.serving():
            return await self._take_hook(delivery)

    async def _take_hook(self, delivery: Delivery) -> Answer:
        name = delivery.source
        source = self._webhooks[name]
        if source is None:
            logger.error("source_not_configured", source=name, remedy=f"set {name.upper()}_WEBHOOK_SECRET")
            raise _our_fault("this source has no active secret")
        try:
            if len(delivery.body) <= SMALL_BYTES:
                secret_id, inbound = _prove_and_parse(source, delivery)
            else:
                secret_id, inbound = await self._threads.run(_prove_and_parse, source, delivery)
            request = self._prepared(source, delivery, secret_id, inbound)
        except NotAuthentic as error:
            if error.reason == Reason.EXCEPTION:
                # Nobody but us can mend that, and what was wrong is told nowhere else.
                logger.error("verifier_failed", source=name, exc_info=error.__cause__)
            await self._put_aside(delivery, error.reason)
            raise Answer(HTTPStatus.UNAUTHORIZED, {"error": "not authentic"}) from error
        except UnknownEvent as error:
            raise Answer(HTTPStatus.OK, {"ignored": str(error)}) from error
        except Malformed as error:
            logger.error("authentic_but_malformed", source=name, reason=str(error))
            await self._put_aside(delivery, "malformed")
            raise _say(HTTPStatus.BAD_REQUEST, str(error)) from error
        except Busy:
            raise
        except Exception:
            # A bug of the source's own code. The sender is told to come back, which not every one does.
            await self._put_aside(delivery, Reason.EXCEPTION)
            raise
        return self.accepted(await self.batcher.store(request))

    def _prepared(
        self, source: WebhookSource, delivery: Delivery, secret_id: str, inbound: Sequence[InboundEvent]
    ) -> Request:
        provenance = Provenance(
            door="webhook",
            raw=delivery.body,
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in delivery.headers],
            secret_id=secret_id,
            body_is_key=source.signs_body_only,
        )
        return prepare(self._system, inbound, provenance)

    async def _cloudevents(self, scope: Scope, receive: Receive) -> Answer:
        delivery = await self._read(scope, receive, "cloudevents")
        with self.request_priority.serving():
            return await self._take_events(delivery)

    async def _take_events(self, delivery: Delivery) -> Answer:
        """CloudEvents over HTTP define no signature, so the sender proves itself with a token of scope ``events``."""
        token = await self._threads.run(bearer, self._system, delivery.headers, access.Scope.EVENTS)
        if token is None:
            challenge = (b"www-authenticate", b"Bearer")
            error = {"error": "a bearer token with the scope “events” is needed"}
            raise Answer(HTTPStatus.UNAUTHORIZED, error, challenge)
        try:
            inbound = await self._read_events(delivery)
        except UnknownEvent as error:
            raise Answer(HTTPStatus.OK, {"ignored": str(error)}) from error
        except Malformed as error:
            raise _say(HTTPStatus.BAD_REQUEST, str(error)) from error
        provenance = Provenance(door="events", raw=delivery.body, secret_id=token.id)
        received = await self.batcher.store(prepare(self._system, inbound, provenance))
        return self.accepted(received, HTTPStatus.ACCEPTED)

    async def _read_events(self, delivery: Delivery) -> Sequence[InboundEvent]:
        came = (delivery.headers, delivery.body, delivery.received_at)
        if len(delivery.body) <= SMALL_BYTES:
            return cloudevents.read(*came)
        return await self._threads.run(cloudevents.read, *came)

    async def _read(self, scope: Scope, receive: Receive, source: str) -> Delivery:
        headers: tuple[Header, ...] = tuple(scope["headers"])
        for name, value in headers:
            if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
                raise _say(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body without a content encoding")
        body = await _body(receive, self._system.settings.max_body_bytes)
        return Delivery(source, headers, body, self._system.clock())

    async def _put_aside(self, delivery: Delivery, reason: str) -> None:
        """Keep what is refused. The sender hears nothing of the reason: that is for log and operators."""
        logger.warning("delivery_refused", source=delivery.source, reason=reason, bytes=len(delivery.body))
        await self._threads.run(quarantining.keep, self._system, delivery, reason)


def _prove_and_parse(source: WebhookSource, delivery: Delivery) -> tuple[str, Sequence[InboundEvent]]:
    return source.verify(delivery), source.parse(delivery)


async def _body(receive: Receive, cap: int) -> bytes:
    """The raw body, never cut: a cut body would look like a bad signature."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _say(HTTPStatus.BAD_REQUEST, "the body ended early")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > cap:
            raise _say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"over {cap} bytes")
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _our_fault(what: str) -> Answer:
    """503 with Retry-After: the sender keeps the event and comes back."""
    return Answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": what}, (b"retry-after", str(RETRY_AFTER_SECONDS).encode()))


def _say(status: HTTPStatus, what: str) -> Answer:
    return Answer(status, {"error": what})

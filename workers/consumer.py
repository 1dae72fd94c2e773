"""The consumer of plain CloudEvents: a Celery bootstep in workers that serve the queue ``events``.

Producers in any language publish to the exchange ``caseworker.events``; docs/producers.md shows how. The worker's loop
hands each message to a thread, and acknowledges it after the commit. What RabbitMQ gave up delivering is put aside too.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from celery import Celery, bootsteps
from celery.worker.consumer.consumer import Consumer
from celery.worker.consumer.tasks import Tasks
from kombu.entity import Queue
from kombu.messaging import Consumer as Subscription

from workers.courier import Job, Threads, stopping, tell_broker
from workers.letters import EXCHANGE, Letter, PutBack, take
from workers.log import logger
from workers.queue import DEAD_EVENTS, dead_events, plain_events
from workers.wiring import System

#: messages in hand at once: each is one short transaction
AT_ONCE = 16
#: what kombu puts between a list's name and its priority
PRIORITY = "\x06\x16"


def listen(app: Celery, system: Callable[[], System]) -> None:
    """Let the workers of this app take plain CloudEvents too. Asks for the `System` at each message."""

    class PlainEvents(bootsteps.StartStopStep):  # type: ignore[misc] # Celery has no types
        requires = (Tasks,)

        def __init__(self, c: Consumer, **options: Any) -> None:
            super().__init__(c, **options)
            self._channel: Any = None

        def start(self, c: Consumer) -> None:
            driver = c.connection.transport.driver_type
            if driver == "redis":
                bear_with(c.task_consumer.channel.client)
            if "events" not in c.app.amqp.queues.consume_from or driver == "memory" or not isinstance(c.pool, Threads):
                return
            on_rabbitmq = driver == "amqp"
            queues = [plain_events(on_rabbitmq=on_rabbitmq), *([dead_events()] if on_rabbitmq else [])]
            self._channel = c.connection.channel()
            if driver == "redis":
                bear_with(self._channel.client)
            for queue in queues:
                subscription = Subscription(self._channel, [queue], on_message=partial(_hand_over, c, system, queue))
                subscription.qos(prefetch_count=AT_ONCE)
                subscription.consume()

        def stop(self, c: Consumer) -> None:
            channel, self._channel = self._channel, None
            if channel is not None and c.connection is not None:
                try:
                    channel.close()
                except (*c.connection_errors, *c.channel_errors, OSError) as error:
                    logger.info("channel_not_closed", error=type(error).__name__)

        shutdown = stop

    app.steps["consumer"].add(PlainEvents)


def _hand_over(c: Consumer, system: Callable[[], System], queue: Queue, message: Any) -> None:
    letter = read(message, given_up=queue.name == DEAD_EVENTS)

    def work() -> None:
        try:
            take(system(), letter, stopping=stopping)
        except PutBack:
            c.call_soon(tell_broker, message.requeue, c.connection_errors)
        else:
            c.call_soon(tell_broker, message.ack, c.connection_errors)

    c.pool.give(Job(work))


def bear_with(client: Any) -> None:
    """Let a channel's client on Redis survive what is no envelope of kombu's: there, anybody can push anything."""
    parse_response = client.parse_response

    def parse(connection: Any, command: str, **options: Any) -> Any:
        answer = parse_response(connection, command, **options)
        if command == "BRPOP" and answer:
            return answer[0], enveloped(answer[1], queue=answer[0].decode().partition(PRIORITY)[0])
        return answer

    client.parse_response = parse


def enveloped(item: bytes, *, queue: str) -> bytes:
    """A list's item as an envelope that kombu can read. What is none becomes the body of one, and is judged as that."""
    try:
        envelope = json.loads(item)
        properties = envelope["properties"]
        if properties.get("body_encoding") == "base64":
            base64.b64decode(envelope["body"], validate=True)
        if {"exchange", "routing_key"} <= properties["delivery_info"].keys() and properties["delivery_tag"]:
            return item
    except (ValueError, TypeError, LookupError, AttributeError):
        envelope, properties = {"body": base64.b64encode(item).decode()}, {"body_encoding": "base64"}
    # Where it goes should it have to go back: straight into the list that it came from.
    properties = {**properties, "delivery_info": {"exchange": "", "routing_key": queue}}
    properties.setdefault("delivery_tag", secrets.token_hex(16))
    return json.dumps({"headers": {}, **envelope, "properties": properties}).encode()


def read(message: Any, *, given_up: bool = False) -> Letter:
    """A message as a letter, whoever wrote it and however. Nothing in it is believed."""
    body = message.body
    headers = message.headers if isinstance(message.headers, Mapping) else {}
    return Letter(
        EXCHANGE,
        body.encode("utf-8", "surrogateescape") if isinstance(body, str) else bytes(body or b""),
        content_type=str(message.content_type or ""),
        headers=[(str(name), _text(value)) for name, value in headers.items()],
        given_up=_why(headers) if given_up else "",
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _why(headers: Mapping[str, Any]) -> str:
    """RabbitMQ's own account of what happened to a message."""
    deaths = headers.get("x-death")
    first = deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], Mapping) else {}
    reason, queue = first.get("reason", "unknown"), first.get("queue", "unknown")
    return f"RabbitMQ gave it up ({reason}) on its way from the queue {queue}"

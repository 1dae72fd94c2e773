"""The consumer of plain CloudEvents: a Celery bootstep in workers that serve the queue ``events``.

Producers in any language publish to the exchange ``caseworker.events``; docs/producers.md shows how. The worker's loop
hands each message to a thread, and acknowledges it after the commit. What RabbitMQ gave up delivering is put aside too, and
so is what Celery cannot read of its own queue ``events``.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from celery import Celery, bootsteps
from celery.app.task import Task
from celery.exceptions import InvalidTaskError
from celery.utils.saferepr import saferepr
from celery.utils.time import maybe_iso8601, maybe_make_aware
from celery.worker.consumer.consumer import Consumer
from celery.worker.consumer.tasks import Tasks
from celery.worker.strategy import default
from kombu.messaging import Consumer as Subscription
from kombu.utils.json import dumps, loads

from workers.event_messages import EXCHANGE, TASK, EventMessage, PutBack, take
from workers.full_redis import keep_reading
from workers.hint_delivery import Job, Threads, stopping, tell_broker
from workers.log import logger
from workers.queue import ANY_KEY, DEAD_EVENTS, EVENTS_EXCHANGE, PLAIN_EVENTS, RECEIVE, dead_events, plain_events
from workers.wiring import System

#: messages in hand at once: each is one short transaction
AT_ONCE = 16
#: how long at most what is published goes nowhere, once Redis was emptied
REMIND_SECONDS = 1.0
#: what kombu puts between a list's name and its priority
PRIORITY = "\x06\x16"
#: how reading what anybody may have written can end, in kombu's hands or ours; no such message may end the worker's loop
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
#: so much is kept of arguments that JSON cannot hold
MOST_OF_ARGUMENTS = 10_000


def listen(app: Celery, system: Callable[[], System]) -> None:
    """Let the workers of this app take plain CloudEvents too. Asks for the `System` at each message."""

    class PlainEvents(bootsteps.StartStopStep):  # type: ignore[misc] # Celery has no types
        requires = (Tasks,)

        def __init__(self, c: Consumer, **options: Any) -> None:
            super().__init__(c, **options)
            self._channel: Any = None
            self._remind_no_more: Callable[[], object] = lambda: None

        def start(self, c: Consumer) -> None:
            driver = c.connection.transport.driver_type
            if driver == "redis":
                bear_with(c.task_consumer.channel.client)
            if "events" not in c.app.amqp.queues.consume_from or not isinstance(c.pool, Threads):
                return
            c.put_aside = lambda message, wrong: _give(c, system, message, _read(message, door=TASK, wrong=wrong))
            if driver != "memory":
                c.heard_beside = (PLAIN_EVENTS, DEAD_EVENTS) if driver == "amqp" else ()
                self._channel = c.connection.channel()
                _subscribe(self._channel, driver, partial(_hand_over, c, system))
            if driver == "redis":
                reminder = c.timer.call_repeatedly(REMIND_SECONDS, _bind_again, (self._channel,))
                self._remind_no_more = reminder.cancel

        def stop(self, c: Consumer) -> None:
            self._remind_no_more()
            channel, self._channel = self._channel, None
            if channel is not None and c.connection is not None:
                try:
                    channel.close()
                except (*c.connection_errors, *c.channel_errors, OSError) as error:
                    logger.info("channel_not_closed", error=type(error).__name__)

        shutdown = stop

    app.steps["consumer"].add(PlainEvents)


def _subscribe(channel: Any, driver: str, hand_over: Callable[..., None]) -> None:
    if driver == "redis":
        bear_with(channel.client)
        keep_reading(channel)
    on_rabbitmq = driver == "amqp"
    for queue in (plain_events(on_rabbitmq=on_rabbitmq), *([dead_events()] if on_rabbitmq else [])):
        take_it = partial(hand_over, queue.name == DEAD_EVENTS)
        subscription = Subscription(channel, [queue], on_message=take_it, on_decode_error=take_it)
        subscription.qos(prefetch_count=AT_ONCE)
        subscription.consume()


def _bind_again(channel: Any) -> None:
    """Into which list the exchange leads is kept in Redis, among what may be emptied at any time; without it whatever a client of
    kombu's publishes is gone, and nobody is told. The channel itself says it once."""
    bound = channel.typeof(EVENTS_EXCHANGE).prepare_bind(PLAIN_EVENTS, EVENTS_EXCHANGE, ANY_KEY, None)
    channel._queue_bind(EVENTS_EXCHANGE, *bound)  # noqa: SLF001 - the public way believes what it said before


def with_arguments(task: Task, app: Celery, consumer: Consumer) -> Callable[..., Any]:
    """Celery's strategy for the task of events, for messages that it can call a task with. Others it would take, fail at,
    and acknowledge or forget."""
    take_over = default(task, app, consumer)

    def checked(message: Any, *others: Any) -> Any:
        payload = message.payload
        # Protocol 1 is an object and protocol 2 a list of three.
        of_first = isinstance(payload, Mapping)
        args, kwargs, rest = (payload.get("args", ()), payload.get("kwargs", {}), {}) if of_first else payload
        if not isinstance(args, list | tuple) or not isinstance(kwargs, Mapping) or not isinstance(rest or {}, Mapping):
            raise InvalidTaskError("its body is no list of arguments, object of named ones and object of the rest")
        # Celery drops what has expired, which here would be an event that nobody hears of.
        until = (payload if of_first else message.headers).pop("expires", None)
        if until is not None and _is_over(until, app):
            raise InvalidTaskError(f"its producer let it expire at {until}, before it was taken")
        return take_over(message, *others)

    return checked


def _is_over(until: Any, app: Celery) -> bool:
    """Raise what Celery raises where it is no time."""
    end = maybe_make_aware(maybe_iso8601(until), app.timezone)
    return bool(datetime.now(end.tzinfo) > end)


def event_message_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> EventMessage:
    """What a task was called with: one event and nothing else, or all of it with what is wrong.

    Celery makes Python's own times, numbers and ids of what a producer sent as such; here they are text again.
    """
    values = [*args, *(value for name, value in kwargs.items() if name == "event")]
    fits = len(values) == len(args) + len(kwargs) == 1 and isinstance(values[0], Mapping)
    what: Any = values[0] if fits else {"args": args, "kwargs": kwargs}
    wrong = "" if fits else f"{len(args)} arguments and the named ones {sorted(kwargs)}; send args=[event], an object"
    try:
        body = json.dumps(what, ensure_ascii=False, default=_plain).encode("utf-8", "surrogatepass")
    except UNREADABLE as error:
        body = saferepr(what, maxlen=MOST_OF_ARGUMENTS).encode("utf-8", "backslashreplace")
        wrong = wrong or f"no JSON can be made of the arguments: {error}"
    return EventMessage(TASK, body, wrong=wrong)


def _plain(value: object) -> str:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8")
    raise TypeError(f"{type(value).__name__} is no type of JSON's")


def _hand_over(
    c: Consumer, system: Callable[[], System], given_up: bool, message: Any, error: Exception | None = None
) -> None:
    """With `error` kombu could not undo what the message says was done to it, such as a compression."""
    wrong = f"it cannot be decoded: {error}" if error else ""
    _give(c, system, message, _read(message, door=EXCHANGE, given_up=given_up, wrong=wrong))


def _give(c: Consumer, system: Callable[[], System], message: Any, held: EventMessage) -> None:
    def work() -> None:
        try:
            take(system(), held, stopping=stopping)
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
        # As kombu will read it: it makes objects of what names a type, or fails at it.
        return _addressed(loads(item.decode("utf-8")), queue)
    except UNREADABLE:
        body = base64.b64encode(item).decode()
        return _addressed({"body": body, "properties": {"body_encoding": "base64"}}, queue)


def _addressed(envelope: Any, queue: str) -> bytes:
    """With all that kombu asks of an envelope. Raise whatever comes where it is none."""
    properties, headers, body = envelope["properties"], envelope.get("headers") or {}, envelope["body"]
    encoding = properties.get("body_encoding")
    if not isinstance(body, str) or not isinstance(headers, dict) or encoding not in {None, "base64"}:
        raise TypeError("no envelope of kombu's")
    if encoding is not None:
        base64.b64decode(body, validate=True)
    properties = {
        **properties,
        # Where it goes should it have to go back: straight into the list that it came from.
        "delivery_info": {"exchange": "", "routing_key": queue},
        # By this it is kept until it is acknowledged: of two that said the same, only one would be.
        "delivery_tag": secrets.token_hex(16),
    }
    return str(dumps({**envelope, "headers": headers, "properties": properties})).encode()


def _read(message: Any, *, door: str, given_up: bool = False, wrong: str = "") -> EventMessage:
    """A message as what it holds, whoever wrote it and however. Nothing in it is believed."""
    headers = message.headers if isinstance(message.headers, Mapping) else {}
    if given_up and headers.get("task") == RECEIVE:
        door = TASK
    try:
        body = _bytes(message.body)
        return EventMessage(
            door,
            (_event_in(body) or body) if door == TASK else body,
            content_type=str(message.content_type or ""),
            headers=[(_whole(str(name)), _whole(_text(value))) for name, value in headers.items()],
            given_up=_why(headers) if given_up else "",
            wrong=wrong,
        )
    except UNREADABLE as error:
        body = saferepr(message.body, maxlen=MOST_OF_ARGUMENTS).encode("utf-8", "backslashreplace")
        return EventMessage(door, body, wrong=wrong or f"it cannot be read: {error}")


def _bytes(body: object) -> bytes:
    if isinstance(body, str):
        return body.encode("utf-8", "surrogatepass")
    return body if isinstance(body, bytes) else bytes(memoryview(body or b""))  # type: ignore[arg-type] # or it raises


def _event_in(body: bytes) -> bytes | None:
    """The event in a task message that was not called, so that it can be replayed; None where there is not just one."""
    try:
        args, kwargs, _ = loads(body)
        letter = event_message_of(args, kwargs)
    except UNREADABLE:
        # It is kept as it came then.
        return None
    return None if letter.wrong else letter.body


def _whole(text: str) -> str:
    """Half characters, which JSON can name and a database cannot keep, as text."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _why(headers: Mapping[str, Any]) -> str:
    """RabbitMQ's own account of what happened to a message."""
    deaths = headers.get("x-death")
    first = deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], Mapping) else {}
    reason, queue = first.get("reason", "unknown"), first.get("queue", "unknown")
    return f"RabbitMQ gave it up ({reason}) on its way from the queue {queue}"

"""A line to the broker by which hints go out: in lots, or one at once where that waits for nobody.

`queue.Hints` decides when. Nothing here is kept: what a lost line takes with it is found by the sweeper.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from celery import Celery
from kombu.common import maybe_declare
from kombu.connection import Connection
from kombu.exceptions import KombuError
from kombu.messaging import Producer

from workers import leaderless, redis_hints
from workers.dialling import dial
from workers.redis_hints import Wire

#: the task, the queue, and the row that it is about
Hint = tuple[str, str, str]
#: hints in one round trip to the broker
LOT = 200


class Line:
    """One connection to the broker, for one thread, opened when needed and again after each loss."""

    #: what tells that the broker is away or refuses; kombu's own errors, and what sockets and clients raise
    errors: tuple[type[Exception], ...]

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._connection: Connection | None = None
        self._producer: Producer | None = None
        self._declared: set[str] = set()
        plain = app.connection_for_write()
        self.errors = (KombuError, OSError, *plain.connection_errors, *plain.channel_errors)
        self._on_rabbitmq = plain.transport.driver_type == "amqp"
        self.on_redis = plain.transport.driver_type == "redis"
        self._wire: Wire | None = None
        self._diallings = 0

    def publish(self, lot: Mapping[Hint, int]) -> None:
        """Publish a lot, and know that it arrived, with what was told before. A connection found dead is opened again, once."""
        fresh = self._producer is None
        try:
            self._send(lot)
        except self.errors:
            self.hang_up()
            if fresh:
                raise
            try:
                self._send(lot)
            except self.errors:
                self.hang_up()
                raise

    def tell(self, hint: Hint) -> int:
        """Send a hint without waiting for anybody. By which dialling it went, to be told to `publish`; 0 where that cannot be."""
        task, target, row_id = hint
        if self._wire is None or target not in self._declared:
            return 0
        try:
            sent = self._wire.tell("LPUSH", self._wire.key(target), redis_hints.written(task, target, row_id))
        except self.errors:
            # What was told before may be lost as well.
            self._diallings += 1
            return 0
        return self._diallings if sent else 0

    def mend(self, error: Exception, lot: Iterable[Hint]) -> None:
        """After a lot that RabbitMQ took and never confirmed: one of its queues may be one that nobody leads."""
        if self._on_rabbitmq and isinstance(error, TimeoutError):
            leaderless.mend(self._app.connection_for_write(heartbeat=0), {target for _, target, _ in lot})

    def hang_up(self) -> None:
        connection, self._connection, self._producer = self._connection, None, None
        wire, self._wire = self._wire, None
        self._declared.clear()
        if wire is not None:
            wire.hang_up()
        if connection is not None:
            connection.collect(1.0)

    def depth(self, target: str) -> int:
        """How many messages wait in a queue. Raise one of `errors`."""
        try:
            channel = (self._producer or self._dial()).channel
            if self._wire is not None:
                return int(self._wire.ask(("LLEN", self._wire.key(target)))[0])
            return int(channel.queue_declare(queue=target, passive=True).message_count)
        except Exception:
            self.hang_up()
            raise

    def _send(self, told: Mapping[Hint, int]) -> None:
        producer = self._producer or self._dial()
        lot = [hint for hint, dialling in told.items() if dialling != self._diallings]
        # One hint at an action is told as soon as there is one, for which its queue has to be known.
        for target in {"actions", *(target for _, target, _ in lot)} - self._declared:
            maybe_declare(self._app.amqp.queues[target], producer.channel)
            self._declared.add(target)
        if self._wire is not None:
            self._push(self._wire, lot)
            return
        with producer.batch(LOT):
            for task, target, row_id in lot:
                _publish(producer, task, target, row_id)
        if self._on_rabbitmq:
            # Not confirmed one by one, which costs a round trip each: the channel answers after all that went before.
            producer.channel.basic_qos(0, 0, False)

    def _push(self, wire: Wire, lot: Iterable[Hint]) -> None:
        targets: dict[str, list[str]] = {}
        for task, target, row_id in lot:
            targets.setdefault(target, []).append(redis_hints.written(task, target, row_id))
        wire.ask(*(("LPUSH", wire.key(target), *messages) for target, messages in targets.items()))

    def _dial(self) -> Producer:
        options = {"confirm_publish": False, "read_timeout": 10, "write_timeout": 10} if self._on_rabbitmq else {}
        self._connection = dial(self._app.connection_for_write(heartbeat=0), **options)
        self._producer = Producer(self._connection.channel(), auto_declare=False)
        self._diallings += 1
        if self.on_redis:
            self._wire = Wire(self._producer.channel)
        return self._producer


def _publish(producer: Producer, task: str, target: str, row_id: str) -> None:
    """One message as Celery's protocol 2 has it, without what a hint has no use for."""
    task_id = os.urandom(16).hex()
    producer.publish(
        redis_hints.body(row_id),
        exchange="",
        routing_key=target,
        content_type="application/json",
        content_encoding="utf-8",
        headers=redis_hints.headers(task, task_id),
        correlation_id=task_id,
    )

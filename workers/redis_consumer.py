"""How a worker of threads takes its hints from Redis: a Celery bootstep, with a thread of its own.

kombu asks Redis for one message at a time, through an event loop that it wakes for each, and unpacks it three times. Here a
thread takes as many as its pool can begin soon, in one round trip, and reads the row out of each. What it takes is out of Redis:
a hint may be lost, the sweeper finds the row. Events may not, so their queue is Celery's, as is every message in ours that is no
hint of ours. `workers.tasks` equips the app; on other brokers and in other pools nothing of this happens.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from celery import Celery, bootsteps
from celery.worker.consumer.consumer import Consumer
from celery.worker.consumer.tasks import Tasks
from kombu.connection import Connection
from kombu.exceptions import KombuError

from workers.consumer import enveloped
from workers.dialling import dial
from workers.hint_delivery import GLANCE_SECONDS, RECONNECT_SECONDS, Job, Threads, hint_strategy
from workers.log import logger
from workers.redis_hints import Wire, read

#: the queue whose messages are the only copy of what they say
KEPT = "events"


class RedisConsumer(bootsteps.StartStopStep):  # type: ignore[misc] # Celery has no types
    requires = (Tasks,)

    def __init__(self, c: Consumer, **options: Any) -> None:
        super().__init__(c, **options)
        self._rounds: Rounds | None = None

    def start(self, c: Consumer) -> None:
        if not isinstance(c.pool, Threads) or c.connection.transport.driver_type != "redis":
            return
        targets = [queue.name for queue in c.task_consumer.queues if queue.name != KEPT]
        for target in targets:
            c.task_consumer.cancel_by_queue(target)
        if targets:
            self._rounds = Rounds(c, targets)
            self._rounds.start()

    def stop(self, _c: Consumer) -> None:
        rounds, self._rounds = self._rounds, None
        if rounds is not None:
            rounds.stop()

    shutdown = stop


class Rounds:
    """Takes hints, round after round, until stopped. A broker that is away is looked for each second."""

    def __init__(self, c: Consumer, targets: list[str]) -> None:
        self._c = c
        self._pool: Threads = c.pool
        #: each begins where the last one that gave something left off, so that no queue keeps another waiting
        self._targets = deque(targets)
        self._runs: Mapping[str, Callable[[str], Any]] = {
            name: task.run for name, task in c.app.tasks.items() if task.Strategy is hint_strategy
        }
        known = c.app.connection_for_read(heartbeat=0)
        self._known: Connection = known
        self._errors = (KombuError, OSError, *known.connection_errors, *known.channel_errors)
        self._room = threading.Event()
        self._over = threading.Event()
        self._in_lots = True
        self._thread = threading.Thread(target=self._run, name="redis-consumer", daemon=True)

    def start(self) -> None:
        self._pool.on_room["redis-consumer"] = self._room.set
        self._thread.start()

    def stop(self) -> None:
        """Take nothing any more. What was taken is with the pool, which gives it back where it is not begun."""
        self._over.set()
        self._room.set()
        self._thread.join(3 * GLANCE_SECONDS)

    def _run(self) -> None:
        while not self._over.is_set():
            connection: Connection | None = None
            try:
                connection = dial(self._known)
                self._go(Wire(connection.channel()))
            except self._errors as error:
                logger.warning(
                    "hints_not_taken", error=type(error).__name__, remedy="the broker is looked for each second"
                )
                self._over.wait(RECONNECT_SECONDS)
            except Exception:  # noqa: BLE001 - the edge of a thread without which this worker would be deaf
                logger.exception("pick_up_broke_off")
                self._over.wait(RECONNECT_SECONDS)
            finally:
                if connection is not None:
                    connection.collect(1.0)

    def _go(self, wire: Wire) -> None:
        self._in_lots = True
        try:
            while not self._over.is_set():
                self._room.clear()
                room = self._pool.room()
                if not room:
                    self._room.wait(GLANCE_SECONDS)
                    continue
                target, items = self._take(wire, room)
                for item in items:
                    self._hand_over(target, item)
        finally:
            wire.hang_up()

    def _take(self, wire: Wire, room: int) -> tuple[str, list[bytes]]:
        """So many hints of one queue, oldest first; none after a while with nothing to take."""
        keys = [wire.key(target) for target in self._targets]
        if self._in_lots:
            try:
                found = wire.ask(("BLMPOP", GLANCE_SECONDS, len(keys), *keys, "RIGHT", "COUNT", room))[0]
            except self._known.channel_errors as error:
                # Before version 7 there are none, and not every user may ask for them.
                logger.info("hints_taken_one_by_one", error=type(error).__name__)
                self._in_lots, found = False, None
        else:
            answer = wire.ask(("BRPOP", *keys, 1))[0]
            found = answer and (answer[0], [answer[1]])
        if not found:
            return "", []
        target = self._targets[keys.index(found[0].decode())]
        self._targets.remove(target)
        self._targets.append(target)
        return target, found[1]

    def _hand_over(self, target: str, item: bytes) -> None:
        task, row_id = read(item) or ("", "")
        run = self._runs.get(task)
        if run is None:
            self._c.call_soon(self._leave_to_celery, target, item)
            return
        back = partial(self._c.app.send_task, task, args=[row_id], queue=target)
        self._pool.give(Job(partial(run, row_id), back))

    def _leave_to_celery(self, target: str, item: bytes) -> None:
        """In the worker's loop: as if Celery had taken it itself."""
        consumer = self._c.task_consumer
        try:
            envelope = json.loads(enveloped(item, queue=target))
            consumer.on_message(consumer.channel.Message(envelope, channel=consumer.channel))
        except Exception:  # noqa: BLE001 - anybody can push anything: no message may end the loop, and the worker with it
            logger.exception("message_not_read", queue=target)


def install(app: Celery) -> None:
    """Let the workers of this app take their hints from Redis in lots."""
    app.steps["consumer"].add(RedisConsumer)

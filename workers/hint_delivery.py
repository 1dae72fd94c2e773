"""The delivery of hints: how one gets from the broker to a thread, for the price of little more than reading it.

Celery keeps a record, traces and acknowledges each task; a hint needs none of that, because losing one costs a sweep. So
`hint_strategy` takes a hint's id out of its message and gives it to a thread of `Threads`. No more of them are fetched than the
threads can begin soon, and what was not begun when the worker stops goes back to its queue. `workers.tasks` says which
tasks are hints; all others, and pools of processes, go Celery's own way.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from types import MethodType
from typing import Any

from celery import Celery, bootsteps
from celery.app.task import Task
from celery.concurrency.base import BasePool, apply_target
from celery.exceptions import InvalidTaskError
from celery.worker import state
from celery.worker.consumer.consumer import Consumer
from celery.worker.consumer.tasks import Tasks
from celery.worker.strategy import default
from kombu.connection import Connection
from kombu.exceptions import OperationalError

from workers import full_redis, leaderless
from workers.log import logger

#: hints fetched ahead of the threads: enough that none waits for the broker, too few to keep them from other workers
AHEAD = 8
#: how few of them must be left before more are fetched: several in one go then, where the broker can
LOW = AHEAD // 2
#: transports that keep what was fetched in a list of ours until it is acknowledged, with two round trips for each message
VIRTUAL = ("redis", "memory")
#: how long a loop with nothing to read takes to see that it was told to stop
GLANCE_SECONDS = 0.3
RECONNECT_SECONDS = 1


def stopping() -> bool:
    """Whether this process's worker was told to stop. True from the signal on, before the loop has seen it."""
    return state.should_stop is not None or state.should_terminate is not None


class _OfThread(threading.local):
    """What a thread of a worker does next, before anything that waits."""

    pool: Threads | None = None
    next: Job | None = None


_of_thread = _OfThread()


def do_next(job: Job) -> bool:
    """Let the thread that asks do this as soon as it has done what it does now. False where it is no thread of a worker,
    has something to do next already, or was told to stop: then it is for a message."""
    if _of_thread.pool is None or _of_thread.pool.ending or _of_thread.next is not None or stopping():
        return False
    _of_thread.next = job
    return True


@dataclass(slots=True, weakref_slot=True, eq=False)
class Job:
    """Something for a thread to do. Once the worker was told to stop it is not begun; `back` is called instead.

    Without `back` it is the broker's still, which delivers it again when the connection is closed.
    """

    run: Callable[[], object]
    back: Callable[[], object] | None = None


class Threads(BasePool):  # type: ignore[misc] # Celery has no types
    """Threads that are started when there is more to do than idle ones, and end, or are left, in a set time."""

    body_can_be_buffer = True
    signal_safe = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.started = 0
        self.running = 0
        #: called, from any thread, when more can be fetched again and somebody found that there was no room
        self.on_room: dict[str, Callable[[], object]] = {}
        self._wanted = False
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._changed = threading.Condition()
        self.ending = False

    def give(self, job: Job) -> None:
        if self.ending:
            _return(job)
            return
        self._jobs.put(job)
        if self._idle.acquire(blocking=False) or self.started >= self.limit:
            return
        try:
            self._start()
        except RuntimeError:
            logger.warning("no_thread_left", threads=self.started, remedy="the others do it; let more processes be")

    def on_start(self) -> None:
        """One thread from the beginning: where the system has no more, somebody still does what comes."""
        self._start()

    def _start(self) -> None:
        # Daemons: a call that hangs must not keep the process from ending. Its row is claimed again after its lease.
        threading.Thread(target=self._work, name=f"work-{self.started + 1}", daemon=True).start()
        self.started += 1

    def room(self) -> int:
        """How many hints may be fetched now. Who is told none is called once there is room again."""
        if self.ending or stopping():
            return 0
        if self._jobs.qsize() > LOW:
            self._wanted = True
        # Looked at again: a thread that took one meanwhile did not know yet that somebody waits.
        waiting = self._jobs.qsize()
        return AHEAD - waiting if waiting <= LOW else 0

    def on_apply(
        self,
        target: Callable[..., Any],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        callback: Callable[..., Any] | None = None,
        accept_callback: Callable[..., Any] | None = None,
        **_: Any,
    ) -> Job:
        """Celery's own way in, for tasks that are no hints."""
        job = Job(lambda: apply_target(target, args, kwargs, callback, accept_callback))
        self.give(job)
        return job

    def on_stop(self) -> None:
        """Give back what was not begun, and wait for what was, so long and no longer."""
        self.ending = True
        self._give_back()
        for _ in range(self.started):
            self._jobs.put(None)
        deadline = time.monotonic() + self.app.conf.stop_seconds
        with self._changed:
            while self.running and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            if self.running:
                logger.warning("stopped_while_working", running=self.running, remedy="others go on with those cases")

    def _give_back(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return
            if job is not None:
                _return(job)

    def _work(self) -> None:
        _of_thread.pool = self
        while (job := self._next()) is not None:
            if stopping():
                _return(job)
                continue
            if self._wanted and self._jobs.qsize() <= LOW:
                self._wanted = False
                for tell in tuple(self.on_room.values()):
                    tell()
            with self._changed:
                self.running += 1
            try:
                job.run()
            except Exception:  # noqa: BLE001 - the edge of a thread: tasks map their errors, this is what they missed
                logger.exception("task_failed")
            finally:
                with self._changed:
                    self.running -= 1
                    if self.ending:
                        self._changed.notify_all()

    def _next(self) -> Job | None:
        job, _of_thread.next = _of_thread.next, None
        if job is not None:
            return job
        try:
            return self._jobs.get_nowait()
        except Empty:
            self._idle.release()
            return self._jobs.get()


def _return(job: Job) -> None:
    if job.back is None:
        return
    try:
        job.back()
    except (OperationalError, OSError) as error:
        logger.warning("hint_not_given_back", error=type(error).__name__, remedy="the sweeper finds the row")


def tell_broker(say: Callable[[], Any], errors: tuple[type[Exception], ...]) -> None:
    """Acknowledge or put back, unless the connection that the message came by is gone: then the broker delivers it again."""
    try:
        say()
    except errors as error:
        logger.warning("broker_not_told", error=type(error).__name__, remedy="it delivers again, which changes nothing")


def hint_strategy(task: Task, app: Celery, consumer: Consumer) -> Callable[..., Any]:
    """A Celery strategy: what becomes of a message of `task` in this worker."""
    pool = consumer.pool
    if not isinstance(pool, Threads):
        return default(task, app, consumer)  # type: ignore[no-any-return] # Celery has no types
    kept = consumer.connection.transport.driver_type not in VIRTUAL
    run, name, errors = task.run, task.name, consumer.connection_errors

    def hand_over(message: Any, _body: Any, _ack: Any, _reject: Any, _callbacks: Any) -> None:
        try:
            row_id = json.loads(message.body)[0][0]
        except (ValueError, LookupError, TypeError) as error:
            raise InvalidTaskError(f"a hint holds one id: {error}") from error
        if kept:
            _keep(message, row_id)
            return
        target = message.delivery_info["routing_key"]
        pool.give(Job(lambda: run(row_id), lambda: app.send_task(name, args=[row_id], queue=target)))

    def _keep(message: Any, row_id: str) -> None:
        """RabbitMQ keeps what was not begun until then, and so limits itself what it sends ahead."""

        def begin() -> None:
            consumer.call_soon(tell_broker, message.ack, errors)
            run(row_id)

        pool.give(Job(begin))

    return hand_over


class FetchLimit(bootsteps.StartStopStep):  # type: ignore[misc] # Celery has no types
    """Fetch hints only while threads can begin them soon. Redis and the in-process transport keep no list of ours then.

    It also lets the loop look up now and then: a signal does not wake it, and RabbitMQ may have nothing to say for long.
    """

    requires = (Tasks,)

    def __init__(self, c: Consumer, **options: Any) -> None:
        super().__init__(c, **options)
        if isinstance(c.pool, Threads) and c.prefetch_multiplier:
            # What RabbitMQ sends ahead. A thousand threads that all think must not hold a thousand hints more.
            c.initial_prefetch_count = min(c.pool.limit, 2 * AHEAD)

    def register_with_event_loop(self, _c: Consumer, hub: Any) -> None:
        hub.timer.call_repeatedly(GLANCE_SECONDS, _nothing)

    def start(self, c: Consumer) -> None:
        if c.hub is None:
            drain = c.connection.drain_events
            c.connection.drain_events = lambda timeout=GLANCE_SECONDS: drain(timeout=min(timeout, GLANCE_SECONDS))
        if not isinstance(c.pool, Threads) or c.connection.transport.driver_type not in VIRTUAL:
            return
        pool = c.pool
        for queue in c.task_consumer.queues:
            # An event is the only copy there is, and stays in the list until it is committed.
            queue.no_ack = queue.name != "events"
        qos = c.task_consumer.channel.qos
        can_consume = qos.can_consume
        qos.can_consume = MethodType(lambda _: pool.room() > 0 and can_consume(), qos)
        if c.hub is not None and "events" in c.app.amqp.queues.consume_from:
            pool.on_room["loop"] = lambda: c.hub.call_soon(_nothing)


class Reader(Consumer):  # type: ignore[misc] # Celery has no types
    """Celery's consumer, deaf for a second at most once a lost broker is back; kombu waits longer after each try, up to 30.

    Without delayed delivery, which on RabbitMQ makes 28 queues for timers that nobody sets. No message ends it, and through
    it the worker: what cannot be read is put aside where it may have been an event, and dropped where it may have been a hint.
    """

    #: takes a message of the queue `events` with what is wrong with it; only where somebody does (see `workers.consumer`)
    put_aside: Callable[[Any, str], object] | None = None
    #: queues that somebody listens to beside Celery's
    heard_beside: tuple[str, ...] = ()

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc] # Celery has no types
        default_steps = tuple(s for s in Consumer.Blueprint.default_steps if not s.endswith(":DelayedDelivery"))

    def ensure_connected(self, conn: Connection) -> Connection:
        often = {"interval_start": RECONNECT_SECONDS, "interval_step": 0, "interval_max": RECONNECT_SECONDS}
        conn.ensure_connection = partial(conn.ensure_connection, **often)  # type: ignore[method-assign] # of this one
        connected: Connection = super().ensure_connected(conn)
        if connected.transport.driver_type == "redis":
            full_redis.keep_reading(connected.default_channel)
        return connected

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        super().on_connection_error_before_connected(exc)
        # The broker is there and lets nobody in: a password that was changed, a virtual host that is gone.
        time.sleep(RECONNECT_SECONDS)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        super().on_connection_error_after_connected(exc)
        if getattr(exc, "reply_code", None) == leaderless.INTERNAL_ERROR:
            heard = (*self.app.amqp.queues.consume_from, *self.heard_beside)
            leaderless.mend(self.app.connection_for_read(heartbeat=0), heard)
        if isinstance(exc, self.channel_errors):
            # The broker is there and said no: it would say so again at once, as often as it is asked. RabbitMQ says to what, such
            # as a queue that is there in another form; nothing of a message is in that.
            logger.warning("broker_refused", error=type(exc).__name__, said=getattr(exc, "reply_text", "") or "")
            time.sleep(RECONNECT_SECONDS)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        read = super().create_task_handler(*args, **kwargs)
        of_the_broker = (*self.connection_errors, *self.channel_errors)

        def handle(message: Any) -> None:
            try:
                read(message)
            except Exception as error:
                # To kombu a KeyError is a lost connection to Redis; here it is something that the message lacks.
                if isinstance(error, of_the_broker) and not isinstance(error, KeyError):
                    raise
                wrong = f"no task message: {type(error).__name__}: {error}"
                if not self._is_put_aside(message, wrong) and not message.acknowledged:
                    logger.warning("message_dropped", error=type(error).__name__, remedy="the sweeper finds the row")
                    tell_broker(message.reject, self.connection_errors)

        return handle

    def on_unknown_message(self, body: Any, message: Any) -> None:
        if not self._is_put_aside(message, "no task message: its headers name no task"):
            super().on_unknown_message(body, message)

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        if not self._is_put_aside(message, f"no task is called {exc}"):
            super().on_unknown_task(body, message, exc)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        if not self._is_put_aside(message, f"no task message: {exc}"):
            super().on_invalid_task(body, message, exc)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        if not self._is_put_aside(message, f"it cannot be decoded: {exc}"):
            super().on_decode_error(message, exc)

    def _is_put_aside(self, message: Any, wrong: str) -> bool:
        """Whether somebody takes it: where it is of a queue of hints nobody does, and it goes Celery's way."""
        hints = self.app.amqp.queues.consume_from.keys() - {"events"}
        if self.put_aside is None or message.acknowledged or message.delivery_info.get("routing_key") in hints:
            return False
        self.put_aside(message, wrong)
        return True


def install(app: Celery) -> None:
    """Let the workers of this app read hints past Celery's own machinery."""
    app.conf.worker_consumer = Reader
    app.steps["consumer"].add(FetchLimit)


def _nothing() -> None:
    """Called by the loop, which asks whether there is room each time that it wakes."""

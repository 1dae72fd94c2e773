"""The queue: the Celery app, its queues, and the hints that are published to it.

A message is only a hint that a row is due; it holds an id and nothing else, and losing it costs at most one sweep.
Publishing happens after the commit, on a thread of its own, so that a slow or dead broker reaches nobody. A single hint at an
action is sent by the thread that has it where that waits for nobody; the publisher hears whether it arrived. The numbers beside the
hazards they answer are explained in docs/queue.md.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.exceptions import CPendingDeprecationWarning
from kombu.entity import Exchange, Queue

from workers import certificates
from workers.hint_line import LOT, Hint, Line
from workers.log import logger
from workers.request_priority import RequestPriority
from workers.telemetry import metrics

QUEUES = ("events", "support", "transactions", "content", "supply", "actions", "upkeep")
ADVANCE = "caseworker.advance"
EXECUTE = "caseworker.execute"
#: the same of one whose yes may not be committed yet
APPROVED = "caseworker.approved"
RECEIVE = "caseworker.receive"

# At each lost connection Celery announces that a default will change. The setting is chosen below, knowingly.
warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)

LONGEST_WAIT_FOR_A_HINT = 0.05
IN_PROCESS = "memory://localhost/"
#: a process of a pool that is not ready by then never will be
LONGEST_START = 120.0
#: an event that ended so many workers is put aside
DELIVERIES = 20
QUORUM = {"x-queue-type": "quorum"}
TRANSPORTS: dict[str, dict[str, Any]] = {
    # kombu's in-process transport polls, once a second unless told otherwise.
    "memory": {"polling_interval": 0.01},
    "redis": {
        "visibility_timeout": 900,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
        "global_keyprefix": "caseworker:",
    },
    "amqp": {"confirm_publish": True},
}


def make_app(broker_url: str, *, stop_seconds: float = 30.0) -> Celery:
    """The Celery app on a broker, without its tasks (see `workers.tasks.register`)."""
    app = Celery("caseworker", broker=broker_url, set_as_current=False)
    transport = broker_url.partition(":")[0].partition("+")[0].removesuffix("s") or "memory"
    transport = "redis" if broker_url.startswith("redis") else transport
    in_process = transport == "memory"
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        broker_transport_options=dict(TRANSPORTS.get(transport, {})),
        broker_use_ssl=certificates.asked_of(broker_url),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # What a broker says no to (RabbitMQ: acknowledged too late; Redis: a replica now, or its disk is full) it may take
        # again before long. Celery's default ends the worker.
        broker_channel_error_retry=True,
        # A connection that says nothing for so long is dead; RabbitMQ looks twice as often. Redis has its own check.
        broker_heartbeat=30,
        task_queues=queues(on_rabbitmq=transport == "amqp"),
        task_default_queue="upkeep",
        task_create_missing_queues=False,
        # The database is the truth: nobody reads results.
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        # A hint may be lost, so it is acknowledged early; what it hinted at is found by the sweeper.
        task_acks_late=False,
        task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_max": 0.2},
        # In-process, any other value holds acknowledgements back for a 2 s drain (5 tasks a second).
        worker_prefetch_multiplier=0 if in_process else 1,
        # Quorum queues know no such reduction, and a row is never worked twice anyway.
        worker_enable_prefetch_count_reduction=False,
        # With threads the other setting ends the worker when a broker goes away.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        # A process opens the database and learns before it is ready. One that Celery gave up on would be followed by another
        # that takes as long.
        worker_proc_alive_timeout=LONGEST_START,
        worker_soft_shutdown_timeout=0 if in_process else stop_seconds,
        worker_enable_soft_shutdown_on_idle=not in_process,
        worker_eta_task_limit=1000,
        # Nobody listens to a worker's events or commands; each would cost a message or a queue.
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        task_send_sent_event=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    app.conf.stop_seconds = stop_seconds
    return app


def queues(*, on_rabbitmq: bool) -> list[Queue]:
    """Every queue of Celery's. On RabbitMQ they survive the loss of a node, and no event is lost to a poisoned worker."""
    declared = []
    for name in QUEUES:
        arguments = None
        if on_rabbitmq:
            arguments = {**QUORUM, **(PUT_ASIDE if name == "events" else {})}
        declared.append(Queue(name, routing_key=name, queue_arguments=arguments))
    return declared


EVENTS_EXCHANGE = "caseworker.events"
PLAIN_EVENTS = "events.plain"
ANY_KEY = "#"
DEAD_EVENTS = "events.dead"
PUT_ASIDE = {
    "x-delivery-limit": DELIVERIES,
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": DEAD_EVENTS,
    # Moved by confirmed publishing: a message is in one of the two queues at every moment.
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}


def plain_events(*, on_rabbitmq: bool) -> Queue:
    """Where plain CloudEvents of any producer wait. A topic exchange: on Redis a fan-out keeps nothing for who is late."""
    return Queue(
        PLAIN_EVENTS,
        exchange=Exchange(EVENTS_EXCHANGE, type="topic", durable=True),
        routing_key=ANY_KEY,
        queue_arguments={**QUORUM, **PUT_ASIDE} if on_rabbitmq else None,
    )


def dead_events() -> Queue:
    """Where RabbitMQ puts what it gave up delivering."""
    return Queue(DEAD_EVENTS, routing_key=DEAD_EVENTS, queue_arguments=dict(QUORUM))


class Hints:
    """Publishes ids from a thread of its own, in lots. Dropping one is allowed: the sweeper finds the row.

    What waits to be published waits once: a second hint at the same row says nothing new.
    """

    #: whether this thread carries an action out itself as soon as it can; then nobody else need be told
    carries_out_here: Callable[[str, Any], bool] = staticmethod(lambda _action_id, _known: False)
    #: whether it will for certain, and may begin with what it is about to decide in the same commit
    begins_here: Callable[[Any], bool] = staticmethod(lambda _snapshot: False)

    def __init__(self, app: Celery, *, request_priority: RequestPriority | None = None, capacity: int = 10_000) -> None:
        self._app = app
        self._request_priority = request_priority or RequestPriority()
        self._capacity = capacity
        #: each with the dialling of the line by which it was sent already, or 0
        self._waiting: dict[Hint, int] = {}
        self._changed = threading.Condition()
        self._closing = False
        #: whether the line is to be opened though nothing waits
        self._unready = False
        self._line = Line(app)
        #: who uses the line; the publisher may wait while he does
        self._speaking = threading.Lock()
        self._lookout: Line | None = None
        self._thread = threading.Thread(target=self._publish, name="hints", daemon=True)
        self._thread.start()

    def case(self, case_id: str, domain: str) -> None:
        self._offer((ADVANCE, domain if domain in QUEUES else "upkeep", case_id))

    def action(self, action_id: str, known: Any = None) -> None:
        """`known` is what has just been written of it: whoever carries it out at once need not read that again."""
        if not self.carries_out_here(action_id, known):
            self._offer((EXECUTE, "actions", action_id), at_once=True)

    def approving(self, action_id: str) -> bool:
        """Tell of an action whose yes is written and is just being committed: whoever takes the hint waits for that at the action's
        row, and is there by then. False, and nothing told, where hints take their way through a broker's own client."""
        if not self._line.on_redis:
            return False
        self._offer((APPROVED, "actions", action_id), at_once=True)
        return True

    def warm_up(self) -> None:
        """Open the line before there is anything to say, so that the first hint at an action goes by it at once."""
        with self._changed:
            self._unready = True
            self._changed.notify()

    def backlog(self) -> int:
        return len(self._waiting)

    def depth(self, target: str) -> int:
        """How many messages wait in a queue; 0 where nobody can say. On a line of its own, for one thread."""
        if str(self._app.conf.broker_url).startswith("memory"):
            # Its lists outlive the worker that would have read them.
            return 0
        if self._lookout is None:
            self._lookout = Line(self._app)
        try:
            return self._lookout.depth(target)
        except Exception as error:  # noqa: BLE001 - whoever asks has more to do than to know
            if not isinstance(error, self._lookout.errors):
                logger.exception("depth_unknown", queue=target)
            return 0

    def close(self, timeout: float = 5.0) -> None:
        """Publish what waits, then stop."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout)
        if self._lookout is not None:
            self._lookout.hang_up()

    def _offer(self, hint: Hint, *, at_once: bool = False) -> None:
        with self._changed:
            if hint in self._waiting:
                # It may have been sent, and taken, before what it says now was so.
                self._waiting[hint] = 0
                return
            if len(self._waiting) >= self._capacity:
                logger.warning("hint_dropped", reason="the publisher is behind; the sweeper will find the row")
                metrics.hints("dropped")
                return
            sent = 0
            if not self._waiting:
                sent = self._told(hint) if at_once else 0
                self._changed.notify()
            self._waiting[hint] = sent

    def _told(self, hint: Hint) -> int:
        """Send it right here. Which dialling of the line it went by; 0 where it was not sent, as it would have to wait."""
        if not self._speaking.acquire(blocking=False):
            return 0
        try:
            return self._line.tell(hint)
        finally:
            self._speaking.release()

    def _publish(self) -> None:
        while (lot := self._next_lot()) is not None:
            self._request_priority.give_way(LONGEST_WAIT_FOR_A_HINT)
            try:
                with self._speaking:
                    self._line.publish(lot)
                metrics.hints("published", len(lot))
            except self._line.errors as error:
                metrics.hints("failed", len(lot))
                logger.warning("hints_not_published", hints=len(lot), error=type(error).__name__)
                self._line.mend(error, lot)
            except Exception:  # noqa: BLE001 - the edge of a thread: nobody else would ever publish
                metrics.hints("failed", len(lot))
                logger.exception("hints_not_published", hints=len(lot))
                self._line.hang_up()
        with self._speaking:
            self._line.hang_up()

    def _next_lot(self) -> dict[Hint, int] | None:
        """What waits, oldest first, which is nothing when the line is only to be opened; None once it is closing and all is
        published."""
        with self._changed:
            while not (self._waiting or self._closing or self._unready):
                self._changed.wait()
            if self._closing and not self._waiting:
                return None
            self._unready = False
            return {hint: self._waiting.pop(hint) for hint in list(self._waiting)[:LOT]}

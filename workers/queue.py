"""The queue: the Celery app, its queues, and the hints that are published to it.

A message is only a hint that a row is due; it holds an id and nothing else, and losing it costs at most one sweep.
Publishing happens on a thread of its own, after the commit and never before an answer, so that a slow or dead broker
reaches nobody. The numbers beside the hazards they answer are explained in docs/queue.md.
"""

from __future__ import annotations

import queue
import threading
import warnings
from typing import Any

from celery import Celery
from celery.exceptions import CPendingDeprecationWarning
from kombu.entity import Queue
from kombu.exceptions import OperationalError

from workers.courtesy import Courtesy
from workers.log import logger

QUEUES = ("events", "support", "transactions", "content", "supply", "actions", "upkeep")
ADVANCE = "caseworker.advance"
EXECUTE = "caseworker.execute"
RECEIVE = "caseworker.receive"

# At each lost connection Celery announces that a default will change. The setting is chosen below, knowingly.
warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)

LONGEST_WAIT_FOR_A_HINT = 0.05
IN_PROCESS = "memory://localhost/"


def make_app(broker_url: str) -> Celery:
    """The Celery app on a broker, without its tasks (see `workers.tasks.register`)."""
    app = Celery("caseworker", broker=broker_url, set_as_current=False)
    in_process = broker_url.startswith("memory:")
    transport: dict[str, Any] = {}
    if in_process:
        # kombu's in-process transport polls, once a second unless told otherwise.
        transport = {"polling_interval": 0.01}
    elif broker_url.startswith("redis"):
        transport = {
            "visibility_timeout": 900,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            "global_keyprefix": "caseworker:",
        }
    elif broker_url.startswith("amqp"):
        transport = {"confirm_publish": True}
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        broker_transport_options=transport,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_queues=[_queue(name, broker_url) for name in QUEUES],
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
        # With threads the other setting ends the worker when a broker goes away.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_soft_shutdown_timeout=0 if in_process else 30,
        worker_enable_soft_shutdown_on_idle=not in_process,
        worker_eta_task_limit=1000,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    return app


def _queue(name: str, broker_url: str) -> Queue:
    arguments = {"x-queue-type": "quorum"} if broker_url.startswith("amqp") else None
    return Queue(name, routing_key=name, queue_arguments=arguments)


class Hints:
    """Publishes ids from a thread of its own. Dropping one is allowed: the sweeper finds the row."""

    def __init__(self, app: Celery, *, courtesy: Courtesy | None = None, capacity: int = 10_000) -> None:
        self._app = app
        self._courtesy = courtesy or Courtesy()
        self._waiting: queue.Queue[tuple[str, str, str] | None] = queue.Queue(capacity)
        self._thread = threading.Thread(target=self._publish, name="hints", daemon=True)
        self._thread.start()

    def case(self, case_id: str, domain: str) -> None:
        self._offer((ADVANCE, domain if domain in QUEUES else "upkeep", case_id))

    def action(self, action_id: str) -> None:
        self._offer((EXECUTE, "actions", action_id))

    def backlog(self) -> int:
        return self._waiting.qsize()

    def close(self, timeout: float = 5.0) -> None:
        """Publish what waits, then stop."""
        self._offer(None)
        self._thread.join(timeout)

    def _offer(self, hint: tuple[str, str, str] | None) -> None:
        try:
            self._waiting.put_nowait(hint)
        except queue.Full:
            logger.warning("hint_dropped", reason="the publisher is behind; the sweeper will find the row")

    def _publish(self) -> None:
        while (hint := self._waiting.get()) is not None:
            task, target, row_id = hint
            self._courtesy.give_way(LONGEST_WAIT_FOR_A_HINT)
            try:
                self._app.send_task(task, args=[row_id], queue=target)
            except (OperationalError, OSError) as error:
                logger.warning("hint_not_published", task=task, queue=target, error=type(error).__name__)

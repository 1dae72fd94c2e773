"""The Celery tasks: each takes an id, calls one function, and maps what may go wrong. Nothing else happens here.

A task never retries and never raises: whatever fails, the row says when it is due next, and the sweeper finds it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from celery import Celery
from celery.exceptions import Reject

from integrations.registry import Writers
from workers import event_messages, execute, hint_delivery, pipeline, redis_consumer
from workers.actions.catalogue import CATALOGUE
from workers.agents import library
from workers.consumer import event_message_of, listen, with_arguments
from workers.event_messages import EventMessage, PutBack
from workers.hint_delivery import Job, do_next, stopping
from workers.log import logger
from workers.queue import ADVANCE, APPROVED, EXECUTE, RECEIVE
from workers.store.database import StoreUnavailable
from workers.store.flow import ActionSnapshot
from workers.telemetry import metrics
from workers.wiring import System

#: what a hint costs less for (see `workers.hint_delivery`)
HINT: dict[str, Any] = {"Strategy": staticmethod(hint_delivery.hint_strategy), "typing": False}


@dataclass
class Post:
    """What this process's tasks work on. A process that was forked fills it anew."""

    system: System
    writers: Writers | None


class _OfThread(threading.local):
    """What a thread is at."""

    #: a case, which it may decide
    deciding = False
    #: what it has begun with the decision, and carries out next
    begun: ActionSnapshot | None = None


class _Work:
    """What the threads of this process do with cases and actions, and with the actions that they decide themselves: who decided
    one and may carry actions out does so next, which needs no message."""

    def __init__(self, app: Celery, post: Post) -> None:
        self._app = app
        self._post = post
        self._of_thread = _OfThread()

    def advance(self, case_id: str) -> None:
        mine = self._of_thread
        mine.deciding = True
        try:
            with self._post.system.guards.slots.hold():
                _run(self._post.system, partial(pipeline.advance, self._post.system), case_id=case_id)
        finally:
            mine.deciding = False
        begun, mine.begun = mine.begun, None
        if begun is not None:
            # No job of its own: a worker that was told to stop still brings to its end what it has begun.
            self.carry_out(begun.action.id, begun)

    def carry_out(self, action_id: str, snapshot: ActionSnapshot | None = None, *, approving: bool = False) -> None:
        assert self._post.writers is not None
        run = partial(execute.carry_out, self._post.system, self._post.writers, snapshot=snapshot, approving=approving)
        _run(self._post.system, run, action_id=action_id)

    def carries_out_here(self, action_id: str, snapshot: ActionSnapshot | None) -> bool:
        """Whether this thread carries it out as soon as it has done what it does now."""
        if snapshot is not None and snapshot.begun is not None:
            self._of_thread.begun = snapshot
            return True
        if not self._of_actions():
            return False
        hint = self._post.system.hints.action
        return do_next(Job(partial(self.carry_out, action_id, snapshot), partial(hint, action_id)))

    def begins_here(self, snapshot: ActionSnapshot) -> bool:
        """Whether this thread may begin it in the commit that decides it, as it will carry it out next whatever comes."""
        if not self._of_thread.deciding or stopping() or not self._of_actions():
            return False
        assert self._post.writers is not None
        return execute.may_begin(self._post.system, self._post.writers, snapshot)

    def _of_actions(self) -> bool:
        return "actions" in self._app.amqp.queues.consume_from


def register(app: Celery, system: System, writers: Writers | None) -> Post:
    """Give the app its tasks. Without Writers, this process cannot carry actions out and does not offer to. Raise
    `UnusableFiles`."""
    for domain in system.agents:
        library.check(domain)
    post = Post(system, writers)
    work = _Work(app, post)
    hint_delivery.install(app)
    redis_consumer.install(app)
    listen(app, lambda: post.system)

    @app.task(name=ADVANCE, shared=False, **HINT)
    def advance(case_id: str) -> None:
        work.advance(case_id)

    if writers is not None:

        @app.task(name=EXECUTE, shared=False, **HINT)
        def carry_out(action_id: str) -> None:
            work.carry_out(action_id)

        @app.task(name=APPROVED, shared=False, **HINT)
        def carry_out_approved(action_id: str) -> None:
            work.carry_out(action_id, approving=True)

        metrics.may_fail(*CATALOGUE)
        system.hints.carries_out_here = work.carries_out_here
        system.hints.begins_here = work.begins_here

    # The message is the only copy of its event, so it is acknowledged after the commit. Whatever its arguments are, it comes
    # here: a task that cannot be called has failed, and Celery acknowledges what failed.
    @app.task(
        name=RECEIVE, shared=False, acks_late=True, reject_on_worker_lost=True, Strategy=staticmethod(with_arguments)
    )
    def receive_event(*args: Any, **kwargs: Any) -> None:
        _receive(post.system, event_message_of(args, kwargs))

    return post


def _run(system: System, work: Callable[[str], None], **row: str) -> None:
    bound = structlog.contextvars.bind_contextvars(**row)
    try:
        with metrics.task():
            work(*row.values())
    except StoreUnavailable as error:
        logger.warning("store_unavailable", error=str(error))
        system.leases.answer_missed()
    except Exception:  # noqa: BLE001 - the task edge: the lease lets go, and the row is claimed again, not for ever
        logger.exception("task_failed")
    finally:
        structlog.contextvars.reset_contextvars(**bound)


def _receive(system: System, message: EventMessage) -> None:
    """What came from a producer in Python: an event, or a dead letter, before it is acknowledged."""
    try:
        event_messages.take(system, message, stopping=stopping)
    except PutBack as error:
        raise Reject("it could not be kept", requeue=True) from error

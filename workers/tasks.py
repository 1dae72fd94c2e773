"""The Celery tasks: each takes an id, calls one function, and maps what may go wrong. Nothing else happens here.

A task never retries and never raises: whatever fails, the row says when it is due next, and the sweeper finds it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from celery import Celery
from celery.exceptions import Reject

from integrations.registry import Writers
from workers import courier, execute, letters, pickup, pipeline
from workers.consumer import listen
from workers.courier import Job, carry_on, stopping
from workers.letters import Letter, PutBack
from workers.log import logger
from workers.queue import ADVANCE, EXECUTE, RECEIVE
from workers.store.database import StoreUnavailable
from workers.store.flow import Errand
from workers.telemetry import metrics
from workers.wiring import System

#: what a hint costs less for (see `workers.courier`)
HINT: dict[str, Any] = {"Strategy": staticmethod(courier.by_hand), "typing": False}


@dataclass
class Post:
    """What this process's tasks work on. A process that was forked fills it anew."""

    system: System
    writers: Writers | None


def register(app: Celery, system: System, writers: Writers | None) -> Post:
    """Give the app its tasks. Without Writers, this process cannot carry actions out and does not offer to."""
    post = Post(system, writers)
    courier.equip(app)
    pickup.equip(app)
    listen(app, lambda: post.system)

    @app.task(name=ADVANCE, shared=False, **HINT)
    def advance(case_id: str) -> None:
        _run(post.system, partial(pipeline.advance, post.system), case_id=case_id)

    if writers is not None:

        @app.task(name=EXECUTE, shared=False, **HINT)
        def carry_out(action_id: str) -> None:
            assert post.writers is not None
            _run(post.system, partial(execute.carry_out, post.system, post.writers), action_id=action_id)

        def at_hand(action_id: str, errand: Errand | None) -> bool:
            """Who decided an action and may carry actions out goes on to do it: that needs no message."""
            if "actions" not in app.amqp.queues.consume_from:
                return False
            return carry_on(Job(partial(go_on, action_id, errand), partial(system.hints.action, action_id)))

        def go_on(action_id: str, errand: Errand | None) -> None:
            assert post.writers is not None
            run = partial(execute.carry_out, post.system, post.writers, errand=errand)
            _run(post.system, run, action_id=action_id)

        system.hints.at_hand = at_hand

    # The message is the only copy of its event, so it is acknowledged after the commit.
    @app.task(name=RECEIVE, shared=False, acks_late=True, reject_on_worker_lost=True)
    def receive_event(event: dict[str, Any]) -> None:
        _receive(post.system, event)

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


def _receive(system: System, event: dict[str, Any]) -> None:
    """One CloudEvent as JSON, from a producer in Python: an event, or a dead letter, before it is acknowledged."""
    letter = Letter(letters.TASK, json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    try:
        letters.take(system, letter, stopping=stopping)
    except PutBack as error:
        raise Reject("the database is away", requeue=True) from error

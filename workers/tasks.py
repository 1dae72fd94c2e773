"""The Celery tasks: each takes an id, calls one function, and maps what may go wrong. Nothing else happens here.

A task never retries and never raises: whatever fails, the row says when it is due next, and the sweeper finds it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from celery import Celery

from integrations import cloudevents
from integrations.errors import IntegrationError
from integrations.registry import Writers
from workers import execute, pipeline
from workers.intake.receive import Provenance, receive
from workers.log import logger
from workers.queue import ADVANCE, EXECUTE, RECEIVE
from workers.store.database import StoreUnavailable
from workers.wiring import System


def register(app: Celery, system: System, writers: Writers | None) -> None:
    """Give the app its tasks. Without Writers, this process cannot carry actions out and does not offer to."""
    app.task(partial(_run, "case_id", partial(pipeline.advance, system)), name=ADVANCE)
    if writers is not None:
        app.task(partial(_run, "action_id", partial(execute.carry_out, system, writers)), name=EXECUTE)
    # The message is the only copy of its event, so it is acknowledged after the commit.
    app.task(partial(_receive, system), name=RECEIVE, acks_late=True, reject_on_worker_lost=True, autoretry_for=())


def _run(name: str, work: Callable[[str], None], row_id: str) -> None:
    with structlog.contextvars.bound_contextvars(**{name: row_id}):
        try:
            work(row_id)
        except StoreUnavailable as error:
            logger.warning("store_unavailable", error=str(error))
        except Exception:  # noqa: BLE001 - the task edge: the lease runs out, and the row is claimed again, not for ever
            logger.exception("task_failed")


def _receive(system: System, event: dict[str, Any]) -> dict[str, Any]:
    """One CloudEvent as JSON, from a producer in Python."""
    now: datetime = system.clock()
    try:
        raw = json.dumps(event, ensure_ascii=False).encode()
        inbound = cloudevents.read_event(raw, now)
    except IntegrationError as error:
        logger.warning("event_refused", reason=str(error))
        return {"refused": str(error)}
    received = receive(system, [inbound], Provenance(door="queue", raw=raw))
    return {"accepted": received.accepted, "duplicates": received.duplicates}

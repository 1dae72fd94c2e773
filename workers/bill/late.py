"""A call that was hedged and came too late: paid for, used by nobody, and written into the bill all the same.

The router calls it in the thread of that call, when the case has long gone on. Nobody waits for it, so a database that is
away is not waited for either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from integrations.models.base import ModelRequest, Usage
from workers.log import logger
from workers.store import bill
from workers.store.calls import HEDGED
from workers.store.database import Database, StoreUnavailable
from workers.telemetry import metrics


class Late:
    """Called with the request and what it used."""

    def __init__(self, db: Database, clock: Callable[[], datetime]) -> None:
        self._db = db
        self._clock = clock

    def __call__(self, request: ModelRequest[Any], usages: Sequence[Usage]) -> None:
        for used in usages:
            metrics.model_call(used, HEDGED)
        if not request.about.case_id:
            return
        try:
            with self._db.write() as tx:
                bill.add_late(tx, request.about.case_id, request.domain, request.task, usages, self._clock())
        except StoreUnavailable as error:
            logger.warning("late_call_not_billed", case_id=request.about.case_id, error=str(error))

"""A second machine whose clock is ahead: what is done meanwhile bears moments to come, in its times and in its ids."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from unittest.mock import patch

from sqlalchemy import select

from tests.kit.engine import Engine
from workers.store import actions, ids
from workers.store.records import Action
from workers.store.tables import actions as table

A_DAY = timedelta(days=1)


@contextmanager
def clock_ahead(engine: Engine, by: timedelta = A_DAY) -> Iterator[None]:
    """As long as this is open. Before and after it, the other machines' clocks go on as they were."""
    there = SimpleNamespace(time_ns=lambda: time.time_ns() + int(by.total_seconds()) * 10**9)
    with patch.object(ids, "time", there), patch.object(ids, "_SERIES", ids._Series()):
        engine.clock.now += by
        yield
        engine.clock.now -= by


def newest_here(engine: Engine) -> Action:
    """The last action that was drafted with a clock that goes right."""
    soon = ids.first_id("act", datetime.now(UTC) + timedelta(hours=1))
    with engine.system.db.read() as tx:
        newest = tx.execute(
            select(table.c.id).where(table.c.id < soon).order_by(table.c.id.desc()).limit(1)
        ).scalar_one()
        found = actions.get(tx, newest)
    assert found is not None
    return found

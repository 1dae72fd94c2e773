"""Waiting for what another thread or process will do, for as long as a busy machine may take over it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import text

from workers.store.database import Database

T = TypeVar("T")
#: far beyond what anything takes on a machine with nothing else to do: only what never comes fails
LONG = 60.0


def until(found: Callable[[], T], otherwise: str = "it does not come to it", *, seconds: float = LONG) -> T:
    """What `found` gives, once it is true."""
    deadline = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)
    return result


def waits_for_a_lock(db: Database) -> bool:
    """Whether somebody waits for another's transaction, on PostgreSQL."""
    with db.read() as tx:
        return tx.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one() > 0

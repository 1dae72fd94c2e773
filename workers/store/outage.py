"""Commits that are tried again while the database is away, because what they record was paid for or cannot be undone.

The pipeline and the ledger hand over commits that a fence guards. Such a commit may have been made though its answer was
lost with the connection; tried again it is then refused, or would write a step twice. `record` recognises its own step in
the journal and takes that for what it is: success. Nothing here may wrap a call to the outside.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import ParamSpec, TypeVar

import psycopg
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from workers.log import logger
from workers.store import audit, cases, flow
from workers.store.audit import Chain
from workers.store.cases import LostClaim
from workers.store.database import Database, StoreUnavailable
from workers.store.flow import Progress
from workers.store.records import Case
from workers.store.tables import steps

P = ParamSpec("P")
T = TypeVar("T")

#: below the lease, and below the time that a worker has to stop in
PATIENCE_SECONDS = 20.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0


def with_retries(commit: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call it until the database takes it, for `PATIENCE_SECONDS` at most. Raise `StoreUnavailable` after that.

    `commit` must bear being repeated after it was committed: a fence makes the repetition write nothing.
    """
    until, pause = time.monotonic() + PATIENCE_SECONDS, FIRST_PAUSE
    while True:
        try:
            return commit(*args, **kwargs)
        except StoreUnavailable as error:
            if time.monotonic() + pause > until:
                raise
            logger.warning("commit_tried_again", error=str(error), pause=pause)
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def retried(commit: Callable[P, T]) -> Callable[P, T]:
    """`with_retries`, as a decorator."""

    @wraps(commit)
    def until_taken(*args: P.args, **kwargs: P.kwargs) -> T:
        return with_retries(commit, *args, **kwargs)

    return until_taken


def record(db: Database, case: Case, chain: Chain, progress: Progress, *, now: datetime) -> tuple[Case, Chain]:
    """`flow.record`, tried again while the database is away. `progress` must hold a step. Raise `LostClaim`."""
    unanswered = False

    def attempt() -> tuple[Case, Chain]:
        nonlocal unanswered
        found = _recorded(db, case, progress) if unanswered else None
        if found is not None:
            return found
        try:
            return flow.record(db, case, chain, progress, now=now)
        except StoreUnavailable:
            unanswered = True
            raise
        except (LostClaim, IntegrityError, psycopg.IntegrityError):
            # The first try may have been still under way when we looked.
            found = _recorded(db, case, progress) if unanswered else None
            if found is None:
                raise
            return found

    return with_retries(attempt)


def _recorded(db: Database, case: Case, progress: Progress) -> tuple[Case, Chain] | None:
    """Where the case stands if an earlier try was committed: our own step is in the journal. Raise `LostClaim`."""
    with db.read() as tx:
        step = progress.steps[0]
        # Another worker's step of this name ended after our lease did.
        ours = tx.execute(
            select(steps.c.name).where(
                *(steps.c[name] == step[name] for name in ("case_id", "round", "name", "started_at", "finished_at"))
            )
        ).first()
        if ours is None:
            return None
        stands = cases.get(tx, case.id)
        end = audit.end_of(tx, case.id)
    if stands is None or (stands.claimed_by and (stands.version, stands.claimed_by) != (case.version, case.claimed_by)):
        raise LostClaim(f"case {case.id} was claimed by somebody else")
    return stands, end

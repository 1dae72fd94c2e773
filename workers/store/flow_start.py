"""An action that a hint told of, on PostgreSQL: read, and begun by the same statement where nothing that rows tell stands in the way.

What it comes to is told while it is being committed, so that whoever carries it out is prepared by then. And the hint may be there
before the yes is committed: then that is waited for first, by a statement of its own, since one statement sees what was committed when
it began and nothing later. Called by `workers.store.flow`; only what is committed when this returns was begun.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from psycopg.pq.abc import PGresult

from workers.store import flow_statements as statements
from workers.store.database import Database
from workers.store.flow_postgresql import as_begun, snapshot_in
from workers.store.flow_types import ActionSnapshot, OnBegin
from workers.store.ids import new_id
from workers.store.phrasing import Rows, bound, read
from workers.store.records import Action, Attempt


def start(
    db: Database,
    action_id: str,
    *,
    worker: str,
    now: datetime,
    lease: timedelta,
    policy: str,
    kinds: Sequence[str],
    unguarded: Sequence[str],
    versioned: Sequence[str],
    approving: bool = False,
    on_begin: OnBegin | None = None,
) -> tuple[ActionSnapshot, tuple[Action, Attempt] | None] | None:
    attempt = new_id("try")
    values = {
        "action": action_id,
        "worker": worker,
        "now": now,
        "until": now + lease,
        "attempt": attempt,
        "policy": policy,
        "kinds": list(kinds),
        "unguarded": list(unguarded),
        "versioned": list(versioned),
    }

    def made(rows: Rows) -> tuple[ActionSnapshot, tuple[Action, Attempt] | None] | None:
        number, *row = rows.fetchone() or (None,)
        snapshot = snapshot_in(tuple(row) or None)
        if snapshot is None or number is None:
            return None if snapshot is None else (snapshot, None)
        return snapshot, as_begun(snapshot.action, attempt, number, worker=worker, now=now, lease=lease)

    known = []

    def before_commit(result: PGresult) -> None:
        known.append(made(read(result)))
        if on_begin is not None and known[-1] is not None and known[-1][1] is not None:
            on_begin(known[-1][0], *known[-1][1])

    if approving:
        with db.direct() as alone:
            asked = [bound(statements.AWAITED, {"action": action_id}), bound(statements.START, values)]
            *_, result = alone.answers(asked, before_commit)
        rows = None if known else read(result)
    else:
        rows = db.ask("", statements.START, values, before_commit=before_commit)
    # What was told early is what was asked last, and committed.
    return known[-1] if known or rows is None else made(rows)

"""An action within limits, on PostgreSQL: what it uses up is added up, held and written with the action in two round trips,
where rules allow it and where a person says a plain yes.

The same steps as `workers.limits.reserving` takes one by one, in the same order: first the case, then the counters' turns, then
what is used up by now, then the row with what it holds, in one commit or not at all. Called by `conclusion` for what fits, and by
the inbox for what it can approve at once; whatever stands in the way is found out, and told, by the long way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb
from sqlalchemy import bindparam, select

from workers.store import flow_postgresql
from workers.store.audit import Chain
from workers.store.cases import LostClaim
from workers.store.database import Database
from workers.store.direct import Statements
from workers.store.flow_types import Consent, Progress
from workers.store.limits import GATE, LIVE, Holding, number_of
from workers.store.records import Action, ActionState, Case
from workers.store.tables import revisions

#: by counter: how many actions, and how much, count just now
Used = Mapping[str, tuple[int, int]]

_RECORD = select(revisions.c.record).where(
    revisions.c.action_id == bindparam("action"), revisions.c.revision == bindparam("of")
)
_HOLD_CASE = "SELECT FROM cases WHERE id = %(case)s FOR UPDATE"
_ENTER = "SELECT pg_advisory_xact_lock_shared(%(gate)s)"
_TURNS = "SELECT pg_advisory_xact_lock(number) FROM unnest(%(numbers)s::bigint[]) AS number"
#: as `limits.used` counts, for all counters at once
_USED = """
SELECT asked.counter, count(counting.minor), coalesce(sum(counting.minor), 0)
FROM unnest(%(counters)s::text[], %(since)s::timestamptz[]) AS asked (counter, since) LEFT JOIN LATERAL (
    SELECT u.minor FROM limit_uses u
    WHERE u.counter = asked.counter AND u.done_at > asked.since AND u.action_id <> %(action)s
    UNION ALL
    SELECT u.minor FROM limit_uses u LEFT JOIN actions a ON a.id = u.action_id
    WHERE u.counter = asked.counter AND u.done_at IS NULL AND u.action_id <> %(action)s AND (
        (a.id IS NULL AND u.at > asked.since) OR a.state = ANY(%(live)s) OR (a.state = %(done)s AND a.settled_at > asked.since))
) AS counting ON true
GROUP BY asked.counter"""


def record_of(db: Database, action: Action) -> Mapping[str, Any]:
    """The decision record of an action as it is now, with what it would use up of limits. Empty where it was erased."""
    with db.read() as tx:
        return tx.execute(_RECORD, {"action": action.id, "of": action.revision}).scalar() or {}


def approve(
    db: Database,
    action: Action,
    consent: Consent,
    holdings: Sequence[Holding],
    refused: Callable[[Used], bool],
    *,
    now: datetime,
) -> Action | None:
    """As `flow.approve`, holding what the action uses up. None, and nothing written, also where a limit refuses more."""
    values = _turns(action.case_id, action.id, holdings, now)
    spent = Jsonb([asdict(held) for held in holdings])
    statement, approving = flow_postgresql.approving(action, consent, now=now, spent=spent)
    approved = None
    try:
        with db.direct() as cursor, cursor.connection.pipeline() as line, cursor.connection.transaction():
            used = _in_turn(cursor, values)
            line.sync()
            if not refused(_by_counter(used)):
                approved = cursor.execute(statement, approving)
    except UniqueViolation:
        # Somebody else has written to the chain meanwhile, or the action holds something already.
        return None
    row = approved.fetchone() if approved is not None else None
    return Action(*row) if row is not None else None


def record(
    db: Database,
    case: Case,
    chain: Chain,
    action_id: str,
    holdings: Sequence[Holding],
    made: Callable[[Used], Progress | None],
    *,
    now: datetime,
) -> tuple[Case, Chain] | None:
    """As `flow.record`, holding what one action uses up; `made` says what is written when so much is used up already.

    None, and nothing written, where that is nothing, and where somebody else has written to the chain. Raise `LostClaim`.
    """
    values = _turns(case.id, action_id, holdings, now)
    spent = Jsonb([asdict(held) for held in holdings])
    after, moved = chain, None
    try:
        with db.direct() as cursor, cursor.connection.pipeline() as line, cursor.connection.transaction():
            used = _in_turn(cursor, values)
            line.sync()
            progress = made(_by_counter(used))
            if progress is not None:
                statement, recording, after = flow_postgresql.recording(case, chain, progress, now=now, spent=spent)
                moved = cursor.execute(statement, recording)
    except UniqueViolation:
        return None
    if moved is None:
        return None
    row = moved.fetchone()
    if row is None:
        raise LostClaim(f"case {case.id} was claimed by somebody else")
    return Case(*row), after


def _turns(case_id: str, action_id: str, holdings: Sequence[Holding], now: datetime) -> dict[str, Any]:
    return {
        "case": case_id,
        "action": action_id,
        "gate": GATE,
        "numbers": sorted({number_of(held.counter) for held in holdings}),
        "counters": [held.counter for held in holdings],
        "since": [now - timedelta(minutes=held.window_minutes) for held in holdings],
        "live": list(LIVE),
        "done": ActionState.DONE,
    }


def _in_turn(cursor: Statements, values: Mapping[str, Any]) -> Any:
    """Each sees what was committed before it began: the sum is made when the turns are taken."""
    for waiting in (_HOLD_CASE, _ENTER, _TURNS):
        cursor.execute(waiting, values)
    return cursor.execute(_USED, values)


def _by_counter(used: Any) -> Used:
    return {counter: (count, int(minor)) for counter, count, minor in used.fetchall()}

"""An action within limits, on PostgreSQL: its turn, the look whether there is room, what it holds and the action itself are one
round trip, where rules allow it and where a person says a plain yes.

The same steps as `workers.limits.reserving` takes one by one, in the same order: first the case, then the counters' turns, then
what is used up by now, then the row with what it holds, in one commit or not at all. While a counter's turn lasts nothing of ours
runs: everybody who reserves from it waits. Called by `conclusion` for what fits, and by the inbox for what it can approve at once;
whatever stands in the way is found out, and told, by the long way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.errors import DivisionByZero, UniqueViolation
from psycopg.types.json import Jsonb
from sqlalchemy import bindparam, select

from workers.store import flow_postgresql
from workers.store.audit import Chain
from workers.store.cases import LostClaim
from workers.store.database import Database
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
_COUNTED = """LATERAL (
    SELECT count(*) AS times, coalesce(sum(counting.minor), 0) AS minor FROM (
    SELECT u.minor FROM limit_uses u
    WHERE u.counter = asked.counter AND u.done_at > asked.since AND u.action_id <> %(action)s
    UNION ALL
    SELECT u.minor FROM limit_uses u LEFT JOIN actions a ON a.id = u.action_id
    WHERE u.counter = asked.counter AND u.done_at IS NULL AND u.action_id <> %(action)s AND (
        (a.id IS NULL AND u.at > asked.since) OR a.state = ANY(%(live)s) OR (a.state = %(done)s AND a.settled_at > asked.since))
    ) AS counting
) AS used"""
_USED = f"""
SELECT asked.counter, used.times, used.minor
FROM unnest(%(counters)s::text[], %(since)s::timestamptz[]) AS asked (counter, since), {_COUNTED}"""  # noqa: S608 - made of constants
#: fails where there is no room, so that nothing after it is carried out
_ROOM = f"""
SELECT 1 / coalesce(bool_and(coalesce(used.times < asked.most, true) AND coalesce(used.minor <= asked.minor, true)), true)::int
FROM unnest(%(counters)s::text[], %(since)s::timestamptz[], %(most)s::bigint[], %(minor)s::bigint[])
    AS asked (counter, since, most, minor), {_COUNTED}"""  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True)
class Room:
    """What must be left of one counter for an action to fit: fewer than `most` uses before it, of `minor` units at most."""

    counter: str
    window_minutes: int
    most: int | None
    minor: int | None


def record_of(db: Database, action: Action) -> Mapping[str, Any]:
    """The decision record of an action as it is now, with what it would use up of limits. Empty where it was erased."""
    with db.read() as tx:
        return tx.execute(_RECORD, {"action": action.id, "of": action.revision}).scalar() or {}


def approve(
    db: Database,
    action: Action,
    consent: Consent,
    holdings: Sequence[Holding],
    rooms: Sequence[Room],
    *,
    now: datetime,
) -> Action | None:
    """As `flow.approve`, holding what the action uses up. None, and nothing written, also where there is no room."""
    spent = Jsonb([asdict(held) for held in holdings])
    statement, values = flow_postgresql.approving(action, consent, now=now, spent=spent)
    row = _in_turn(db, action.case_id, action.id, holdings, rooms, now, statement, values)
    return Action(*row) if row else None


def record(
    db: Database,
    case: Case,
    chain: Chain,
    action_id: str,
    holdings: Sequence[Holding],
    rooms: Sequence[Room],
    made: Callable[[Used], Progress | None],
    *,
    now: datetime,
) -> tuple[Case, Chain] | None:
    """As `flow.record`, holding what one action uses up. `made` says what is written when so much is used up, as it is read
    before the turn; that there is room is looked at again in turn.

    None, and nothing written, where `made` gives none, where there is no room, and where somebody else has written to the
    chain. Raise `LostClaim`.
    """
    asked = {"action": action_id, "live": list(LIVE), "done": ActionState.DONE, **_counters(rooms, now)}
    with db.direct() as cursor:
        used = {counter: (times, int(minor)) for counter, times, minor in cursor.execute(_USED, asked).fetchall()}
    progress = made(used)
    if progress is None:
        return None
    spent = Jsonb([asdict(held) for held in holdings])
    statement, values, after = flow_postgresql.recording(case, chain, progress, now=now, spent=spent)
    row = _in_turn(db, case.id, action_id, holdings, rooms, now, statement, values)
    if row is None:
        return None
    if not row:
        raise LostClaim(f"case {case.id} was claimed by somebody else")
    return Case(*row), after


def _in_turn(
    db: Database,
    case_id: str,
    action_id: str,
    holdings: Sequence[Holding],
    rooms: Sequence[Room],
    now: datetime,
    statement: str,
    values: Mapping[str, Any],
) -> tuple[Any, ...] | None:
    """Carry out a statement when it is the action's turn and there is room. Its row, empty where it found nothing to change;
    None, and nothing written, where there is no room, the action holds something already or the chain has gone on.

    Each statement sees what was committed before it began: it is added up when the turns are taken.
    """
    turns = {
        "case": case_id,
        "action": action_id,
        "gate": GATE,
        "numbers": sorted({number_of(held.counter) for held in holdings}),
        "live": list(LIVE),
        "done": ActionState.DONE,
        "most": [room.most for room in rooms],
        "minor": [room.minor for room in rooms],
        **_counters(rooms, now),
    }
    try:
        with db.direct() as cursor:
            before = [(one, turns) for one in (_HOLD_CASE, _ENTER, _TURNS, _ROOM)]
            return cursor.together([*before, (statement, values)])[-1].fetchone() or ()
    except (DivisionByZero, UniqueViolation):
        return None


def _counters(rooms: Sequence[Room], now: datetime) -> dict[str, Any]:
    return {
        "counters": [room.counter for room in rooms],
        "since": [now - timedelta(minutes=room.window_minutes) for room in rooms],
    }

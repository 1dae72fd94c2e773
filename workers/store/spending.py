"""An action within limits, on PostgreSQL: its counters' turns, the look whether there is room, what it holds and the action itself
are one statement, where rules allow it and where a person says a plain yes.

The same steps as `workers.limits.reserving` takes one by one (`limit_statements`), in one commit or not at all. While a counter's
turn lasts nothing of ours runs: everybody who reserves from it waits. Called by `conclusion` for what fits, and by the inbox for
what it can approve at once; whatever stands in the way is found out, and told, by the long way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.errors import DivisionByZero, UniqueViolation
from pydantic_core import to_json

from workers.store import flow_postgresql
from workers.store.audit import Chain
from workers.store.cases import LostClaim
from workers.store.database import Database
from workers.store.flow_types import Consent, Progress
from workers.store.limits import Holding
from workers.store.records import Action, Case

#: by counter: how many uses it has, and what they come to
Used = Mapping[int, tuple[int, int]]

_TOTALS = "SELECT counter, times, minor FROM limit_counters WHERE counter = ANY(%(counters)s::bigint[])"


@dataclass(frozen=True, slots=True)
class Room:
    """What must be left of one counter for an action to fit: fewer than `most` uses before it, of `minor` units at most."""

    counter: int
    most: int | None
    minor: int | None


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
    statement, values = flow_postgresql.approving(action, consent, now=now, spent=_spent(holdings, rooms))
    row = _unless_refused(db, statement, values)
    return Action(*row) if row else None


def record(
    db: Database,
    case: Case,
    chain: Chain,
    holdings: Sequence[Holding],
    rooms: Sequence[Room],
    made: Callable[[Used], Progress | None],
    *,
    now: datetime,
) -> tuple[Case, Chain] | None:
    """As `flow.record`, holding what one action uses up. `made` says what is written when so much is used up, as the counters
    tell before the turn; that there is room is looked at again in turn.

    None, and nothing written, where `made` gives none, where there is no room, and where somebody else has written to the
    chain. Raise `LostClaim`.
    """
    asked = {"counters": "{" + ",".join(str(held.counter) for held in holdings) + "}"}
    used = {counter: (times, minor) for counter, times, minor in db.ask("", _TOTALS, asked)}
    progress = made(used)
    if progress is None:
        return None
    spent = _spent(holdings, rooms)
    statement, values, after = flow_postgresql.recording(case, chain, progress, now=now, spent=spent)
    row = _unless_refused(db, statement, values)
    if row is None:
        return None
    if not row:
        raise LostClaim(f"case {case.id} was claimed by somebody else")
    return Case(*row), after


def _unless_refused(db: Database, statement: str, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """A statement's row, empty where it found nothing to change. None, and nothing written, where there is no room, the action
    holds something already or the chain has gone on."""
    try:
        return db.ask(values["spent"], statement, values, in_turn=True).fetchone() or ()
    except (DivisionByZero, UniqueViolation):
        return None


def _spent(holdings: Sequence[Holding], rooms: Sequence[Room]) -> str:
    """What is held, and what must be left for it, in the order in which turns are taken."""
    left = {room.counter: room for room in rooms}
    return to_json(
        [
            {
                "counter": held.counter,
                "ref": held.limit_ref,
                "minutes": held.window_minutes,
                "minor": held.minor,
                "action": held.action_id,
                **({"most": room.most, "room": room.minor} if (room := left.get(held.counter)) is not None else {}),
            }
            for held in sorted(holdings, key=lambda held: held.counter)
        ]
    ).decode()

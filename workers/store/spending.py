"""An action within limits, on PostgreSQL: its counters' turns, the look whether there is room, what it holds and the action itself
are one statement, where rules allow it and where a person says a plain yes.

The same steps as `workers.limits.reserving` takes one by one (`limit_statements`), in one commit or not at all. While a counter's
turn lasts nothing of ours runs: everybody who reserves from it waits. Called by `conclusion` for what fits, and by the inbox for
what it can approve at once; whatever stands in the way is found out, and told, by the long way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg.errors import DivisionByZero, UniqueViolation

from workers.store import flow_postgresql
from workers.store.audit import Chain
from workers.store.cases import LostClaim
from workers.store.database import Database
from workers.store.flow_types import Announcement, Consent, Progress
from workers.store.limit_shares import Holding
from workers.store.limit_statements import Room, told
from workers.store.records import Action, Case

__all__ = ["Room", "Used", "approve", "record"]

#: by counter: how many uses it has, and what they come to
Used = Mapping[int, tuple[int, int]]

_COUNTER = "pk_limit_counters"
_TOTALS = "SELECT counter, times, minor FROM limit_counters WHERE counter = ANY(%(counters)s::bigint[])"


def approve(
    db: Database,
    action: Action,
    consent: Consent,
    holdings: Sequence[Holding],
    rooms: Sequence[Room],
    *,
    now: datetime,
    announcement: Announcement | None = None,
) -> Action | None:
    """As `flow.approve`, holding what the action uses up. None, and nothing written, also where there is no room."""
    spent = told(holdings, rooms, now)
    statement, values = flow_postgresql.approving(action, consent, now=now, spent=spent)
    row = _unless_refused(db, statement, values, announcement, again=True)
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
    spent = told(holdings, rooms, now, used)
    statement, values, after = flow_postgresql.recording(case, chain, progress, now=now, spent=spent)
    row = _unless_refused(db, statement, values)
    if row is None:
        return None
    if not row:
        raise LostClaim(f"case {case.id} was claimed by somebody else")
    return Case(*row), after


def _unless_refused(
    db: Database,
    statement: str,
    values: Mapping[str, Any],
    announcement: Announcement | None = None,
    *,
    again: bool = False,
) -> tuple[Any, ...] | None:
    """A statement's row, empty where it found nothing to change. None, and nothing written, where there is no room, the action
    holds something already, a counter has just come or gone, or the chain has gone on. `again`: it is asked once more where a
    counter has just come, as it takes those that are there too."""
    telling = flow_postgresql.telling(announcement, values)
    try:
        return db.ask(values["spent"], statement, values, in_turn=True, **telling).fetchone() or ()
    except DivisionByZero:
        return None
    except UniqueViolation as error:
        if again and error.diag.constraint_name == _COUNTER:
            if announcement is not None:
                announcement.withdraw()
            return _unless_refused(db, statement, values, announcement)
        return None

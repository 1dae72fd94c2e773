"""Named queries on cases: opening, joining, claiming with a fence, moving on, parking.

`claim` raises `version`; every later write of that worker goes through `move`, which asserts it and raises `LostClaim`
when somebody else has claimed the case since. Joining events change neither version nor lease, so that a new message
never throws away an answer that a model was paid for; the worker sees `events_total` and starts a new round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import RowMapping, Text, bindparam, cast, func, literal_column, or_, select, update
from sqlalchemy import case as sql_case

from workers.store import unsettled
from workers.store.database import Tx
from workers.store.records import Case, CaseState
from workers.store.rows import columns, many, one
from workers.store.tables import actions, cases

_COLUMNS = columns(cases, Case)
_OPEN = cases.c.closed_at.is_(None)
# Of a case that is named by its id: in words that no partial index knows. A plan made while little was open, or claimed, would
# go through all that is, to find the one.
_THIS_OPEN = cast(cases.c.closed_at, Text).is_(None)
_THIS_CLAIMED = func.coalesce(cases.c.claimed_by, "") != ""

# Statements of the door are built once: building them anew costs as much as running them.
_NOW = bindparam("now", type_=cases.c.updated_at.type)
_UNTIL = bindparam("until", type_=cases.c.held_until.type)
_THIS = cases.alias("this")
_UNHELD = or_(cases.c.held_until.is_(None), cases.c.held_until <= _NOW)
# Values that stand in the text are for an index that knows nothing else.
_URGENT = (
    select(cases.c.id, cases.c.customer, cases.c.source)
    .where(
        cases.c.priority == literal_column("'urgent'"),
        cases.c.claimed_by.is_(None),
        cases.c.wake_at <= _NOW,
        _UNHELD,
        _OPEN,
        cases.c.domain == select(_THIS.c.domain).where(_THIS.c.id == bindparam("case")).scalar_subquery(),
    )
    .order_by(cases.c.wake_at)
    .limit(1)
)
_URGENT_OF_OTHERS = _URGENT.where(
    *(cases.c[column].not_in(bindparam(column, expanding=True)) for column in ("customer", "source"))
)
_ASKED_FOR = select(cases.c.id, cases.c.customer, cases.c.source).where(cases.c.id == bindparam("case"))
_IN_WORK = {
    column: select(func.count()).where(
        cases.c[column] == bindparam("whose"),
        cases.c[column] != literal_column("''"),
        cases.c.claimed_by.is_not(None),
        or_(cases.c.wake_at > _NOW, cases.c.held_until > _NOW),
        cases.c.wake_at.is_not(None),
        cases.c.outcome.is_(None),
    )
    for column in ("customer", "source")
}
_CLAIM = (
    update(cases)
    .where(cases.c.id == bindparam("case_id"), cases.c.wake_at <= _NOW, _UNHELD, _OPEN)
    .values(
        claimed_by=bindparam("worker"),
        claims=cases.c.claims + 1,
        version=cases.c.version + 1,
        held_until=_UNTIL,
        state=CaseState.WORKING,
    )
    .returning(*_COLUMNS)
)
# One for each and not one for all: a process may hold a thousand, and so long a condition is more than SQLite takes.
# Where sources have a cap, the timer is set ahead with the lease. One that somebody holds just now is left to the next time, or
# all would wait for it.
_RENEW = (
    update(cases)
    .where(
        cases.c.id
        == select(cases.c.id).where(cases.c.id == bindparam("of")).with_for_update(skip_locked=True).scalar_subquery(),
        cases.c.version == bindparam("at"),
        _THIS_CLAIMED,
    )
    .values(held_until=_UNTIL, wake_at=sql_case((cases.c.wake_at == cases.c.held_until, _UNTIL), else_=cases.c.wake_at))
)
_GET = select(*_COLUMNS).where(cases.c.id == bindparam("case_id"))
_LOCK = _GET.with_for_update()


class LostClaim(Exception):
    """The lease ran out and somebody else took over. Nothing of this commit was kept."""


def claim(tx: Tx, case_id: str, *, worker: str, now: datetime, lease: timedelta) -> Case | None:
    """Take a due case for `lease`, raising its fence; None when it is not due or another worker has it."""
    bound = {"case_id": case_id, "now": now, "worker": worker, "until": now + lease}
    return one(Case, tx.execute(_CLAIM, bound).first())


def renew(tx: Tx, held: Mapping[str, int], *, until: datetime) -> None:
    """Prolong the leases of the cases that this process works on."""
    if held:
        tx.execute(_RENEW, [{"of": i, "at": version, "until": until} for i, version in held.items()])


def to_be_claimed(tx: Tx, case_id: str, now: datetime, *, customer: int, source: int) -> str | None:
    """An urgent case of the same domain that is due and that nobody works on, else the case itself; None where its customer or
    source has as many in work as its cap allows, 0 being none. An urgent one that a cap holds back keeps nobody else's waiting."""
    caps = {"customer": customer, "source": source}
    full: dict[str, list[str]] = {column: [] for column in caps}

    def is_held_back(whose: RowMapping) -> bool:
        for column, cap in caps.items():
            if cap and (tx.execute(_IN_WORK[column], {"whose": whose[column], "now": now}).scalar() or 0) >= cap:
                full[column].append(whose[column])
                return True
        return False

    bound: dict[str, Any] = {"case": case_id, "now": now}
    urgent = tx.execute(_URGENT, bound).mappings().first()
    while urgent is not None:
        if not is_held_back(urgent):
            return str(urgent["id"])
        # Of one whose cap is reached there may be thousands: they are passed by together.
        urgent = tx.execute(_URGENT_OF_OTHERS, bound | full).mappings().first()
    asked_for = tx.execute(_ASKED_FOR, {"case": case_id}).mappings().first()
    return None if asked_for is None or is_held_back(asked_for) else str(asked_for["id"])


def move(tx: Tx, case: Case, *, now: datetime, **changes: Any) -> Case:
    """Write to a claimed case, asserting the fence; progress resets the claim counter. Raise `LostClaim`."""
    values = {"claims": 0, "waits": 0, "waiting_for": None, "updated_at": now, **changes}
    row = tx.execute(_fenced(tuple(values)), _bound(values, case_id=case.id, case_version=case.version)).first()
    if row is None:
        raise LostClaim(f"case {case.id} was claimed by somebody else")
    return Case(*row)


def release(tx: Tx, case: Case, *, state: CaseState, wake_at: datetime | None, now: datetime, **changes: Any) -> Case:
    """End the claim. A case that an event joined since `case` was read is due at once. Raise `LostClaim`."""
    values = {"state": state, "claimed_by": None, "claims": 0, "updated_at": now, **changes}
    bound = _bound(
        values,
        case_id=case.id,
        case_version=case.version,
        known_events=case.events_total,
        now=now,
        parked_until=wake_at,
    )
    row = tx.execute(_released(tuple(values)), bound).first()
    if row is None:
        raise LostClaim(f"case {case.id} was claimed by somebody else")
    return Case(*row)


def change(tx: Tx, case_id: str, *, now: datetime, **changes: Any) -> Case | None:
    """Write to an open, unclaimed case (a decision, an outcome); None when it is claimed or closed.

    Raising the version here fences off a worker whose lease ran out and who still believes in its claim.
    """
    values = {"updated_at": now, **changes}
    if values.get("wake_at", now) is None and "closed_at" not in values:
        unsettled.show(tx, case_id)
    return one(Case, tx.execute(_unclaimed(tuple(values)), _bound(values, case_id=case_id)).first())


# Statements are built once for each set of columns: building them anew costs more than running them.


@cache
def _fenced(names: tuple[str, ...]) -> Any:
    return (
        update(cases)
        .where(
            cases.c.id == bindparam("case_id"),
            cases.c.version == bindparam("case_version"),
            _THIS_CLAIMED,
        )
        .values(**_assigned(names))
        .returning(*_COLUMNS)
    )


@cache
def _released(names: tuple[str, ...]) -> Any:
    joined = cases.c.events_total > bindparam("known_events")
    parked = bindparam("parked_until", type_=cases.c.wake_at.type)
    return _fenced(names).values(wake_at=sql_case((joined, _NOW), else_=parked), held_until=None)


@cache
def _unclaimed(names: tuple[str, ...]) -> Any:
    return (
        update(cases)
        .where(cases.c.id == bindparam("case_id"), _THIS_OPEN, cases.c.claimed_by.is_(None))
        .values(version=cases.c.version + 1, **_assigned(names))
        .returning(*_COLUMNS)
    )


def _assigned(names: tuple[str, ...]) -> dict[str, Any]:
    # Whoever sets the timer means it: what the case was held for before is over.
    return ({"held_until": None} if "wake_at" in names else {}) | {
        name: bindparam(f"set_{name}", type_=cases.c[name].type) for name in names
    }


def _bound(values: Mapping[str, Any], **others: Any) -> dict[str, Any]:
    return {**{f"set_{name}": value for name, value in values.items()}, **others}


def call_attention(tx: Tx, case_id: str, why: str, *, now: datetime) -> Case | None:
    """Say why a person should look, whoever holds the case. Disturbs no claim."""
    row = tx.execute(
        update(cases)
        .where(cases.c.id == case_id, _THIS_OPEN)
        .values(attention=why, updated_at=now)
        .returning(*_COLUMNS)
    ).first()
    return one(Case, row)


def lock(tx: Tx, case_id: str) -> Case | None:
    """Read a case and hold its row until commit, so that two actions of one case settle one after the other."""
    return one(Case, tx.execute(_LOCK, {"case_id": case_id}).first())


def free_all(tx: Tx, now: datetime) -> int:
    """End every claim on cases and actions at once. Only for the process that is known to be alone on its database."""
    claimed = update(cases).where(cases.c.claimed_by.is_not(None))
    freed = tx.execute(claimed.values(wake_at=now, held_until=None)).rowcount
    ahead = func.coalesce(actions.c.wake_at, actions.c.held_until) > now
    under_way = update(actions).where(actions.c.id.in_(unsettled.under_way()), ahead)
    return freed + tx.execute(under_way.values(wake_at=now, standing=actions.c.state)).rowcount


def get(tx: Tx, case_id: str) -> Case | None:
    return one(Case, tx.execute(_GET, {"case_id": case_id}).first())


def due(tx: Tx, now: datetime, limit: int) -> list[tuple[str, str]]:
    """(id, domain) of cases whose time has come, longest waiting first."""
    query = select(cases.c.id, cases.c.domain).where(cases.c.wake_at <= _NOW, _UNHELD).order_by(cases.c.wake_at)
    return [(row[0], row[1]) for row in tx.execute(query.limit(limit), {"now": now})]


def listing(
    tx: Tx, *, states: Sequence[str] = (), domain: str | None = None, limit: int = 50, before: str | None = None
) -> list[Case]:
    """Newest first. `before` is a case id to page on from."""
    query = select(*_COLUMNS).order_by(cases.c.id.desc()).limit(limit)
    if states:
        query = query.where(cases.c.state.in_(states))
    if domain:
        query = query.where(cases.c.domain == domain)
    if before:
        query = query.where(cases.c.id < before)
    return many(Case, tx.execute(query).all())


def needing_attention(tx: Tx, *, domain: str | None = None, limit: int | None = None) -> list[Case]:
    """Open cases that ask for a person although no action of theirs is pending, the longest open first."""
    query = select(*_COLUMNS).where(cases.c.attention.is_not(None), _OPEN).order_by(cases.c.opened_at).limit(limit)
    if domain:
        query = query.where(cases.c.domain == domain)
    return many(Case, tx.execute(query).all())


def on_subject(tx: Tx, subject: str) -> Case | None:
    """The newest case on a subject, open or closed."""
    query = select(*_COLUMNS).where(cases.c.subject == subject).limit(1)
    # Open and closed ones are in indexes of their own.
    row = tx.execute(query.where(_OPEN).order_by(cases.c.opened_at.desc())).first()
    closed = query.where(cases.c.closed_at.is_not(None)).order_by(cases.c.closed_at.desc())
    return one(Case, row if row is not None else tx.execute(closed).first())


def find_open(tx: Tx, domain: str, subject: str) -> Case | None:
    query = select(*_COLUMNS).where(cases.c.domain == domain, cases.c.subject == subject, _OPEN)
    return one(Case, tx.execute(query).first())

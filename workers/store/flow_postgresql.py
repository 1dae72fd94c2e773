"""The commits of the flow on PostgreSQL, one statement each: data-modifying CTEs that all hang on the fence.

Every other part of a statement selects from the row that the fence let through, so a worker that lost its claim writes
nothing. The chain of the audit log is fenced by its own unique key: when somebody else has written to it meanwhile, the
statement fails as a whole, the end of the chain is read again and the statement repeated. Called by `workers.store.flow`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from psycopg.errors import UniqueViolation
from sqlalchemy import Table

from workers.store import events as all_events
from workers.store import tables
from workers.store.audit import Chain, linked
from workers.store.cases import LostClaim
from workers.store.columns import UtcDateTime
from workers.store.database import Database
from workers.store.flow_types import Caps, Claimed, Ending, Errand, Progress
from workers.store.ids import new_id
from workers.store.records import Action, Attempt, Case, CaseState, Event, Switch

#: how often a chain that others write to is read again before giving up
MOST_REPEATS = 5


def claim(db: Database, case_id: str, *, worker: str, now: datetime, lease: timedelta, caps: Caps) -> Claimed | None:
    values = {
        "case": case_id,
        "worker": worker,
        "now": now,
        "until": now + lease,
        "customer_cap": caps.customer,
        "source_cap": caps.source,
    }
    with db.direct() as cursor:
        row = cursor.execute(_claim(bool(caps.customer), bool(caps.source)), values).fetchone()
    if row is None:
        return None
    width = len(fields(Case))
    case = Case(*row[:width])
    seq, digest, thread = row[width:]
    events = [_record(Event, tables.events, item) for item in thread or ()]
    if len(events) != case.events_total:
        # The claim waited for an event that joined at this moment: it sees the count of then, and the events of before.
        with db.read() as tx:
            events = all_events.of_case(tx, case.id)
    return Claimed(case, events, Chain(seq or 0, digest))


def record(db: Database, case: Case, chain: Chain, progress: Progress, *, now: datetime) -> tuple[Case, Chain]:
    """Raise `LostClaim` where the fence held it back (or an event joined, for what must not be written then)."""
    changes = {"claims": 0, "waits": 0, "waiting_for": None, "updated_at": now, **progress.changes}
    parts = {
        "steps": progress.steps,
        "model_usage": progress.usage,
        "facts": progress.facts,
        "actions": progress.actions,
        "revisions": progress.revisions,
    }
    present = tuple(name for name, rows in parts.items() if rows)
    statement = _record_statement(tuple(changes), present, bool(progress.notes), progress.unjoined)
    values: dict[str, Any] = {f"set_{name}": value for name, value in changes.items()}
    values |= {name: _json(parts[name]) for name in present}
    values |= {"case": case.id, "version": case.version, "events_total": case.events_total}
    return _with_chain(db, statement, values, case, chain, progress, now)


def _with_chain(
    db: Database,
    statement: str,
    values: dict[str, Any],
    case: Case,
    chain: Chain,
    progress: Progress,
    now: datetime,
) -> tuple[Case, Chain]:
    for repeat in range(MOST_REPEATS):
        if progress.notes:
            entries, after = linked(case.id, chain, now, progress.notes)
            values |= {"audit": _json(entries), "chain_seq": after.seq, "chain_hash": after.hash}
        else:
            after = chain
        try:
            with db.direct() as cursor:
                row = cursor.execute(statement, values).fetchone()
        except UniqueViolation as error:
            if error.diag.constraint_name != "uq_audit_chain_seq" or repeat == MOST_REPEATS - 1:
                raise
            chain = _end_of(db, case.id)
            continue
        if row is None:
            raise LostClaim(f"case {case.id} was claimed by somebody else")
        return Case(*row), after
    raise AssertionError("unreachable")


def errand(db: Database, action_id: str) -> Errand | None:
    with db.direct() as cursor:
        row = cursor.execute(_ERRAND, {"action": action_id}).fetchone()
    if row is None:
        return None
    first, second = len(fields(Action)), len(fields(Action)) + len(fields(Case))
    seq, digest, others, switch = row[second:]
    return Errand(
        action=Action(*row[:first]),
        case=Case(*row[first:second]),
        others=[_record(Action, tables.actions, item) for item in others or ()],
        switch=_record(Switch, tables.switches, switch) if switch else None,
        chain=Chain(seq or 0, digest),
    )


def begin(
    db: Database, action: Action, *, worker: str, now: datetime, lease: timedelta
) -> tuple[Action, Attempt] | None:
    attempt = new_id("try")
    values = {
        "action": action.id,
        "state": action.state,
        "version": action.version,
        "digest": action.digest,
        "worker": worker,
        "now": now,
        "until": now + lease,
        "attempt": attempt,
    }
    with db.direct() as cursor:
        row = cursor.execute(_BEGIN, values).fetchone()
    if row is None:
        return None
    started = Action(*row[:-1])
    return started, Attempt(attempt, started.id, row[-1], started.id, started.digest, now, None, None, None, None)


def end(db: Database, action: Action, ending: Ending, *, now: datetime) -> bool:
    """False where the action or its case is no longer as it was read: nothing is written then."""
    entries, after = linked(action.case_id, ending.chain, now, ending.notes)
    values: dict[str, Any] = {
        **{f"act_{name}": value for name, value in _adapted(ending.changes).items()},
        **{f"set_{name}": value for name, value in ending.case_changes.items()},
        "action": action.id,
        "state": action.state,
        "version": action.version,
        "digest": action.digest,
        "case": action.case_id,
        "case_version": ending.case.version,
        "events_total": ending.case.events_total,
        "now": now,
        "outcome": ending.outcome,
        "receipt": None if ending.receipt is None else _json(ending.receipt),
        "error": ending.error,
        "audit": _json(entries),
        "chain_seq": after.seq,
        "chain_hash": after.hash,
    }
    try:
        with db.direct() as cursor:
            row = cursor.execute(_end(tuple(ending.changes), tuple(ending.case_changes)), values).fetchone()
    except UniqueViolation as error:
        if error.diag.constraint_name != "uq_audit_chain_seq":
            raise
        return False
    return row is not None


def live_on(db: Database, kinds: Sequence[str], targets: Sequence[str]) -> dict[tuple[str, str], int]:
    with db.direct() as cursor:
        rows = cursor.execute(_LIVE_ON, {"targets": list(targets), "kinds": list(kinds)}).fetchall()
    return {(kind, target): count for kind, target, count in rows}


def _end_of(db: Database, case_id: str) -> Chain:
    with db.direct() as cursor:
        row = cursor.execute("SELECT seq, hash FROM audit_heads WHERE chain = %s", (case_id,)).fetchone()
    return Chain(*row) if row is not None else Chain(0, None)


# ── statements ───────────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def _claim(customer_cap: bool, source_cap: bool) -> str:
    """The hinted case, or one of its domain that is urgent and due: a hint is a place at work, and urgent ones go first."""
    capped = ""
    if customer_cap:
        capped += """
          AND (c.customer = '' OR (SELECT count(*) FROM cases o
               WHERE o.claimed_by IS NOT NULL AND o.wake_at > %(now)s AND o.customer = c.customer) < %(customer_cap)s)"""
    if source_cap:
        capped += """
          AND (SELECT count(*) FROM cases o
               WHERE o.claimed_by IS NOT NULL AND o.wake_at > %(now)s AND o.source = c.source) < %(source_cap)s"""
    return f"""
WITH urgent AS (
    SELECT c.id FROM cases c
    WHERE c.priority = 'urgent' AND c.claimed_by IS NULL AND c.wake_at <= %(now)s AND c.closed_at IS NULL
      AND c.domain = (SELECT domain FROM cases WHERE id = %(case)s){capped}
    ORDER BY c.wake_at LIMIT 1 FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE cases c SET claimed_by = %(worker)s, claims = c.claims + 1, version = c.version + 1, wake_at = %(until)s,
        state = '{CaseState.WORKING}'
    WHERE c.id = COALESCE((SELECT id FROM urgent), %(case)s) AND c.wake_at <= %(now)s AND c.closed_at IS NULL{capped}
    RETURNING {_columns(Case, "c")}
)
SELECT claimed.*, h.seq, h.hash, (
    SELECT jsonb_agg({_object(Event, "e")} ORDER BY e.position) FROM events e WHERE e.case_id = claimed.id
) FROM claimed LEFT JOIN audit_heads h ON h.chain = claimed.id"""


@cache
def _record_statement(changes: tuple[str, ...], parts: tuple[str, ...], notes: bool, unjoined: bool) -> str:
    inserts = [_insert(getattr(tables, name), name, "moved") for name in parts]
    if notes:
        inserts += _append("moved")
    joined = "AND events_total = %(events_total)s" if unjoined else ""
    return (
        ",\n".join(
            [
                f"""WITH moved AS (
    UPDATE cases SET {_assignments(changes, "set_")}
    WHERE id = %(case)s AND version = %(version)s AND claimed_by IS NOT NULL {joined}
    RETURNING {_columns(Case, "cases")}
)""",
                *inserts,
            ]
        )
        + "\nSELECT * FROM moved"
    )


_ERRAND = """
SELECT {action}, {case}, h.seq, h.hash,
    (SELECT jsonb_agg({other} ORDER BY o.round, o.ordinal) FROM actions o WHERE o.case_id = a.case_id AND o.id <> a.id),
    (SELECT to_jsonb(s) FROM switches s WHERE s.scope IN ('all', 'domain:' || c.domain, 'action:' || a.kind) LIMIT 1)
FROM actions a JOIN cases c ON c.id = a.case_id LEFT JOIN audit_heads h ON h.chain = c.id
WHERE a.id = %(action)s"""

_BEGIN = """
WITH started AS (
    UPDATE actions SET state = 'executing', claimed_by = %(worker)s, wake_at = %(until)s, tries = tries + 1,
        waiting_for = NULL, version = version + 1, updated_at = %(now)s
    WHERE id = %(action)s AND state = %(state)s AND version = %(version)s AND digest = %(digest)s
    RETURNING {action}
), tried AS (
    INSERT INTO attempts (id, action_id, number, key, digest, started_at)
    SELECT %(attempt)s, id, 1 + (SELECT count(*) FROM attempts WHERE action_id = %(action)s), id, digest, %(now)s
    FROM started RETURNING number
)
SELECT started.*, tried.number FROM started, tried"""

_LIVE_ON = """
SELECT kind, target, count(*) FROM actions
WHERE target = ANY(%(targets)s) AND kind = ANY(%(kinds)s) AND state IN ('approved', 'executing', 'done', 'uncertain')
GROUP BY kind, target"""


@cache
def _end(changes: tuple[str, ...], case_changes: tuple[str, ...]) -> str:
    parts = [
        """WITH held AS (
    SELECT id FROM cases
    WHERE id = %(case)s AND version = %(case_version)s AND events_total = %(events_total)s AND claimed_by IS NULL
    FOR UPDATE
)""",
        f"""ended AS (
    UPDATE actions SET {_assignments(changes, "act_")}, version = actions.version + 1, updated_at = %(now)s
    FROM held WHERE actions.id = %(action)s AND actions.state = %(state)s AND actions.version = %(version)s
        AND actions.digest = %(digest)s
    RETURNING actions.id
)""",
        """tried AS (
    UPDATE attempts SET outcome = %(outcome)s, finished_at = %(now)s, receipt = %(receipt)s::jsonb, error = %(error)s
    FROM ended WHERE attempts.action_id = ended.id AND attempts.finished_at IS NULL
)""",
    ]
    if case_changes:
        parts.append(
            f"""settled AS (
    UPDATE cases SET {_assignments(case_changes, "set_")}, version = cases.version + 1, updated_at = %(now)s
    FROM ended WHERE cases.id = %(case)s
)"""
        )
    return ",\n".join([*parts, *_append("ended")]) + "\nSELECT id FROM ended"


def _append(source: str) -> list[str]:
    """New entries of a chain and its new end. Two that write entry n at once cannot both: the key says no."""
    return [
        _insert(tables.audit, "audit", source),
        f"""head AS (
    INSERT INTO audit_heads (chain, seq, hash) SELECT %(case)s, %(chain_seq)s, %(chain_hash)s FROM {source}
    ON CONFLICT (chain) DO UPDATE SET seq = excluded.seq, hash = excluded.hash
)""",
    ]


@cache
def _insert(table: Table, name: str, source: str) -> str:
    """Columns by name: a later migration may add one with a default, and this code must still run beside it."""
    names = [column.name for column in table.columns if column is not table.autoincrement_column]
    return f"""{name}_added AS (
    INSERT INTO {table.name} ({", ".join(f'"{n}"' for n in names)})
    SELECT {", ".join(f'r."{n}"' for n in names)}
    FROM {source}, jsonb_populate_recordset(NULL::{table.name}, %({name})s::jsonb) AS r
)"""


def _assignments(names: Sequence[str], prefix: str) -> str:
    return ", ".join(f"{name} = %({prefix}{name})s" for name in names)


def _columns(record: type, alias: str) -> str:
    return ", ".join(f"{alias}.{field.name}" for field in fields(record))


def _object(record: type, alias: str) -> str:
    pairs = ", ".join(f"'{field.name}', {alias}.{field.name}" for field in fields(record))
    return f"jsonb_build_object({pairs})"


_ERRAND = _ERRAND.format(
    action=_columns(Action, "a"),
    case=_columns(Case, "c"),
    other=_object(Action, "o"),
)
_BEGIN = _BEGIN.format(action=_columns(Action, "actions"))


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def _moments(table: Table) -> frozenset[str]:
    return frozenset(column.name for column in table.columns if isinstance(column.type, UtcDateTime))


def _record(record: Any, table: Table, item: Mapping[str, Any]) -> Any:
    """A record out of JSON, whose times are text there."""
    moments = _moments(table)
    return record(
        *(
            datetime.fromisoformat(value).astimezone(UTC) if name in moments and value is not None else value
            for name, value in ((field.name, item[field.name]) for field in fields(record))
        )
    )


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be stored as JSON")


_ENCODER = json.JSONEncoder(default=_plain)


def _json(value: Any) -> str:
    return _ENCODER.encode(value)


def _adapted(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _json(value) if isinstance(value, Mapping | list | tuple) else value for name, value in changes.items()
    }

"""The commits of the flow on PostgreSQL, one statement each: data-modifying CTEs that all hang on the fence.

Every other part of a statement selects from the row that the fence let through, so a worker that lost its claim writes
nothing. The chain of the audit log is fenced by its own unique key: when somebody else has written to it meanwhile, the
statement fails as a whole, the end of the chain is read again and the statement repeated. Called by `workers.store.flow`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from psycopg.errors import DivisionByZero, UniqueViolation
from psycopg.pq.abc import PGresult
from pydantic_core import PydanticSerializationError, to_json
from sqlalchemy import Table

from workers.store import audit, tables
from workers.store import events as all_events
from workers.store import flow_statements as statements
from workers.store.action_rows import record_of
from workers.store.audit import Chain, Note, link
from workers.store.cases import LostClaim
from workers.store.columns import UtcDateTime
from workers.store.database import Database
from workers.store.flow_types import ActionSnapshot, Announcement, Caps, Claimed, Consent, Ending, Progress, stopping
from workers.store.ids import new_id
from workers.store.limit_statements import Shape, Spent
from workers.store.packing import unpacked
from workers.store.parcels import data_in
from workers.store.records import Action, ActionState, Attempt, Case, Event, Switch
from workers.store.revision_rows import together
from workers.store.step_rows import packed_row, plain_row
from workers.store.unsettled import after, placed

#: how often a chain that others write to is read again before giving up
MOST_REPEATS = 5
#: what says that somebody else has written to a chain meanwhile
_CHAIN_KEY = "uq_audit_chain_seq"
#: the tables that a commit of a case adds to
_PARTS = ("steps", "model_usage", "facts", "actions", "revisions")


def claim(db: Database, case_id: str, *, worker: str, now: datetime, lease: timedelta, caps: Caps) -> Claimed | None:
    values = {
        "case": case_id,
        "worker": worker,
        "now": now,
        "until": now + lease,
        "customer_cap": caps.customer,
        "source_cap": caps.source,
    }
    row = db.ask(case_id, statements.claim(bool(caps.customer), bool(caps.source)), values).fetchone()
    if row is None:
        return None
    width = len(fields(Case))
    case = Case(*row[:width])
    *end, thread = row[width:]
    events = [_record(Event, tables.events, {**item, "data": data_in(item["data"])}) for item in thread or ()]
    if len(events) != case.events_total:
        # The claim waited for an event that joined at this moment: it sees the count of then, and the events of before.
        with db.read() as tx:
            events = all_events.of_case(tx, case.id)
    return Claimed(case, events, _chain(*end))


def record(db: Database, case: Case, chain: Chain, progress: Progress, *, now: datetime) -> tuple[Case, Chain]:
    """Raise `LostClaim` where the fence held it back (or an event joined, for what must not be written then)."""
    values = _recorded(case, progress, now)
    for repeat in range(MOST_REPEATS):
        statement, noted, after = _recording(case, chain, progress, values, now)
        try:
            row = db.ask(case.id, statement, noted).fetchone()
        except UniqueViolation as error:
            if error.diag.constraint_name != _CHAIN_KEY or repeat == MOST_REPEATS - 1:
                raise
            with db.read() as tx:
                chain = audit.end_of(tx, case.id)
            continue
        if row is None:
            raise LostClaim(f"case {case.id} was claimed by somebody else")
        return Case(*row), after
    raise AssertionError("unreachable")


def recording(
    case: Case, chain: Chain, progress: Progress, *, now: datetime, spent: Spent
) -> tuple[str, dict[str, Any], Chain]:
    """The statement of a commit that uses up of limits too (`spending`), its values, and where the chain ends after it."""
    values = {**_recorded(case, progress, now), "now": now, **spent.values}
    return _recording(case, chain, progress, values, now, spends=spent.shape)


def _recorded(case: Case, progress: Progress, now: datetime) -> dict[str, Any]:
    """What a commit writes but for the chain, by the names of the statement."""
    changes = {"claims": 0, "waits": 0, "waiting_for": None, "updated_at": now, **progress.changes}
    one = plain_row(progress.steps[0]) if len(progress.steps) == 1 else {}
    drafted, revised = together([placed(row) for row in progress.actions], progress.revisions)
    parts = {
        "steps": () if one else [packed_row(row) for row in progress.steps],
        "model_usage": progress.usage,
        "facts": progress.facts,
        "actions": drafted,
        "revisions": revised,
    }
    return {
        **{f"set_{name}": value for name, value in changes.items()},
        **one,
        **{name: _json(rows) for name, rows in parts.items() if rows},
        "case": case.id,
        "version": case.version,
        "events_total": case.events_total,
        **({"unless": list(progress.unless)} if progress.unless else {}),
    }


def _recording(
    case: Case,
    chain: Chain,
    progress: Progress,
    values: Mapping[str, Any],
    now: datetime,
    *,
    spends: Shape | None = None,
) -> tuple[str, dict[str, Any], Chain]:
    noted: dict[str, Any]
    if progress.told_later and not chain.waiting:
        noted, after = {}, replace(chain, waiting=tuple(progress.notes))
        values = {**values, "set_untold": audit.untold(progress.notes, packed=True)}
    else:
        noted, after = _noted(case.id, chain, now, progress.notes)
    statement = statements.record(
        tuple(name.removeprefix("set_") for name in values if name.startswith("set_")),
        tuple(name for name in _PARTS if name in values),
        notes=bool(noted),
        apart=chain.apart,
        unjoined=progress.unjoined,
        unless=bool(progress.unless),
        spends=spends,
        step=tuple(name for name in values if name.startswith("step_")),
    )
    return statement, {**values, **noted}, after


def snapshot(db: Database, action_id: str) -> ActionSnapshot | None:
    return snapshot_in(db.ask("", statements.ACTION_SNAPSHOT, {"action": action_id}).fetchone())


def snapshot_in(row: tuple[Any, ...] | None) -> ActionSnapshot | None:
    """A row of the statement `ACTION_SNAPSHOT`."""
    if row is None:
        return None
    first, second = len(fields(Action)), len(fields(Action)) + len(fields(Case))
    *end, others, thrown, held, record, kept = row[second:]
    action, case = Action(*row[:first]), Case(*row[first:second])
    limited = "limits" in action.verdict
    record = record_of(unpacked(record), kept)
    return ActionSnapshot(
        action=action,
        case=case,
        others=[_record(Action, tables.actions, item) for item in others or ()],
        switch=_in_the_way(thrown, action, case) if thrown else None,
        chain=_chain(*end),
        held=limited and held,
        record=record if limited else None,
    )


def _in_the_way(thrown: Sequence[Mapping[str, Any]], action: Action, case: Case) -> Switch | None:
    """The first that stops an action, of those that might."""
    stops = stopping(action, case)
    return next((_record(Switch, tables.switches, item) for item in thrown if item["scope"] in stops), None)


def begin(
    db: Database, action: Action, *, worker: str, now: datetime, lease: timedelta, unless: Sequence[str]
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
        "unless": list(unless),
    }
    row = db.ask(action.case_id, statements.BEGIN, values).fetchone()
    return None if row is None else as_begun(action, attempt, row[0], worker=worker, now=now, lease=lease)


def as_begun(
    action: Action, attempt: str, number: int, *, worker: str, now: datetime, lease: timedelta
) -> tuple[Action, Attempt]:
    """The rest is as it was read: the statement said so."""
    started = replace(
        action,
        state=ActionState.EXECUTING.value,
        claimed_by=worker,
        wake_at=now + lease,
        tries=action.tries + 1,
        waiting_for=None,
        version=action.version + 1,
        updated_at=now,
    )
    return started, Attempt(attempt, started.id, number, started.id, started.digest, now, None, None, None, None)


def end(db: Database, action: Action, ending: Ending, *, now: datetime) -> bool:
    """False where the action or its case is no longer as it was read: nothing is written then."""
    noted, _ = _noted(action.case_id, ending.chain, now, ending.notes)
    changes = after(action, ending.changes)
    values: dict[str, Any] = {
        **{f"act_{name}": value for name, value in _adapted(changes).items()},
        **{f"set_{name}": value for name, value in ending.case_changes.items()},
        **_as_read(action, ending.case),
        "now": now,
        **noted,
    }
    if ending.in_rows:
        values |= {
            "outcome": ending.outcome,
            "receipt": None if ending.receipt is None else _json(ending.receipt),
            "error": ending.error,
        }
    shape = (tuple(changes), tuple(ending.case_changes))
    statement = statements.end(*shape, apart=ending.chain.apart, in_rows=ending.in_rows)
    return _unless_overtaken(db, action, statement, values) is not None


def approve(
    db: Database, action: Action, consent: Consent, *, now: datetime, announcement: Announcement | None = None
) -> Action | None:
    """None where the action or its case is no longer as it was read, or somebody has said something of it before."""
    statement, values = approving(action, consent, now=now)
    row = _unless_overtaken(db, action, statement, values, **telling(announcement, values))
    return Action(*row) if row is not None else None


def telling(announcement: Announcement | None, values: Mapping[str, Any]) -> dict[str, Any]:
    """How a yes with these values is asked so that it is told as soon as its rows are held."""
    if announcement is None:
        return {}

    def before_commit(result: PGresult) -> None:
        if result.ntuples:
            announcement.make()

    return {"first": (statements.TAKEN, values), "before_commit": before_commit}


def _unless_overtaken(
    db: Database, action: Action, statement: str, values: dict[str, Any], **telling: Any
) -> tuple[Any, ...] | None:
    """The row of a commit; None where anything is not as it was read any more, the end of the case's chain included."""
    try:
        return db.ask(action.case_id, statement, values, **telling).fetchone()
    except DivisionByZero:
        # By none of the actions that should have changed.
        return None
    except UniqueViolation as error:
        if error.diag.constraint_name != _CHAIN_KEY:
            raise
        return None


def approving(
    action: Action, consent: Consent, *, now: datetime, spent: Spent | None = None
) -> tuple[str, dict[str, Any]]:
    """The statement of a yes and its values; with what is used up of limits where that is written with it (`spending`)."""
    noted, _ = _noted(action.case_id, consent.chain, now, consent.notes)
    changes = after(action, consent.changes)
    values: dict[str, Any] = {
        **{f"act_{name}": value for name, value in changes.items()},
        **{f"dec_{name}": value for name, value in consent.decision.items()},
        **{f"set_{name}": value for name, value in consent.case_changes.items()},
        **_as_read(action, consent.case),
        "now": now,
        **({} if spent is None else spent.values),
        **noted,
    }
    shape = (tuple(changes), tuple(consent.decision), tuple(consent.case_changes))
    return statements.approve(*shape, apart=consent.chain.apart, spends=spent and spent.shape), values


def _as_read(action: Action, case: Case) -> dict[str, Any]:
    """What must still be so for a statement to write anything."""
    return {
        "action": action.id,
        "state": action.state,
        "version": action.version,
        "digest": action.digest,
        "case": action.case_id,
        "case_version": case.version,
        "events_total": case.events_total,
    }


def live_on(db: Database, kinds: Sequence[str], targets: Sequence[str]) -> dict[tuple[str, str], int]:
    rows = db.ask("", statements.LIVE_ON, {"targets": list(targets), "kinds": list(kinds)})
    return {(kind, target): count for kind, target, count in rows}


def _noted(case_id: str, chain: Chain, now: datetime, notes: Sequence[Note]) -> tuple[dict[str, Any], Chain]:
    """What a statement adds to a chain, and where it ends then."""
    made = link(case_id, chain, now, notes)
    if made is None:
        return {}, chain
    return {"noted_at": now, "chain_seq": made.seq, "told": made.packed}, Chain(made.seq, made.hash)


def _chain(seq: int | None, digest: str | None, apart: Sequence[Any] | None, untold: str | None) -> Chain:
    """Where a chain ends, as the statements tell it."""
    waiting = audit.told_later(untold)
    if seq is not None or apart is None:
        return Chain(seq or 0, digest, waiting=waiting)
    return Chain(apart[0], apart[1], apart=True, waiting=waiting)


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
    try:
        return to_json(value, fallback=_plain).decode()
    except PydanticSerializationError:
        # Half of a character: text that is no text. The slower encoder leaves it to the database to refuse.
        return _ENCODER.encode(value)


def _adapted(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _json(value) if isinstance(value, Mapping | list | tuple) else value for name, value in changes.items()
    }

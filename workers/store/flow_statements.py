"""The statements of the flow on PostgreSQL, each put together once for each shape that it is needed in.

`flow_postgresql` sends them, and nobody else. Values never get into their text, only the names of our own columns.

A case that is named by its id is found by its id: what else must hold of it is said in words that no partial index knows. A plan
is kept for as long as a connection, and one that was made while little was open, or claimed, would go through all that ever is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from typing import Any

from sqlalchemy import JSON, Column, DateTime, Integer, LargeBinary, Numeric, Table, TypeDecorator

from workers.store import tables
from workers.store.action_rows import digest_in, limited_in
from workers.store.limit_statements import Shape, spent
from workers.store.records import Action, Case, CaseState, Event
from workers.store.step_rows import COLUMNS, UNUSED

_KINDS = {Integer: "integer", Numeric: "numeric", DateTime: "timestamptz", LargeBinary: "bytea", JSON: "jsonb"}


@cache
def claim(customer_cap: bool, source_cap: bool) -> str:
    """The hinted case, or one of its domain that is urgent and due: a hint is a place at work, and urgent ones go first.

    Where a cap holds the first of these back, it may hold thousands back behind it: then all who are at their cap are found
    once, and theirs are passed by."""
    capped = passing = timer = ""
    if customer_cap:
        capped += """
          AND (c.customer = '' OR (SELECT count(*) FROM (SELECT FROM cases o
               WHERE o.customer = c.customer AND o.customer <> '' AND o.outcome IS NULL AND o.claimed_by IS NOT NULL
                 AND GREATEST(o.wake_at, o.held_until) > %(now)s
               LIMIT %(customer_cap)s) in_work) < %(customer_cap)s)"""
        passing += """
          AND c.customer NOT IN (SELECT o.customer FROM cases o
               WHERE o.customer <> '' AND o.outcome IS NULL AND o.claimed_by IS NOT NULL
                 AND GREATEST(o.wake_at, o.held_until) > %(now)s
               GROUP BY o.customer HAVING count(*) >= %(customer_cap)s)"""
    if source_cap:
        capped += """
          AND (SELECT count(*) FROM cases o
               WHERE o.claimed_by IS NOT NULL AND o.wake_at > %(now)s AND o.source = c.source) < %(source_cap)s"""
        passing += """
          AND c.source NOT IN (SELECT o.source FROM cases o WHERE o.claimed_by IS NOT NULL AND o.wake_at > %(now)s
               GROUP BY o.source HAVING count(*) >= %(source_cap)s)"""
        # No index tells a source's cases: whoever is in work stands in that of the timer, ahead of now.
        timer = ", wake_at = %(until)s"
    urgent = """SELECT c.id, c.customer, c.source FROM cases c
    WHERE c.priority = 'urgent' AND c.wake_at <= %(now)s AND COALESCE(c.held_until, '-infinity') <= %(now)s
      AND c.claimed_by IS NULL AND c.closed_at IS NULL
      AND c.domain = (SELECT domain FROM cases WHERE id = %(case)s)"""
    first_come = "ORDER BY c.wake_at LIMIT 1 FOR UPDATE SKIP LOCKED"
    return f"""
WITH urgent AS (
    {urgent}
    {first_come}
), others AS (
    {urgent} AND EXISTS (SELECT FROM urgent){passing or " AND false"}
    {first_come}
), claimed AS (
    UPDATE cases c SET claimed_by = %(worker)s, claims = c.claims + 1, version = c.version + 1,
        held_until = %(until)s{timer}, state = '{CaseState.WORKING}'
    WHERE c.id = COALESCE((SELECT c.id FROM urgent c WHERE true{capped}), (SELECT id FROM others), %(case)s)
        AND COALESCE(c.wake_at, 'infinity') <= %(now)s
        AND COALESCE(c.held_until, '-infinity') <= %(now)s AND c.closed_at::text IS NULL{capped}
    RETURNING {_columns(Case, "c")}, c.chain_seq, c.chain_hash, c.untold
)
SELECT {_columns(Case, "claimed")}, {_chain("claimed")}, (
    SELECT json_agg({_EVENT} ORDER BY e.position) FROM events e WHERE e.case_id = claimed.id
) FROM claimed"""


@cache
def record(
    changes: tuple[str, ...],
    parts: tuple[str, ...],
    *,
    notes: bool,
    apart: bool,
    unjoined: bool,
    unless: bool = False,
    spends: Shape | None = None,
    step: tuple[str, ...] = (),
) -> str:
    """`step` names the values of the one step that is written (`step_rows.plain_row`); several are in `parts`."""
    inserts = [*spent("moved", spends)] if spends else []
    if step:
        inserts.append(_insert_step(step, "moved"))
    inserts += [_insert(getattr(tables, name), name, "moved") for name in parts]
    if notes:
        inserts += _append("moved", apart=apart)
    joined = "AND events_total = %(events_total)s" if unjoined else ""
    thrown = "AND NOT EXISTS (SELECT FROM switches WHERE scope = ANY(%(unless)s))" if unless else ""
    return (
        ",\n".join(
            [
                f"""WITH moved AS (
    UPDATE cases SET {_case_assignments(changes)}{", " + _CHAINED if notes else ""}
    WHERE id = %(case)s AND version = %(version)s AND COALESCE(claimed_by, '') <> '' {joined} {thrown}
    RETURNING {_columns(Case, "cases")}
)""",
                *inserts,
            ]
        )
        + "\nSELECT * FROM moved"
    )


#: what may stop an action; whether it was that rule which allowed it is in its verdict, which whoever asks has unpacked
_THROWN = """FROM switches s
     WHERE s.scope IN ('all', 'domain:' || c.domain, 'action:' || a.kind, 'vendor:' || split_part(a.target, ':', 1))
        OR s.scope LIKE 'rule:%%'"""

_HOLDS = """(EXISTS (SELECT FROM limit_holds l WHERE l.action_id = a.id)
        OR EXISTS (SELECT FROM limit_uses l WHERE l.action_id = a.id))"""

ACTION_SNAPSHOT = """
SELECT {action}, {case}, {chain},
    (SELECT json_agg({other} ORDER BY o.round, o.ordinal) FROM actions o WHERE o.case_id = a.case_id AND o.id <> a.id),
    (SELECT json_agg(s ORDER BY s.scope LIKE 'rule:%%', s.scope) {thrown}),
    {holds},
    r.record, COALESCE(r.packed, CASE WHEN a.state = 'pending' AND a.revision = 1 THEN a.first_revision END)
FROM actions a JOIN cases c ON c.id = a.case_id
    LEFT JOIN revisions r ON a.state = 'pending' AND r.action_id = a.id AND r.revision = a.revision
WHERE a.id = %(action)s"""

_DIGEST = digest_in("actions")
_EXECUTING = """UPDATE actions SET state = 'executing', standing = 'executing', claimed_by = %(worker)s, wake_at = %(until)s, tries = tries + 1,
        waiting_for = NULL, version = actions.version + 1, updated_at = %(now)s"""

_TRIED = """tried AS (
    INSERT INTO attempts (id, action_id, number, key, digest, started_at)
    SELECT %(attempt)s, id, 1 + (SELECT count(*) FROM attempts WHERE action_id = %(action)s), id, digest, %(now)s
    FROM started RETURNING number
)"""

BEGIN = f"""
WITH started AS (
    {_EXECUTING}
    WHERE id = %(action)s AND state = %(state)s AND version = %(version)s AND {_DIGEST} = %(digest)s
        AND NOT EXISTS (SELECT FROM switches WHERE scope = ANY(%(unless)s))
    RETURNING id, {_DIGEST} AS digest
), {_TRIED}
SELECT number FROM tried"""

LIVE_ON = """
SELECT kind, target, count(*) FROM actions
WHERE target = ANY(%(targets)s) AND kind = ANY(%(kinds)s) AND state IN ('approved', 'executing', 'done', 'uncertain')
GROUP BY kind, target"""


#: the case as it was read
_AS_READ = "id = %(case)s AND version = %(case_version)s AND events_total = %(events_total)s AND claimed_by IS NULL"
#: held until the commit
_HELD = f"""held AS (
    SELECT id FROM cases WHERE {_AS_READ} FOR UPDATE
)"""


#: takes hold of what a yes will change, where that is as it was read: in the order in which the yes takes hold of it
TAKEN = f"""
WITH {_HELD}
SELECT FROM actions, held WHERE actions.id = %(action)s AND actions.state = %(state)s AND actions.version = %(version)s
FOR NO KEY UPDATE OF actions"""


@cache
def end(changes: tuple[str, ...], case_changes: tuple[str, ...], *, apart: bool, in_rows: bool) -> str:
    """First the case, changed where it is as it was read, and not held before it is changed, which would be written ahead for
    nothing. Where the action is not as it was read, dividing by none of them takes all of it back."""
    parts = [
        f"WITH {_settled(None, case_changes)}",
        f"""ended AS (
    UPDATE actions SET {_assignments(changes, "act_")}, version = actions.version + 1, updated_at = %(now)s
    FROM settled WHERE actions.id = %(action)s AND actions.state = %(state)s AND actions.version = %(version)s
        AND {_DIGEST} = %(digest)s
    RETURNING actions.id
)""",
    ]
    if in_rows:
        parts.append("""tried AS (
    UPDATE attempts SET outcome = %(outcome)s, finished_at = %(now)s, receipt = %(receipt)s::jsonb, error = %(error)s
    FROM ended WHERE attempts.action_id = ended.id AND attempts.finished_at IS NULL
)""")
    return (
        ",\n".join([*parts, *_append("ended", apart=apart)]) + "\nSELECT 1 / (SELECT count(*) FROM ended) FROM settled"
    )


#: the new end of a case's chain, written with whatever else of the case changes
_CHAINED = "chain_seq = %(chain_seq)s, chain_hash = substr(%(told)s::bytea, 1, 32), untold = NULL"


def _append(source: str, *, apart: bool) -> list[str]:
    """The next entry of a chain. Two that write entry n at once cannot both: the key says no. Where the chain's end was kept
    apart, it is with the case from now on."""
    noted = f"""noted AS (
    INSERT INTO audit (chain, seq, at, actor, verb, data, previous, hash, packed)
    SELECT %(case)s, %(chain_seq)s, %(noted_at)s, '', '', '{{}}', '', '', %(told)s::bytea FROM {source}
)"""
    moved = f"""brought AS (
    DELETE FROM audit_heads USING {source} WHERE audit_heads.chain = %(case)s
)"""
    return [noted, moved] if apart else [noted]


def _chain(alias: str) -> str:
    """Where a case's chain ends: its number and hash, both as they are kept apart, where they are, and what waits there."""
    return f"""{alias}.chain_seq, encode({alias}.chain_hash, 'hex'), CASE WHEN {alias}.chain_seq IS NULL
        THEN (SELECT json_build_array(h.seq, h.hash) FROM audit_heads h WHERE h.chain = {alias}.id) END, {alias}.untold"""


@cache
def _insert(table: Table, name: str, source: str) -> str:
    """Columns by name: a later migration may add one with a default, and this code must still run beside it."""
    names = [column.name for column in table.columns if column is not table.autoincrement_column]
    return f"""{name}_added AS (
    INSERT INTO {table.name} ({", ".join(f'"{n}"' for n in names)})
    SELECT {", ".join(f'r."{n}"' for n in names)}
    FROM {source}, jsonb_populate_recordset(NULL::{table.name}, %({name})s::jsonb) AS r
)"""


def _insert_step(names: Sequence[str], source: str) -> str:
    """One row out of plain values, which takes a third less than one out of JSON. Each says its type, or nothing would."""
    columns = {COLUMNS[name]: f"%({name})s::{_kind(tables.steps.c[COLUMNS[name]])}" for name in names} | UNUSED
    return f"""step_added AS (
    INSERT INTO steps ({", ".join(columns)}) SELECT {", ".join(columns.values())} FROM {source}
)"""


def _kind(column: Column[Any]) -> str:
    """A column's type without its length: to be cast to a length is to be cut off."""
    kind = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
    return next((name for made_of, name in _KINDS.items() if isinstance(kind, made_of)), "text")


@cache
def approve(
    changes: tuple[str, ...],
    decision: tuple[str, ...],
    case_changes: tuple[str, ...],
    *,
    apart: bool,
    spends: Shape | None = None,
) -> str:
    """A yes where nobody has said anything yet: somebody else's would have to be counted with it."""
    return (
        ",\n".join(
            [
                f"WITH {_HELD}",
                f"""approved AS (
    UPDATE actions SET {_assignments(changes, "act_")}, version = actions.version + 1, updated_at = %(now)s
    FROM held WHERE actions.id = %(action)s AND actions.state = %(state)s AND actions.version = %(version)s
        AND {_DIGEST} = %(digest)s AND NOT EXISTS (SELECT FROM decisions WHERE action_id = %(action)s)
    RETURNING {_columns(Action, "actions")}
)""",
                f"""said AS (
    INSERT INTO decisions ({", ".join(decision)})
    SELECT {", ".join(f"%(dec_{name})s" for name in decision)} FROM approved
)""",
                *(spent("approved", spends) if spends else []),
                _settled("approved", case_changes),
                *_append("approved", apart=apart),
            ]
        )
        + "\nSELECT * FROM approved"
    )


def _settled(source: str | None, changes: tuple[str, ...]) -> str:
    """The case with what an action's change makes of it, which may be no more than its chain's new end. By itself where it is as
    it was read; after a `source`, which has seen to that, where there is a row of it."""
    made = [_case_assignments(changes), "version = cases.version + 1, updated_at = %(now)s"] if changes else []
    by = f"FROM {source} WHERE cases.id = %(case)s" if source else f"WHERE {_AS_READ} RETURNING id"
    return f"""settled AS (
    UPDATE cases SET {", ".join([*made, _CHAINED])}
    {by}
)"""


def _case_assignments(names: Sequence[str]) -> str:
    """Whoever sets the timer means it: what the case was held for before is over."""
    return _assignments(names, "set_") + (", held_until = NULL" if "wake_at" in names else "")


def _assignments(names: Sequence[str], prefix: str) -> str:
    return ", ".join(f"{name} = %({prefix}{name})s" for name in names)


def _columns(record: type, alias: str) -> str:
    return ", ".join(f"{alias}.{field.name}" for field in fields(record))


def _object(record: type, alias: str) -> str:
    pairs = ", ".join(f"'{field.name}', {alias}.{field.name}" for field in fields(record))
    return f"json_build_object({pairs})"


#: an event; its data as they are, or packed as text
_EVENT = _object(Event, "e").replace("'data', e.data", "'data', COALESCE(to_jsonb(encode(e.packed, 'base64')), e.data)")

ACTION_SNAPSHOT = ACTION_SNAPSHOT.format(
    action=_columns(Action, "a"),
    case=_columns(Case, "c"),
    chain=_chain("c"),
    other=_object(Action, "o"),
    thrown=_THROWN,
    holds=_HOLDS,
)

#: waits for whoever approves it at this moment, and finds no row then. A statement sees what was committed when it began, so that
#: what is made of it is for the next one to read. Held as whoever changes it holds it: of two that shared it, each would wait for
#: the other
AWAITED = "SELECT FROM actions WHERE id = %(action)s AND state::text = 'pending' FOR NO KEY UPDATE"

#: an action as it was read, and begun by this very statement where nothing stands in the way that rows can tell
START = f"""
WITH clear AS MATERIALIZED (
    SELECT a.id, a.version FROM actions a JOIN cases c ON c.id = a.case_id
    WHERE a.id = %(action)s AND a.state::text = 'approved' AND COALESCE(a.wake_at, 'infinity') <= %(now)s
        AND a.approved_digest IN ({digest_in("a")}, left({digest_in("a")}, 16))
        AND COALESCE(a.policy_hash, encode(substr(a.packed, length(a.packed) - 31), 'hex')) = %(policy)s
        AND a.kind = ANY(%(kinds)s) AND (a.target_version = '' OR a.kind = ANY(%(unguarded)s)
            OR split_part(a.target, ':', 1) <> ALL(%(versioned)s))
        AND (COALESCE(NOT a.verdict ? 'limits', NOT ({limited_in("a")})) OR {_HOLDS})
        AND NOT EXISTS (SELECT {_THROWN})
        AND NOT EXISTS (SELECT FROM actions o WHERE o.case_id = a.case_id AND o.id <> a.id AND o.target = a.target
            AND o.state::text IN ('approved', 'executing'))
), started AS (
    {_EXECUTING} FROM clear WHERE actions.id = clear.id AND actions.version = clear.version
    RETURNING actions.id, {_DIGEST} AS digest
), {_TRIED}
""" + ACTION_SNAPSHOT.replace("SELECT ", "SELECT (SELECT number FROM tried), ", 1)

"""Years of work in seconds: closed cases with all that belongs to them, made by the database itself, set-wise.

For tests and measurements of what a large database does to the work of now. Made rows look like real ones to an index (ids in
the order of time, many customers, subjects of their own); their audit chains are no chains. PostgreSQL only.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from workers.store.database import Database, Tx

_MOMENT = "CAST(:first AS timestamptz) + n * CAST(:apart AS interval)"
_ID = "lpad(CAST(n AS text), 24, '0')"
_TEXT = "repeat('My order arrived broken, I would like my money back. ', 3)"

_CASES = f"""
INSERT INTO cases (id, domain, subject, source, title, customer, state, step, round, priority, events_total, events_worked,
    version, claims, waits, outcome, pipeline_version, opened_at, updated_at, closed_at)
SELECT 'case_00' || {_ID}, (ARRAY['support', 'transactions'])[1 + n % 2], 'house:ticket:old' || n, 'house',
    'An old matter, number ' || n, 'customer' || n % 50000 || '@example.com', 'closed', 'decided', 1, 'normal', 1, 1, 6, 0,
    0, 'done', 1, {_MOMENT}, {_MOMENT} + interval '1 hour', {_MOMENT} + interval '1 hour'
FROM generate_series(1, :count) AS n"""

_EVENTS = f"""
INSERT INTO events (id, source, delivery_id, type, vendor_type, subject, occurred_at, received_at, data, raw, headers, door,
    duplicates, case_id, position)
SELECT 'evt_00' || {_ID}, 'house', 'old' || n, 'ticket.created', 'ticket', 'house:ticket:old' || n, {_MOMENT}, {_MOMENT},
    jsonb_build_object('title', 'Broken', 'ticket_id', 'old' || n, 'text', {_TEXT}), convert_to({_TEXT}, 'UTF8'),
    '[]', 'webhook', 0, 'case_00' || {_ID}, 1
FROM generate_series(1, :count) AS n"""

_STEPS = f"""
INSERT INTO steps (id, case_id, round, name, input_digest, output, started_at, finished_at)
SELECT 'step_00' || {_ID} || s.place, 'case_00' || {_ID}, 1, s.name, md5(CAST(n AS text)) || md5(s.name),
    jsonb_build_object('summary', 'What came of it', 'intent', 'refund_request', 'confidence', 0.9), {_MOMENT}, {_MOMENT}
FROM generate_series(1, :count) AS n,
    (VALUES (1, 'triage'), (2, 'draft'), (3, 'decide')) AS s (place, name)"""

_FACTS = f"""
INSERT INTO facts (id, case_id, round, position, name, ref, kind, title, data, version, trusted, fetched_at)
SELECT 'fact_00' || {_ID}, 'case_00' || {_ID}, 1, 1, 'customer', 'house:customer:' || n, 'customer', 'A customer',
    jsonb_build_object('email', 'customer' || n % 50000 || '@example.com', 'tier', 'standard'), 'v1', true, {_MOMENT}
FROM generate_series(1, :count) AS n"""

_ACTIONS = f"""
INSERT INTO actions (id, case_id, round, ordinal, kind, state, revision, arguments, target, target_version, digest,
    policy_hash, verdict, sentence, rationale, citations, origins, confidence, rests_on, decided_by, decided_at, version,
    tries, created_at, updated_at, settled_at)
SELECT 'act_00' || {_ID}, 'case_00' || {_ID}, 1, 1, 'reply_to_customer', 'done', 1,
    jsonb_build_object('body', {_TEXT}), 'house:ticket:old' || n, 'v1', repeat('0', 64), repeat('0', 64),
    '{{"outcome": "review", "reasons": [], "policy": "shipped"}}', 'Reply to the customer', 'It was asked for.', '[]',
    '{{}}', 0.9, '[]', 'person:ana@firm.example', {_MOMENT}, 3, 1, {_MOMENT}, {_MOMENT}, {_MOMENT}
FROM generate_series(1, :count) AS n"""

_REVISIONS = f"""
INSERT INTO revisions (action_id, revision, arguments, target, target_version, digest, author, record, created_at)
SELECT 'act_00' || {_ID}, 1, '{{}}', 'house:ticket:old' || n, 'v1', repeat('0', 64), 'agent:support', '{{}}', {_MOMENT}
FROM generate_series(1, :count) AS n"""

_DECISIONS = f"""
INSERT INTO decisions (id, action_id, case_id, revision, digest, decision, actor, channel, decided_at)
SELECT 'dec_00' || {_ID}, 'act_00' || {_ID}, 'case_00' || {_ID}, 1, repeat('0', 64), 'approve', 'person:ana@firm.example',
    'inbox', {_MOMENT}
FROM generate_series(1, :count) AS n"""

_ATTEMPTS = f"""
INSERT INTO attempts (id, action_id, number, key, digest, started_at, finished_at, outcome, receipt)
SELECT 'try_00' || {_ID}, 'act_00' || {_ID}, 1, 'act_00' || {_ID}, repeat('0', 64), {_MOMENT}, {_MOMENT}, 'done', '{{}}'
FROM generate_series(1, :count) AS n"""

_AUDIT = f"""
INSERT INTO audit (chain, seq, at, actor, verb, data, previous, hash)
SELECT 'case_00' || {_ID}, s, {_MOMENT}, 'caseworker', 'stepped', jsonb_build_object('step', s),
    md5(CAST(n AS text)) || md5(CAST(s AS text)), md5(CAST(n AS text)) || md5(CAST(s + 1 AS text))
FROM generate_series(1, :count) AS n, generate_series(1, 5) AS s"""

_HEADS = f"""
INSERT INTO audit_heads (chain, seq, hash)
SELECT 'case_00' || {_ID}, 5, md5(CAST(n AS text)) || md5('6') FROM generate_series(1, :count) AS n"""

FILLED = {
    "cases": _CASES,
    "events": _EVENTS,
    "steps": _STEPS,
    "facts": _FACTS,
    "actions": _ACTIONS,
    "revisions": _REVISIONS,
    "decisions": _DECISIONS,
    "attempts": _ATTEMPTS,
    "audit": _AUDIT,
    "audit_heads": _HEADS,
}
_LARGE = 200_000
#: the largest first, so that both hands finish together
_LARGEST = ("audit", "actions", "steps", "events", "cases")
_ORDER = (*_LARGEST, *sorted(FILLED.keys() - set(_LARGEST)))


def fill(db: Database, closed: int, *, until: datetime, over: timedelta = timedelta(days=700)) -> None:
    """Fill an empty, migrated database with closed cases, spread evenly over the time before `until`."""
    values = {"count": closed, "first": until - over, "apart": over / (closed + 1)}
    with ThreadPoolExecutor(max_workers=2) as hands:
        for _ in hands.map(lambda table: _fill(db, table, values), _ORDER):
            pass


def _fill(db: Database, table: str, values: dict[str, Any]) -> None:
    with db.write() as tx:
        # Every row is known to fit: foreign keys are not looked up one by one.
        tx.execute(text("SET LOCAL session_replication_role = replica"))
        tx.execute(text("SET LOCAL maintenance_work_mem = '256MB'"))
        # Built at the end, an index over millions of rows costs a third of what it costs row by row.
        indexes = _secondary(tx, table) if values["count"] > _LARGE else {}
        for name in indexes:
            tx.execute(text(f'DROP INDEX "{name}"'))
        tx.execute(text(FILLED[table]), values)
        for definition in indexes.values():
            tx.execute(text(definition))
    with db.engine.connect() as connection:
        alone = connection.execution_options(isolation_level="AUTOCOMMIT")
        alone.execute(text(f"VACUUM (ANALYZE) {table}"))


def _secondary(tx: Tx, table: str) -> dict[str, str]:
    """Indexes that no constraint is made of, with what makes them."""
    query = text(
        "SELECT i.indexname, i.indexdef FROM pg_indexes i WHERE i.schemaname = 'public' AND i.tablename = :table "
        "AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conname = i.indexname)"
    )
    return {row[0]: row[1] for row in tx.execute(query, {"table": table})}

"""What a process of the version before sends to PostgreSQL: letting an event in, claiming its case, recording a step.

Kept as text: this version's own statements need this version's tables. With each new version it is the statements of the one
before, printed from its code, and `SCHEMA` is the migration that it came with.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from workers.store.audit import GENESIS, entry_hash
from workers.store.audit_rows import NOT_REPEATED
from workers.store.database import Database

SCHEMA = "0014"

_STORE_NEW = """
WITH came AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%s::json) AS row(
    n int, id text, case_id text, source text, delivery_id text, body_key text, type text, vendor_type text,
    subject text, occurred_at timestamptz, received_at timestamptz, data jsonb, start int, size int, headers jsonb,
    secret_id text, door text, domain text, title text, customer text, priority text, pipeline_version int,
    actor text, note jsonb, hash text)
), unopened AS MATERIALIZED (
  SELECT * FROM came
  WHERE NOT EXISTS (SELECT FROM cases c
                    WHERE c.domain = came.domain AND c.subject = came.subject AND c.closed_at IS NULL OFFSET 0)
  ORDER BY source, delivery_id
), stored AS (
  INSERT INTO events (id, source, delivery_id, body_key, type, vendor_type, subject, occurred_at, received_at, data,
    raw, headers, secret_id, door, duplicates, case_id, position)
  SELECT id, source, delivery_id, body_key, type, vendor_type, subject, occurred_at, received_at, data,
    substring(%b from start for size), headers, secret_id, door, 0, case_id, 1 FROM unopened
  ON CONFLICT DO NOTHING RETURNING id
), new AS MATERIALIZED (
  SELECT * FROM unopened WHERE id IN (SELECT id FROM stored)
), opened AS (
  INSERT INTO cases (id, domain, subject, source, title, customer, state, step, round, priority, events_total,
    events_worked, wake_at, version, claims, waits, pipeline_version, opened_at, updated_at)
  SELECT case_id, domain, subject, source, title, customer, 'working', 'triage', 1, priority, 1,
    0, received_at, 0, 0, 0, pipeline_version, received_at, received_at FROM new
), noted AS (
  INSERT INTO audit (chain, seq, at, actor, verb, data, previous, hash)
  SELECT case_id, 1, received_at, actor, 'opened', note, '', hash FROM new
), ended AS (
  INSERT INTO audit_heads (chain, seq, hash) SELECT case_id, 1, hash FROM new
)
SELECT n FROM new
"""

_CAPPED = """
          AND (c.customer = '' OR (SELECT count(*) FROM cases o
               WHERE o.claimed_by IS NOT NULL AND o.wake_at > %(now)s AND o.customer = c.customer) < %(customer_cap)s)
          AND (SELECT count(*) FROM cases o
               WHERE o.claimed_by IS NOT NULL AND o.wake_at > %(now)s AND o.source = c.source) < %(source_cap)s"""

_CASE = (
    "{0}.id, {0}.domain, {0}.subject, {0}.source, {0}.title, {0}.customer, {0}.state, {0}.step, {0}.round, {0}.priority, "
    "{0}.events_total, {0}.events_worked, {0}.wake_at, {0}.version, {0}.claimed_by, {0}.claims, {0}.waits, {0}.waiting_for, "
    "{0}.attention, {0}.instruction, {0}.assignee, {0}.outcome, {0}.pipeline_version, {0}.opened_at, {0}.updated_at, "
    "{0}.closed_at"
)

_CLAIM = f"""
WITH urgent AS (
    SELECT c.id FROM cases c
    WHERE c.priority = 'urgent' AND c.claimed_by IS NULL AND c.wake_at <= %(now)s AND c.closed_at IS NULL
      AND c.domain = (SELECT domain FROM cases WHERE id = %(case)s){_CAPPED}
    ORDER BY c.wake_at LIMIT 1 FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE cases c SET claimed_by = %(worker)s, claims = c.claims + 1, version = c.version + 1, wake_at = %(until)s,
        state = 'working'
    WHERE c.id = COALESCE((SELECT id FROM urgent), %(case)s) AND COALESCE(c.wake_at, 'infinity') <= %(now)s
        AND c.closed_at::text IS NULL{_CAPPED}
    RETURNING {_CASE.format("c")}
)
SELECT claimed.*, h.seq, h.hash, (
    SELECT json_agg(json_build_object('id', e.id, 'source', e.source, 'delivery_id', e.delivery_id, 'type', e.type,
        'vendor_type', e.vendor_type, 'subject', e.subject, 'occurred_at', e.occurred_at, 'received_at', e.received_at,
        'data', e.data, 'door', e.door, 'duplicates', e.duplicates, 'case_id', e.case_id, 'position', e.position)
        ORDER BY e.position) FROM events e WHERE e.case_id = claimed.id
) FROM claimed LEFT JOIN audit_heads h ON h.chain = claimed.id"""

_RECORD = f"""WITH moved AS (
    UPDATE cases SET claims = %(set_claims)s, waits = %(set_waits)s, waiting_for = %(set_waiting_for)s,
        updated_at = %(set_updated_at)s, state = %(set_state)s, claimed_by = %(set_claimed_by)s, wake_at = %(set_wake_at)s,
        closed_at = %(set_closed_at)s, outcome = %(set_outcome)s
    WHERE id = %(case)s AND version = %(version)s AND COALESCE(claimed_by, '') <> ''
    RETURNING {_CASE.format("cases")}
),
steps_added AS (
    INSERT INTO steps ("id", "case_id", "round", "name", "input_digest", "output", "started_at", "finished_at")
    SELECT r."id", r."case_id", r."round", r."name", r."input_digest", r."output", r."started_at", r."finished_at"
    FROM moved, jsonb_populate_recordset(NULL::steps, %(steps)s::jsonb) AS r
),
noted AS (
    INSERT INTO audit (chain, seq, at, actor, verb, data, previous, hash)
    SELECT %(case)s, %(chain_seq)s, %(noted_at)s, %(actor)s, %(verb)s, %(told)s::jsonb, %(previous)s, %(chain_hash)s
    FROM moved
),
head AS (
    UPDATE audit_heads SET seq = %(chain_seq)s, hash = %(chain_hash)s FROM moved WHERE audit_heads.chain = %(case)s
)
SELECT * FROM moved"""

_BODY = b"My order is broken"


def work(db: Database, number: str, now: datetime) -> None:
    """Let an event in, claim its case, record a step that closes it."""
    case, actor, told = f"case_before{number}", "source:house", {"event": f"evt_before{number}"}
    first = entry_hash(case, 1, now, actor, "opened", told, GENESIS)
    event: dict[str, Any] = {
        "n": 0,
        "id": told["event"],
        "case_id": case,
        "source": "house",
        "delivery_id": f"d{number}",
        "type": "ticket.created",
        "vendor_type": "ticket",
        "subject": f"house:ticket:before{number}",
        "occurred_at": now.isoformat(),
        "received_at": now.isoformat(),
        "data": {"title": "Broken"},
        "start": 1,
        "size": len(_BODY),
        "headers": [],
        "door": "webhook",
        "domain": "support",
        "title": "Broken",
        "customer": "ana@example.com",
        "priority": "normal",
        "pipeline_version": 1,
        "actor": actor,
        "note": told,
        "hash": first,
    }
    with db.direct() as connection:
        assert connection.execute(_STORE_NEW, (json.dumps([event]), _BODY)).fetchall() == [(0,)]
    limits = {"customer_cap": 8, "source_cap": 8}
    until = now + timedelta(minutes=1)
    with db.direct() as connection:
        claimed = connection.execute(
            _CLAIM, {"case": case, "worker": "w", "now": now, "until": until, **limits}
        ).fetchone()
    assert claimed is not None
    version, (seq, end, thread) = claimed[13], claimed[26:]
    assert (seq, end, len(thread)) == (1, first, 1)
    step = {
        "id": f"step_before{number}",
        "case_id": case,
        "round": 1,
        "name": "triage",
        "input_digest": "0" * 64,
        "output": {"intent": "other"},
        "started_at": now.isoformat(),
        "finished_at": now.isoformat(),
    }
    said = {"round": 1, "input": "0" * 64}
    changes = {
        "claims": 0,
        "waits": 0,
        "waiting_for": None,
        "updated_at": now,
        "state": "closed",
        "claimed_by": None,
        "wake_at": None,
        "closed_at": now,
        "outcome": "done",
    }
    values = {
        **{f"set_{name}": value for name, value in changes.items()},
        "case": case,
        "version": version,
        "steps": json.dumps([step]),
        "chain_seq": 2,
        "noted_at": now,
        "actor": "caseworker",
        "verb": "triage",
        "told": json.dumps(said),
        "previous": NOT_REPEATED,
        "chain_hash": entry_hash(case, 2, now, "caseworker", "triage", said, first),
    }
    with db.direct() as connection:
        assert connection.execute(_RECORD, values).fetchone() is not None

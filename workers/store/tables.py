"""The tables. Truth lives here; a queue message is only a hint that a row is due.

`wake_at` on cases and actions is the one timer (indexed where it is set): when the row is next due; parked and finished rows
have NULL. A claim sets it to the end of the lease on actions; on cases it stays, and `held_until`, which no index knows, says
until when the row is passed over. `version` is the fence: each claim raises it and each commit of work asserts it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from workers.store.columns import Json, UtcDateTime, at, held, identity, metadata, partial, ref
from workers.store.packing import OF_STEPS, PackedRecord, Record

cases = Table(
    "cases",
    metadata,
    identity(),
    Column("domain", String(32), nullable=False),
    Column("subject", String(300), nullable=False),
    Column("source", String(200), nullable=False),
    Column("title", String(300), nullable=False),
    Column("customer", String(320), nullable=False, server_default=""),
    Column("pipeline_version", Integer, nullable=False),
    at("opened_at"),
    # What stays comes before what changes: an update then writes little more than the changed end of the row.
    Column("assignee", String(40)),
    Column("outcome", String(40)),
    Column("priority", String(8), nullable=False),
    Column("round", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("step", String(16), nullable=False),
    Column("events_total", Integer, nullable=False),
    Column("events_worked", Integer, nullable=False),
    Column("wake_at", UtcDateTime()),
    Column("version", Integer, nullable=False),
    Column("claimed_by", String(80)),
    Column("claims", Integer, nullable=False),
    Column("waits", Integer, nullable=False),
    Column("waiting_for", Text),
    Column("attention", Text),
    Column("instruction", Text),
    at("updated_at"),
    at("closed_at", nullable=True),
    # Where its chain of the audit log ends; NULL while that is in `audit_heads`, as before this was kept here.
    Column("chain_seq", Integer),
    Column("chain_hash", LargeBinary),
    # What is to be told there, before anything else, by the next who adds to it (`audit.Chain.waiting`).
    Column("untold", Text),
    at("held_until", nullable=True),
    # One open case per (domain, subject): the index decides, so two deliveries at once cannot open two.
    partial("uq_cases_open_subject", "domain", "subject", where="closed_at IS NULL", unique=True),
    partial("ix_cases_due", "wake_at", where="wake_at IS NOT NULL"),
    # Not by updated_at: an index over a column that each step changes would make each step rewrite every index.
    partial("ix_cases_attention", "opened_at", where="attention IS NOT NULL AND closed_at IS NULL"),
    # What must not wait behind bulk. No index knows who has claimed: a claim would write every index of the row anew.
    partial("ix_cases_urgent_due", "domain", "wake_at", where="priority = 'urgent' AND wake_at IS NOT NULL"),
    # What else is going on for a customer. Not by `closed_at`: the planner would take any index of open cases for an empty one.
    partial("ix_cases_going_on", "customer", where="outcome IS NULL AND customer <> ''"),
    # Room on each page for the next versions of its rows, so that a step that moves no index stays on the page.
    postgresql_with={"fillfactor": "70"},
)

events = Table(
    "events",
    metadata,
    identity(),
    Column("source", String(200), nullable=False),
    Column("delivery_id", String(200), nullable=False),
    # Set only for schemes that sign just the body: there a replay can carry a fresh delivery id.
    Column("body_key", String(64)),
    Column("type", String(64), nullable=False),
    Column("vendor_type", String(128), nullable=False),
    Column("subject", String(300), nullable=False),
    at("occurred_at"),
    at("received_at"),
    # Of rows stored before these three were packed into one (`parcels`).
    Column("data", Json),
    Column("raw", LargeBinary),
    Column("headers", Json),
    Column("packed", LargeBinary),
    Column("secret_id", String(80)),
    Column("door", String(16), nullable=False),
    Column("duplicates", Integer, nullable=False),
    # Set in the transaction of the insert, which comes first because it decides whether there is anything to attach.
    held("case_id", "cases.id", nullable=True),
    Column("position", Integer, nullable=False),
    UniqueConstraint("source", "delivery_id"),
    partial("uq_events_body_key", "source", "body_key", where="body_key IS NOT NULL", unique=True),
    Index("ix_events_case_id", "case_id"),
)

steps = Table(
    "steps",
    metadata,
    # A key on SQLite alone; empty on PostgreSQL, where a step is found by its case, round and name.
    Column("id", String(40), nullable=False),
    held("case_id", "cases.id"),
    Column("round", Integer, nullable=False),
    Column("name", String(16), nullable=False),
    Column("input_digest", String(64), nullable=False),  # filled by versions before; the audit log has it
    # Read through `step_rows`: on PostgreSQL the output is `packed`.
    Column("output", Record(OF_STEPS), nullable=False),
    at("started_at"),
    at("finished_at"),
    # Of a draft that was committed together with the gathering that it rests on.
    at("gathered_from", nullable=True),
    at("gathered_at", nullable=True),
    # The model call that answered (`calls`); all empty where none was asked.
    Column("input_tokens", Integer),
    Column("output_tokens", Integer),
    Column("cache_read_tokens", Integer),
    Column("cache_write_tokens", Integer),
    Column("latency_ms", Integer),
    Column("cost_usd", Numeric(12, 6)),
    Column("provider", String(40)),
    Column("model", String(120)),
    Column("request_id", String(120)),
    Column("stop_reason", String(40)),
    Column("domain", String(32)),
    Column("packed", PackedRecord(OF_STEPS)),
    UniqueConstraint("case_id", "round", "name"),
    # What happened lately. Rows come in the order of time, so a few bytes for each 128 KB will do.
    Index(
        "ix_steps_finished_at",
        "finished_at",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 16, "autosummarize": True},
    ),
)

facts = Table(
    "facts",
    metadata,
    # Looked up one by one: what is gathered is in its step (`findings`). Not a key: found by case, round and position alone.
    Column("id", String(40), nullable=False),
    held("case_id", "cases.id"),
    Column("round", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", String(40), nullable=False),
    Column("ref", String(300), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("title", String(300), nullable=False),
    Column("data", Json, nullable=False),
    Column("version", String(200), nullable=False),
    Column("trusted", Boolean, nullable=False),
    Column("url", String(500)),
    at("fetched_at"),
    UniqueConstraint("case_id", "round", "position"),
)

actions = Table(
    "actions",
    metadata,
    identity(),
    held("case_id", "cases.id"),
    Column("round", Integer, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("arguments", Json, nullable=False),
    Column("target", String(300), nullable=False),
    Column("target_version", String(200), nullable=False),
    # Empty where they are packed: see `action_rows`.
    Column("digest", String(64)),
    Column("policy_hash", String(64)),
    Column("verdict", Json),
    Column("sentence", Text),
    Column("rationale", Text),
    Column("citations", Json),
    Column("origins", Json),
    Column("confidence", Float, nullable=False),
    Column("rests_on", Json),
    Column("decided_by", String(200)),
    at("decided_at", nullable=True),
    Column("approved_digest", String(64)),
    at("created_at"),
    at("expires_at", nullable=True),
    # What stays comes before what changes: an update then writes little more than the changed end of the row.
    Column("state", String(20), nullable=False),
    Column("reason", Text),
    Column("wake_at", UtcDateTime()),
    Column("version", Integer, nullable=False),
    Column("claimed_by", String(80)),
    Column("tries", Integer, nullable=False),
    Column("waiting_for", Text),
    Column("receipt", Json),
    at("updated_at"),
    at("settled_at", nullable=True),
    at("snoozed_until", nullable=True),  # out of sight until then
    Column("packed", LargeBinary),
    # Where it is found until it is over: `unsettled`.
    Column("standing", String(20)),
    at("held_until", nullable=True),
    Column("first_revision", LargeBinary),  # and whose it was, where it has no row of its own (`revision_rows`)
    Column("author", String(200)),
    UniqueConstraint("case_id", "round", "ordinal"),
    partial("ix_actions_due", "wake_at", where="wake_at IS NOT NULL"),
    partial("ix_actions_standing", "standing", "created_at", where="standing IS NOT NULL"),
    # Whether the same was done to the same target before.
    Index("ix_actions_done_to", "target"),
    # What was decided of a kind later than it was drafted: what rules let through at once is found by its id.
    partial("ix_actions_decided_later", "kind", "decided_at", where="decided_at > created_at"),
    postgresql_with={"fillfactor": "70"},
)

revisions = Table(
    "revisions",
    metadata,
    held("action_id", "actions.id"),
    Column("revision", Integer, nullable=False),
    Column("arguments", Json),
    Column("target", String(300)),
    Column("target_version", String(200)),
    Column("digest", String(64)),
    Column("author", String(200), nullable=False),
    Column("record", Record),
    at("created_at"),
    Column("packed", LargeBinary),
    UniqueConstraint("action_id", "revision"),
)

people = Table(
    "people",
    metadata,
    identity(),
    Column("email", String(320), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("password_hash", String(200), nullable=False),
    Column("groups", Json, nullable=False),
    Column("active", Boolean, nullable=False),
    at("created_at"),
)

decisions = Table(
    "decisions",
    metadata,
    identity(),
    ref("action_id", "actions.id"),
    ref("case_id", "cases.id"),
    Column("revision", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("decision", String(20), nullable=False),
    ref("person_id", "people.id", nullable=True),
    Column("actor", String(200), nullable=False),
    Column("reason", Text),
    Column("before", Json),
    Column("after", Json),
    Column("channel", String(16), nullable=False),
    at("decided_at"),
    # For whom this was said, by somebody who stands in for them.
    Column("on_behalf_of", String(40)),
    Index("ix_decisions_action_id", "action_id"),
)

attempts = Table(
    "attempts",
    metadata,
    identity(),
    held("action_id", "actions.id"),
    Column("number", Integer, nullable=False),
    Column("key", String(80), nullable=False),
    Column("digest", String(64), nullable=False),
    at("started_at"),
    at("finished_at", nullable=True),
    Column("outcome", String(16)),
    Column("receipt", Json),
    Column("error", Text),
    UniqueConstraint("action_id", "number"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    ref("person_id", "people.id"),
    Column("csrf", String(64), nullable=False),
    at("created_at"),
    at("expires_at"),
)

tokens = Table(
    "tokens",
    metadata,
    identity(),
    Column("name", String(200), nullable=False),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("scopes", Json, nullable=False),
    ref("person_id", "people.id", nullable=True),
    at("created_at"),
    at("revoked_at", nullable=True),
)

model_usage = Table(
    "model_usage",
    metadata,
    identity(),
    held("case_id", "cases.id"),
    Column("round", Integer, nullable=False),
    Column("step", String(16), nullable=False),
    Column("provider", String(40), nullable=False),
    Column("model", String(120), nullable=False),
    Column("input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    Column("cache_read_tokens", Integer, nullable=False),
    Column("cache_write_tokens", Integer, nullable=False),
    Column("latency_ms", Integer, nullable=False),
    Column("cost_usd", Numeric(12, 6)),
    Column("request_id", String(120)),
    Column("stop_reason", String(40), nullable=False),
    at("at"),
    # NULL in rows of versions that did not know them: then the step tells the task, and the call answered.
    Column("task", String(16)),
    Column("outcome", String(8)),
    Column("domain", String(32)),
    Index("ix_model_usage_case_id", "case_id"),
)

quarantine = Table(
    "quarantine",
    metadata,
    identity(),
    Column("source", String(200), nullable=False),
    at("received_at"),
    Column("reason", String(40), nullable=False),
    Column("headers", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    at("replayed_at", nullable=True),
    Column("replay_result", String(80)),
    Index("ix_quarantine_source_received_at", "source", "received_at"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    identity(),
    at("received_at"),
    # How it came: the Celery task, or the exchange for plain CloudEvents.
    Column("door", String(16), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("detail", Text, nullable=False),
    Column("headers", Json, nullable=False),
    Column("body", LargeBinary, nullable=False),
    at("replayed_at", nullable=True),
    Column("replay_result", String(200)),
    Index("ix_dead_letters_received_at", "received_at"),
)

processes = Table(
    "processes",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("queues", Json, nullable=False),
    # Raised at each heartbeat: whether a process lives is told by its moving, not by comparing two machines' clocks.
    Column("beat", Integer, nullable=False),
    Column("held", Integer, nullable=False),
    at("started_at"),
    at("seen_at"),
    postgresql_with={"fillfactor": "30"},
)

allowances = Table(
    "allowances",
    metadata,
    # A vendor's name; one token bucket for all processes, where no Redis keeps it.
    Column("vendor", String(80), primary_key=True),
    Column("tokens", Float, nullable=False),
    Column("refilled_at", UtcDateTime(), nullable=False),
    # Nobody calls before this moment: the vendor said “Retry-After”.
    Column("closed_until", UtcDateTime()),
    postgresql_with={"fillfactor": "30"},
)

switches = Table(
    "switches",
    metadata,
    Column("scope", String(140), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("actor", String(200), nullable=False),
    at("thrown_at"),
)

Row = dict[str, Any]

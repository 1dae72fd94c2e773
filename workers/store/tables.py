"""The tables. Truth lives here; a queue message is only a hint that a row is due.

`wake_at` on cases and actions is the one timer (indexed where it is set): when the row is next due. A claim sets it to
the end of the lease, parked and finished rows have NULL. `version` is the fence: each claim raises it and each commit of
work asserts it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in, aware UTC out, on both databases. A naive time is a bug and is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime: times are aware and UTC here")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the base's signature
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Json = JSON().with_variant(JSONB(), "postgresql")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[str]:
    return Column("id", String(40), primary_key=True)


def _ref(name: str, target: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, String(40), ForeignKey(target), nullable=nullable)


def _at(name: str, *, nullable: bool = False) -> Column[datetime]:
    return Column(name, UtcDateTime(), nullable=nullable)


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


cases = Table(
    "cases",
    metadata,
    _id(),
    Column("domain", String(32), nullable=False),
    Column("subject", String(300), nullable=False),
    Column("source", String(200), nullable=False),
    Column("title", String(300), nullable=False),
    Column("customer", String(320), nullable=False, server_default=""),
    Column("state", String(16), nullable=False),
    Column("step", String(16), nullable=False),
    Column("round", Integer, nullable=False),
    Column("priority", String(8), nullable=False),
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
    Column("assignee", String(40)),
    Column("outcome", String(40)),
    Column("pipeline_version", Integer, nullable=False),
    _at("opened_at"),
    _at("updated_at"),
    _at("closed_at", nullable=True),
    # One open case per (domain, subject): the index decides, so two deliveries at once cannot open two.
    _partial("uq_cases_open_subject", "domain", "subject", where="closed_at IS NULL", unique=True),
    _partial("ix_cases_due", "wake_at", where="wake_at IS NOT NULL"),
    _partial("ix_cases_attention", "updated_at", where="attention IS NOT NULL AND closed_at IS NULL"),
    Index("ix_cases_opened_at", "opened_at"),
)

events = Table(
    "events",
    metadata,
    _id(),
    Column("source", String(200), nullable=False),
    Column("delivery_id", String(200), nullable=False),
    # Set only for schemes that sign just the body: there a replay can carry a fresh delivery id.
    Column("body_key", String(64)),
    Column("type", String(64), nullable=False),
    Column("vendor_type", String(128), nullable=False),
    Column("subject", String(300), nullable=False),
    _at("occurred_at"),
    _at("received_at"),
    Column("data", Json, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("headers", Json, nullable=False),
    Column("secret_id", String(80)),
    Column("door", String(16), nullable=False),
    Column("duplicates", Integer, nullable=False),
    # Set in the transaction of the insert, which comes first because it decides whether there is anything to attach.
    _ref("case_id", "cases.id", nullable=True),
    Column("position", Integer, nullable=False),
    UniqueConstraint("source", "delivery_id"),
    UniqueConstraint("source", "body_key"),
    Index("ix_events_case_id", "case_id"),
)

steps = Table(
    "steps",
    metadata,
    _id(),
    _ref("case_id", "cases.id"),
    Column("round", Integer, nullable=False),
    Column("name", String(16), nullable=False),
    Column("input_digest", String(64), nullable=False),
    Column("output", Json, nullable=False),
    _at("started_at"),
    _at("finished_at"),
    UniqueConstraint("case_id", "round", "name"),
)

facts = Table(
    "facts",
    metadata,
    _id(),
    _ref("case_id", "cases.id"),
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
    _at("fetched_at"),
    UniqueConstraint("case_id", "round", "position"),
)

actions = Table(
    "actions",
    metadata,
    _id(),
    _ref("case_id", "cases.id"),
    Column("round", Integer, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("state", String(20), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("arguments", Json, nullable=False),
    Column("target", String(300), nullable=False),
    Column("target_version", String(200), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("policy_hash", String(64), nullable=False),
    Column("verdict", Json, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("rationale", Text, nullable=False),
    Column("citations", Json, nullable=False),
    Column("origins", Json, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("rests_on", Json, nullable=False),
    Column("decided_by", String(200)),
    _at("decided_at", nullable=True),
    Column("approved_digest", String(64)),
    Column("reason", Text),
    Column("wake_at", UtcDateTime()),
    Column("version", Integer, nullable=False),
    Column("claimed_by", String(80)),
    Column("tries", Integer, nullable=False),
    Column("waiting_for", Text),
    Column("receipt", Json),
    _at("created_at"),
    _at("updated_at"),
    _at("expires_at", nullable=True),
    _at("settled_at", nullable=True),
    UniqueConstraint("case_id", "round", "ordinal"),
    _partial("ix_actions_due", "wake_at", where="wake_at IS NOT NULL"),
    _partial("ix_actions_open", "state", "created_at", where="settled_at IS NULL"),
)

revisions = Table(
    "revisions",
    metadata,
    _ref("action_id", "actions.id"),
    Column("revision", Integer, nullable=False),
    Column("arguments", Json, nullable=False),
    Column("target", String(300), nullable=False),
    Column("target_version", String(200), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("author", String(200), nullable=False),
    Column("record", Json, nullable=False),
    _at("created_at"),
    UniqueConstraint("action_id", "revision"),
)

people = Table(
    "people",
    metadata,
    _id(),
    Column("email", String(320), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("password_hash", String(200), nullable=False),
    Column("groups", Json, nullable=False),
    Column("active", Boolean, nullable=False),
    _at("created_at"),
)

decisions = Table(
    "decisions",
    metadata,
    _id(),
    _ref("action_id", "actions.id"),
    _ref("case_id", "cases.id"),
    Column("revision", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("decision", String(20), nullable=False),
    _ref("person_id", "people.id", nullable=True),
    Column("actor", String(200), nullable=False),
    Column("reason", Text),
    Column("before", Json),
    Column("after", Json),
    Column("channel", String(16), nullable=False),
    _at("decided_at"),
    Index("ix_decisions_action_id", "action_id"),
)

attempts = Table(
    "attempts",
    metadata,
    _id(),
    _ref("action_id", "actions.id"),
    Column("number", Integer, nullable=False),
    Column("key", String(80), nullable=False),
    Column("digest", String(64), nullable=False),
    _at("started_at"),
    _at("finished_at", nullable=True),
    Column("outcome", String(16)),
    Column("receipt", Json),
    Column("error", Text),
    UniqueConstraint("action_id", "number"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("chain", String(40), nullable=False),
    Column("seq", Integer, nullable=False),
    _at("at"),
    Column("actor", String(200), nullable=False),
    Column("verb", String(40), nullable=False),
    Column("data", Json, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    UniqueConstraint("chain", "seq"),
)

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("chain", String(40), primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
)

audit_anchors = Table(
    "audit_anchors",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _at("at"),
    Column("last_audit_id", Integer, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    _ref("person_id", "people.id"),
    Column("csrf", String(64), nullable=False),
    _at("created_at"),
    _at("expires_at"),
)

tokens = Table(
    "tokens",
    metadata,
    _id(),
    Column("name", String(200), nullable=False),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("scopes", Json, nullable=False),
    _ref("person_id", "people.id", nullable=True),
    _at("created_at"),
    _at("revoked_at", nullable=True),
)

model_usage = Table(
    "model_usage",
    metadata,
    _id(),
    _ref("case_id", "cases.id"),
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
    _at("at"),
    Index("ix_model_usage_case_id", "case_id"),
)

quarantine = Table(
    "quarantine",
    metadata,
    _id(),
    Column("source", String(200), nullable=False),
    _at("received_at"),
    Column("reason", String(40), nullable=False),
    Column("headers", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    _at("replayed_at", nullable=True),
    Column("replay_result", String(80)),
    Index("ix_quarantine_source_received_at", "source", "received_at"),
)

switches = Table(
    "switches",
    metadata,
    Column("scope", String(80), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("actor", String(200), nullable=False),
    _at("thrown_at"),
)

Row = dict[str, Any]

"""Rows as frozen dataclasses: what named queries return and the rest of the system holds. Fields are columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from workers.store import action_rows

Json = Any


class CaseState(StrEnum):
    WORKING = "working"  # due, or being worked on now
    WAITING = "waiting"  # something outside is not available; `waiting_for` says what
    INBOX = "inbox"  # people must decide
    ACTING = "acting"  # approved actions are being carried out
    TAKEN_OVER = "taken_over"  # a person does the rest by hand
    CLOSED = "closed"


class ActionState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    EXECUTING = "executing"
    DONE = "done"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    REJECTED = "rejected"
    DENIED = "denied"
    CHANGES_REQUESTED = "changes_requested"
    STALE = "stale"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Event:
    id: str
    source: str
    delivery_id: str
    type: str
    vendor_type: str
    subject: str
    occurred_at: datetime
    received_at: datetime
    data: Mapping[str, Json]
    door: str
    duplicates: int
    case_id: str
    position: int


@dataclass(frozen=True, slots=True)
class Case:
    id: str
    domain: str
    subject: str
    source: str
    title: str
    customer: str
    state: str
    step: str
    round: int
    priority: str
    events_total: int
    events_worked: int
    wake_at: datetime | None
    version: int
    claimed_by: str | None
    claims: int
    waits: int
    waiting_for: str | None
    attention: str | None
    instruction: str | None
    assignee: str | None
    outcome: str | None
    pipeline_version: int
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Step:
    case_id: str
    round: int
    name: str
    output: Mapping[str, Json]
    started_at: datetime
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class Fact:
    """One piece of evidence. `name` is what prompts call it, `ref` what citations use."""

    id: str
    case_id: str
    round: int
    position: int
    name: str
    ref: str
    kind: str
    title: str
    data: Mapping[str, Json]
    version: str
    trusted: bool
    url: str | None
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class Action:
    id: str
    case_id: str
    round: int
    ordinal: int
    kind: str
    state: str
    revision: int
    arguments: Mapping[str, Json]
    target: str
    target_version: str
    digest: str
    policy_hash: str
    verdict: Mapping[str, Json]
    sentence: str
    rationale: str
    citations: list[str]
    origins: Mapping[str, Json]
    confidence: float
    rests_on: list[str]
    decided_by: str | None
    decided_at: datetime | None
    approved_digest: str | None
    reason: str | None
    wake_at: datetime | None
    version: int
    claimed_by: str | None
    tries: int
    waiting_for: str | None
    receipt: Mapping[str, Json] | None
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    settled_at: datetime | None
    #: out of sight until then, because somebody put it off
    snoozed_until: datetime | None = None
    #: what is written once, as it is stored (`action_rows`); None as soon as it is in its fields
    packed: bytes | None = None
    #: `wake_at` of what was begun with its decision, as it is stored (`unsettled`); None as soon as it is there
    held_until: datetime | None = None

    def __post_init__(self) -> None:
        if self.packed is not None:
            _unpack(self, action_rows.action_of(self.packed))
        if self.held_until is not None:
            if self.wake_at is None and self.state == ActionState.EXECUTING:
                object.__setattr__(self, "wake_at", self.held_until)
            object.__setattr__(self, "held_until", None)
        approved = self.approved_digest
        if approved is not None and approved != self.digest:
            object.__setattr__(self, "approved_digest", action_rows.approved_digest(approved, self.digest))
        if self.receipt is not None:
            object.__setattr__(self, "receipt", action_rows.full_receipt(self.receipt))


#: the author of a revision in which a person asked somebody besides
ESCALATION = "escalation"


@dataclass(frozen=True, slots=True)
class Revision:
    action_id: str
    revision: int
    arguments: Mapping[str, Json]
    target: str
    target_version: str
    digest: str
    author: str
    record: Mapping[str, Json]
    created_at: datetime
    packed: bytes | None = None

    def __post_init__(self) -> None:
        if self.packed is not None:
            _unpack(self, action_rows.revision_of(self.packed))


@dataclass(frozen=True, slots=True)
class Decision:
    id: str
    action_id: str
    case_id: str
    revision: int
    digest: str
    decision: str
    person_id: str | None
    actor: str
    reason: str | None
    before: Mapping[str, Json] | None
    after: Mapping[str, Json] | None
    channel: str
    decided_at: datetime
    #: for whom it was said, by somebody who stands in for them
    on_behalf_of: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    id: str
    action_id: str
    number: int
    key: str
    digest: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    receipt: Mapping[str, Json] | None
    error: str | None

    def __post_init__(self) -> None:
        if self.receipt is not None:
            object.__setattr__(self, "receipt", action_rows.full_receipt(self.receipt))


@dataclass(frozen=True, slots=True)
class AuditEntry:
    id: int
    chain: str
    seq: int
    at: datetime
    actor: str
    verb: str
    data: Mapping[str, Json]
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    email: str
    name: str
    password_hash: str
    groups: list[str]
    active: bool
    created_at: datetime

    @property
    def actor(self) -> str:
        """Who they are in the audit log, and wherever it is kept who did something."""
        return f"person:{self.email}"


@dataclass(frozen=True, slots=True)
class Delegation:
    """`stand_in_id` speaks for `person_id`, who is away, from `starts_at` to `ends_at` or until it was ended before."""

    id: str
    person_id: str
    stand_in_id: str
    starts_at: datetime
    ends_at: datetime
    reason: str
    created_by: str
    created_at: datetime
    ended_at: datetime | None

    @property
    def until(self) -> datetime:
        return self.ends_at if self.ended_at is None else min(self.ends_at, self.ended_at)


@dataclass(frozen=True, slots=True)
class Session:
    token_hash: str
    person_id: str
    csrf: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    id: str
    name: str
    token_hash: str
    scopes: list[str]
    person_id: str | None
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class ModelUsage:
    case_id: str
    round: int
    step: str
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    latency_ms: int
    cost_usd: Decimal | None
    request_id: str | None
    stop_reason: str
    at: datetime
    task: str
    #: ok, failed (paid for, but it gave nothing) or hedged (another answered first)
    outcome: str
    domain: str | None


@dataclass(frozen=True, slots=True)
class Quarantined:
    id: str
    source: str
    received_at: datetime
    reason: str
    headers: bytes
    body: bytes
    size: int
    sha256: str
    replayed_at: datetime | None
    replay_result: str | None


@dataclass(frozen=True, slots=True)
class Switch:
    scope: str
    reason: str
    actor: str
    thrown_at: datetime


def _unpack(row: Action | Revision, packed: Mapping[str, Json]) -> None:
    """Fill what its columns leave empty."""
    for name, value in packed.items():
        if getattr(row, name) is None:
            object.__setattr__(row, name, value)
    object.__setattr__(row, "packed", None)

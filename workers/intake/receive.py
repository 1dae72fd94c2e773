"""The one way in: an event is inserted once and joins or opens its case, in one transaction; only then is it answered.

Every door ends here. Nothing is published before the commit, and the answer never waits for the broker: a lost hint is
found by the sweeper.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.base import EventType, InboundEvent
from workers import faults
from workers.store import actions, audit, cases, events
from workers.store.audit import Note
from workers.store.database import Tx
from workers.store.ids import new_id
from workers.store.records import ActionState, Case, CaseState
from workers.wiring import System

#: who works on what
DOMAINS: Mapping[EventType, str] = {
    EventType.TICKET_CREATED: "support",
    EventType.TICKET_COMMENTED: "support",
    EventType.CHARGE_FLAGGED: "transactions",
    EventType.DISPUTE_OPENED: "transactions",
    EventType.BRIEF_REQUESTED: "content",
    EventType.STOCK_SHORT: "supply",
}

PIPELINE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Provenance:
    """How an event came in, kept with it."""

    door: str
    raw: bytes
    headers: Sequence[tuple[str, str]] = ()
    secret_id: str | None = None
    #: True where the signature covers only the body: the body's hash is then a second dedupe key
    body_is_key: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """What became of the events of one request."""

    accepted: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    cases: list[str] = field(default_factory=list)


def receive(system: System, inbound: Sequence[InboundEvent], provenance: Provenance) -> Received:
    """Store events once each and open or join their cases. Raise `StoreUnavailable`; then nothing was kept."""
    received = Received()
    to_work: list[Case] = []
    with system.db.write() as tx:
        for position, event in enumerate(inbound):
            case = _insert(system, tx, event, provenance, position, received)
            if case is not None and case.state != CaseState.TAKEN_OVER:
                to_work.append(case)
        faults.point("event.committing")
    faults.point("event.committed")
    for case in to_work:
        system.hints.case(case.id, case.domain)
    return received


def _insert(
    system: System, tx: Tx, event: InboundEvent, provenance: Provenance, position: int, received: Received
) -> Case | None:
    now = system.clock()
    body_key = f"{position}:{hashlib.sha256(provenance.raw).hexdigest()}"[:64] if provenance.body_is_key else None
    row: dict[str, Any] = {
        "id": new_id("evt"),
        "source": event.source,
        "delivery_id": event.delivery_id,
        "body_key": body_key,
        "type": event.type.value,
        "vendor_type": event.vendor_type,
        "subject": event.subject,
        "occurred_at": event.occurred_at,
        "received_at": now,
        "data": dict(event.data),
        # The body is kept once, with the first of its events.
        "raw": provenance.raw if position == 0 else b"",
        "headers": [list(pair) for pair in provenance.headers] if position == 0 else [],
        "secret_id": provenance.secret_id,
        "door": provenance.door,
        "duplicates": 0,
        "position": 0,
    }
    if not events.insert_once(tx, row):
        known = events.count_duplicate(tx, event.source, event.delivery_id, body_key)
        received.duplicates.append(known or event.delivery_id)
        return None
    case, opened = cases.join_or_open(
        tx,
        domain=DOMAINS[event.type],
        subject=event.subject,
        source=event.source,
        title=str(event.data.get("title", event.subject)),
        pipeline_version=PIPELINE_VERSION,
        now=now,
    )
    events.attach(tx, row["id"], case.id, case.events_total)
    notes = [
        Note(f"source:{event.source}", "opened" if opened else "joined", {"event": row["id"], "type": row["type"]})
    ]
    if not opened:
        withdrawn = actions.settle_open(tx, case.id, ActionState.STALE, "A new message came in.", now)
        if withdrawn:
            notes.append(Note("caseworker", "stale", {"withdrawn": withdrawn, "reason": "new event"}))
    audit.append(tx, case.id, now, *notes)
    received.accepted.append(row["id"])
    received.cases.append(case.id)
    return case

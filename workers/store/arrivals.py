"""Events that arrived together are stored together: each once, with the case that it opens or joins, and the first notes.

Called by `workers.intake.receive` alone. What is new (a new event that opens a case) is the most by far and is written
set-wise: on PostgreSQL by one statement that is its own transaction, on SQLite by a few executed for many rows. What was
there already, or joins an open case, is found by the same statement and then taken one by one. Uniqueness is decided by
the indexes and by nothing else, so that doors beside each other cannot store an event twice or open two cases.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.errors import DeadlockDetected, UniqueViolation
from pydantic_core import to_json
from sqlalchemy import bindparam, insert, select, tuple_, update
from sqlalchemy import case as sql_case
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from workers.store import actions, audit, events, parcels
from workers.store.audit import Link, Note, first_link
from workers.store.audit_rows import opening, opening_told, packed_opening
from workers.store.audit_tables import audit as audit_entries
from workers.store.database import Database, StoreUnavailable, Tx
from workers.store.records import ActionState, Case, CaseState
from workers.store.rows import columns
from workers.store.tables import cases
from workers.store.tables import events as all_events

#: how often a statement is repeated that met another door storing the same; then they are taken one by one
MOST_REPEATS = 3
#: as much as the column holds
MOST_OF_A_CUSTOMER = 320


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event at the door, with the ids that it and its case will have, should both be new."""

    event_id: str
    case_id: str
    source: str
    delivery_id: str
    #: a second key where the signature covers the body alone
    body_key: str | None
    type: str
    vendor_type: str
    subject: str
    occurred_at: datetime
    received_at: datetime
    data: Mapping[str, Any]
    raw: bytes
    headers: Sequence[tuple[str, str]]
    secret_id: str | None
    door: str
    domain: str
    title: str
    customer: str
    priority: str
    pipeline_version: int

    @property
    def whose(self) -> str:
        return self.customer or customer_of(self.source, self.data)


@dataclass(frozen=True, slots=True)
class ArrivalResult:
    """What became of one arrival. `event_id` is that of the first delivery, and there is no case, for a duplicate."""

    event_id: str
    case_id: str | None = None
    domain: str = ""
    #: False where a person has the case in hand, so that no worker need hear of it
    rouse: bool = True


def customer_of(source: str, data: Mapping[str, Any]) -> str:
    """The customer that an event names: by address, else as its source calls them (``zendesk:412880031``). A name that does not
    begin with the source's could be that of another source's customer, and is none. However an address is spelled, it is one customer."""
    address = data.get("requester_email") or data.get("customer_email")
    if address:
        return str(address).strip().casefold()[:MOST_OF_A_CUSTOMER]
    named = data.get("requester")
    return named[:MOST_OF_A_CUSTOMER] if isinstance(named, str) and named.startswith(f"{source}:") else ""


def address_of(customer: str) -> str:
    """Empty where a source's name stands for a customer: nobody can be looked up or written to by it."""
    return "" if ":" in customer and "@" not in customer else customer


def store_new(db: Database, arrivals: Sequence[Arrival]) -> dict[int, ArrivalResult]:
    """Store, committed, those that are new and open a case; by their places. The others are untouched: see `take`.

    Raise `StoreUnavailable`; then nothing was stored. Any other error is the fault of one of them; nor was anything then.
    """
    firsts = _firsts(arrivals)
    if db.is_sqlite:
        with db.write() as tx:
            new = _write_new(tx, arrivals, firsts)
    else:
        new = _send_new(db, arrivals, firsts)
    return {n: ArrivalResult(arrivals[n].event_id, arrivals[n].case_id, arrivals[n].domain) for n in new}


def take(tx: Tx, arrival: Arrival) -> ArrivalResult:
    """Store one, whatever it is: new, a duplicate, or one more event of an open case."""
    row = _event_row(arrival, *_parcels([arrival])) | {"case_id": None, "position": 0}
    if not events.insert_once(tx, row):
        known = events.count_duplicate(tx, arrival.source, arrival.delivery_id, arrival.body_key)
        return ArrivalResult(known or arrival.delivery_id)
    case, opened = _join_or_open(tx, arrival)
    events.attach(tx, arrival.event_id, case.id, case.events_total)
    now = arrival.received_at
    notes = [_first_note(arrival) if opened else Note(f"source:{arrival.source}", "joined", _about(arrival))]
    if not opened:
        withdrawn = actions.settle_open(tx, case.id, ActionState.STALE, "A new message came in.", now)
        if withdrawn:
            notes.append(Note("caseworker", "stale", {"withdrawn": withdrawn, "reason": "new event"}))
    audit.append(tx, case.id, now, *notes)
    return ArrivalResult(arrival.event_id, case.id, case.domain, rouse=case.state != CaseState.TAKEN_OVER)


def entangled(error: StoreUnavailable) -> bool:
    """Whether two doors waited for each other in a ring, and this one was sent away: it may try again at once."""
    return isinstance(getattr(error.__cause__, "orig", error.__cause__), DeadlockDetected)


def _firsts(arrivals: Sequence[Arrival]) -> list[int]:
    """The places of those that can be new: the first of each event, of each body and of each subject."""
    seen: set[tuple[str, str, str]] = set()
    firsts = []
    for place, arrival in enumerate(arrivals):
        keys = {("id", arrival.source, arrival.delivery_id), ("subject", arrival.domain, arrival.subject)}
        if arrival.body_key is not None:
            keys.add(("body", arrival.source, arrival.body_key))
        if seen.isdisjoint(keys):
            firsts.append(place)
        seen |= keys
    return firsts


# ── what is new, on PostgreSQL ───────────────────────────────────────────────────────────────────────────────────────

# Parcels come as one run of bytes, each found by its start and size.
# Whether an event is there already is asked of nobody but the unique indexes, and the look for an open case is a
# sub-select with OFFSET 0, which only one index can serve: a plan that is made on a new, empty database is kept while the
# tables grow, and whatever it could choose between it would choose wrongly.
# Rows are inserted in the order of their keys, so that two doors with the same events wait for each other, not in a ring.
_STORE_NEW = """
WITH came AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%s::json) AS row(
    n int, id text, case_id text, source text, delivery_id text, body_key text, type text, vendor_type text,
    subject text, occurred_at timestamptz, received_at timestamptz, start int, size int,
    secret_id text, door text, domain text, title text, customer text, priority text, pipeline_version int,
    told text)
), new AS MATERIALIZED (
  SELECT * FROM came
  WHERE NOT EXISTS (SELECT FROM cases c
                    WHERE c.domain = came.domain AND c.subject = came.subject AND c.closed_at IS NULL OFFSET 0)
    AND NOT EXISTS (SELECT FROM events e WHERE e.source = came.source AND e.delivery_id = came.delivery_id OFFSET 0)
    AND (came.body_key IS NULL
         OR NOT EXISTS (SELECT FROM events e WHERE e.source = came.source AND e.body_key = came.body_key OFFSET 0))
  ORDER BY source, delivery_id
), stored AS (
  INSERT INTO events (id, source, delivery_id, body_key, type, vendor_type, subject, occurred_at, received_at,
    packed, secret_id, door, duplicates, case_id, position)
  SELECT id, source, delivery_id, body_key, type, vendor_type, subject, occurred_at, received_at,
    substring(%b from start for size), secret_id, door, 0, case_id, 1 FROM new
), opened AS (
  INSERT INTO cases (id, domain, subject, source, title, customer, state, step, round, priority, events_total,
    events_worked, wake_at, version, claims, waits, pipeline_version, opened_at, updated_at, chain_seq, chain_hash)
  SELECT case_id, domain, subject, source, title, customer, 'working', 'triage', 1, priority, 1,
    0, received_at, 0, 0, 0, pipeline_version, received_at, received_at, 1, substr(decode(told, 'hex'), 1, 32) FROM new
), noted AS (
  INSERT INTO audit (chain, seq, at, actor, verb, data, previous, hash, packed)
  SELECT case_id, 1, received_at, '', '', '{}', '', '', decode(told, 'hex') FROM new
)
SELECT n FROM new
"""


def _send_new(db: Database, arrivals: Sequence[Arrival], places: Sequence[int]) -> list[int]:
    rows, bodies = _sent(arrivals, places)
    for repeat in range(1, MOST_REPEATS + 1):
        try:
            with db.direct() as cursor:
                return [row[0] for row in cursor.execute(_STORE_NEW, (rows, bodies))]
        except UniqueViolation:
            # Another door has opened one of the cases since the statement began; the next one sees it.
            if repeat == MOST_REPEATS:
                return []
        except StoreUnavailable as error:
            if not entangled(error):
                raise
            return []
    return []


def _sent(arrivals: Sequence[Arrival], places: Sequence[int]) -> tuple[str, bytes]:
    rows = []
    start = 1
    packed = _parcels([arrivals[n] for n in places])
    for n, parcel in zip(places, packed, strict=True):
        one = arrivals[n]
        first = _first(one)
        rows.append(
            {
                "n": n,
                "id": one.event_id,
                "case_id": one.case_id,
                "source": one.source,
                "delivery_id": one.delivery_id,
                "body_key": one.body_key,
                "type": one.type,
                "vendor_type": one.vendor_type,
                "subject": one.subject,
                "occurred_at": one.occurred_at,
                "received_at": one.received_at,
                "start": start,
                "size": len(parcel),
                "secret_id": one.secret_id,
                "door": one.door,
                "domain": one.domain,
                "title": one.title,
                "customer": one.whose,
                "priority": one.priority,
                "pipeline_version": one.pipeline_version,
                "told": packed_opening(first.hash, first.told, one.event_id, one.type, one.source).hex(),
            }
        )
        start += len(parcel)
    return to_json(rows).decode(), b"".join(packed)


# ── what is new, on SQLite ───────────────────────────────────────────────────────────────────────────────────────────


def _keys(*of: Any) -> Any:
    return select(*of).where(tuple_(*of).in_(bindparam("keys", expanding=True)))


_KNOWN = _keys(all_events.c.source, all_events.c.delivery_id)
_KNOWN_BODIES = _keys(all_events.c.source, all_events.c.body_key)
_WITH_OPEN_CASE = _keys(cases.c.domain, cases.c.subject).where(cases.c.closed_at.is_(None))
_ADD_CASE, _ADD_EVENT, _ADD_ENTRY = (insert(t) for t in (cases, all_events, audit_entries))


def _write_new(tx: Tx, arrivals: Sequence[Arrival], places: Sequence[int]) -> list[int]:
    """The write lock is held, so nobody else stores anything between the look and the insert."""
    known = _there(tx, _KNOWN, {(a.source, a.delivery_id) for a in map(arrivals.__getitem__, places)})
    bodies = _there(
        tx, _KNOWN_BODIES, {(a.source, a.body_key) for a in map(arrivals.__getitem__, places) if a.body_key}
    )
    opened = _there(tx, _WITH_OPEN_CASE, {(a.domain, a.subject) for a in map(arrivals.__getitem__, places)})
    new = [
        n
        for n in places
        if (arrivals[n].source, arrivals[n].delivery_id) not in known
        and (arrivals[n].source, arrivals[n].body_key) not in bodies
        and (arrivals[n].domain, arrivals[n].subject) not in opened
    ]
    if new:
        these = [arrivals[n] for n in new]
        entries = [_first(one).row() for one in these]
        ends = [{"chain_seq": entry["seq"], "chain_hash": bytes.fromhex(entry["hash"])} for entry in entries]
        tx.execute(_ADD_CASE, [_case_row(one) | end for one, end in zip(these, ends, strict=True)])
        events_ = zip(these, _parcels(these), strict=True)
        tx.execute(_ADD_EVENT, [_event_row(*one) | {"case_id": one[0].case_id, "position": 1} for one in events_])
        tx.execute(_ADD_ENTRY, entries)
    return new


def _there(tx: Tx, query: Any, keys: Collection[tuple[str, str | None]]) -> set[tuple[str, str]]:
    return {(row[0], row[1]) for row in tx.execute(query, {"keys": list(keys)})} if keys else set()


# ── one by one ───────────────────────────────────────────────────────────────────────────────────────────────────────

_CASE = columns(cases, Case)
_NOW = bindparam("now", type_=cases.c.updated_at.type)
# A claimed case keeps its lease, a case in a person's hands stays parked; both still count the event.
_JOIN = (
    update(cases)
    .where(
        cases.c.domain == bindparam("of_domain"),
        cases.c.subject == bindparam("on_subject"),
        cases.c.closed_at.is_(None),
    )
    .values(
        events_total=cases.c.events_total + 1,
        updated_at=_NOW,
        wake_at=sql_case(
            (cases.c.state == CaseState.TAKEN_OVER, None),
            (cases.c.claimed_by.is_not(None), cases.c.wake_at),
            else_=_NOW,
        ),
        held_until=sql_case((cases.c.claimed_by.is_not(None), cases.c.held_until), else_=None),
        attention=sql_case((cases.c.state == CaseState.TAKEN_OVER, "A new message came in."), else_=cases.c.attention),
    )
    .returning(*_CASE)
)


def _open_once(make: Callable[..., Any]) -> Any:
    return (
        make(cases)
        .on_conflict_do_nothing(
            index_elements=[cases.c.domain, cases.c.subject], index_where=cases.c.closed_at.is_(None)
        )
        .returning(*_CASE)
    )


_OPEN_ONCE = {"sqlite": _open_once(sqlite_insert), "postgresql": _open_once(pg_insert)}


def _join_or_open(tx: Tx, arrival: Arrival) -> tuple[Case, bool]:
    """The case that this event belongs to, and whether it was opened by it."""
    while True:
        about = {"of_domain": arrival.domain, "on_subject": arrival.subject, "now": arrival.received_at}
        joined = tx.execute(_JOIN, about).first()
        if joined is not None:
            return Case(*joined), False
        opened = tx.execute(_OPEN_ONCE[tx.dialect.name], _case_row(arrival)).first()
        if opened is not None:
            return Case(*opened), True
        # Another transaction opened it between our update and our insert, and has committed: now it can be joined.


def _parcels(of: Sequence[Arrival]) -> list[bytes]:
    return parcels.packed([(one.data, one.headers, one.raw) for one in of])


def _event_row(one: Arrival, parcel: bytes) -> dict[str, Any]:
    return {
        "id": one.event_id,
        "source": one.source,
        "delivery_id": one.delivery_id,
        "body_key": one.body_key,
        "type": one.type,
        "vendor_type": one.vendor_type,
        "subject": one.subject,
        "occurred_at": one.occurred_at,
        "received_at": one.received_at,
        "packed": parcel,
        "secret_id": one.secret_id,
        "door": one.door,
        "duplicates": 0,
    }


def _case_row(one: Arrival) -> dict[str, Any]:
    return {
        "id": one.case_id,
        "domain": one.domain,
        "subject": one.subject,
        "source": one.source,
        "title": one.title,
        "customer": one.whose,
        "state": CaseState.WORKING,
        "step": "triage",
        "round": 1,
        "priority": one.priority,
        "events_total": 1,
        "events_worked": 0,
        "wake_at": one.received_at,
        "version": 0,
        "claims": 0,
        "waits": 0,
        "pipeline_version": one.pipeline_version,
        "opened_at": one.received_at,
        "updated_at": one.received_at,
    }


def _about(arrival: Arrival) -> Mapping[str, Any]:
    return {"event": arrival.event_id, "type": arrival.type}


def _first_note(arrival: Arrival) -> Note:
    return Note(*opening(arrival.event_id, arrival.type, arrival.source))


def _first(arrival: Arrival) -> Link:
    """The first entry of the case that an event opens."""
    told = opening_told(arrival.event_id, arrival.type, arrival.source)
    return first_link(arrival.case_id, arrival.received_at, _first_note(arrival), told)

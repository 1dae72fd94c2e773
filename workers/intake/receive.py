"""The one way in: an event is stored once and joins or opens its case, committed; only then is it answered.

Every door ends here. Nothing is published before the commit, and the answer never waits for the broker: a lost hint is
found by the sweeper. Requests that come at the same time are stored together (`store`), and none suffers for another:
what cannot be stored with the rest is stored by itself, and fails by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from integrations.base import EventType, InboundEvent
from workers import faults
from workers.log import logger
from workers.store import arrivals
from workers.store.arrivals import Arrival, ArrivalResult, customer_of
from workers.store.database import StoreUnavailable
from workers.store.ids import new_id
from workers.telemetry import metrics, traces
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

if unassigned := set(EventType) - set(DOMAINS):
    raise ValueError(
        f"nobody works on events of type {', '.join(sorted(unassigned))}: name a domain for each in DOMAINS"
    )

PIPELINE_VERSION = 1

#: how often a request is tried that two doors keep from each other
MOST_TRIES = 10

#: what vendors call a priority, as far as it decides who goes first; triage judges anew from the text
PRIORITIES: Mapping[str, str] = {"urgent": "urgent", "high": "urgent", "low": "low", "bulk": "low"}


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


#: the events of one request, ready to be stored
Request = Sequence[Arrival]
#: the same, each with its place among those that are stored together
Numbered = Sequence[tuple[int, Arrival]]
#: for each request what became of its events, or why they were not stored
Stored = list[list[ArrivalResult] | Exception]

R = TypeVar("R", Request, Numbered)


class NotStored(Exception):
    """A request could not be stored though the database is there: a fault of ours, which its sender is to repeat."""


def receive(system: System, inbound: Sequence[InboundEvent], provenance: Provenance) -> Received:
    """Store events once each and open or join their cases. Raise `StoreUnavailable`; then nothing was kept."""
    request = prepare(system, inbound, provenance)
    results = store(system, [request])[0]
    if isinstance(results, Exception):
        raise results
    observe(request, results)
    hint(system, results)
    return summary_of(results)


def prepare(system: System, inbound: Sequence[InboundEvent], provenance: Provenance) -> Request:
    """The events of a request with all that is stored of them. Asks nobody."""
    now = system.clock()
    return [
        Arrival(
            event_id=new_id("evt"),
            case_id=new_id("case"),
            source=event.source,
            delivery_id=event.delivery_id,
            body_key=_body_key(provenance.raw, position) if provenance.body_is_key else None,
            type=event.type.value,
            vendor_type=event.vendor_type,
            subject=event.subject,
            occurred_at=event.occurred_at,
            received_at=now,
            data=event.data,
            # The body is kept once, with the first of its events.
            raw=provenance.raw if position == 0 else b"",
            headers=provenance.headers if position == 0 else (),
            secret_id=provenance.secret_id,
            door=provenance.door,
            domain=DOMAINS[event.type],
            title=str(event.data.get("title", event.subject))[:300],
            customer=customer_of(event.source, event.data),
            priority=PRIORITIES.get(str(event.data.get("priority")).lower(), "normal"),
            pipeline_version=PIPELINE_VERSION,
        )
        for position, event in enumerate(inbound)
    ]


def store(system: System, requests: Sequence[Request]) -> Stored:
    """Store the events of many requests, committed; for each request what became of it, or why it was not stored.

    The error is `StoreUnavailable` where the database is away, and `NotStored` where it refused this one.
    """
    flat = [arrival for request in requests for arrival in request]
    if not flat:
        return [[] for _ in requests]
    faults.point("event.committing")
    try:
        new = arrivals.store_new(system.db, flat)
    except StoreUnavailable as error:
        return [error for _ in requests]
    except Exception as error:  # noqa: BLE001 - whatever one of them holds, the others must not suffer for it
        return _one_by_one(lambda request: store(system, [request]), requests, error)
    faults.point("event.committed")
    places = iter(range(len(flat)))
    numbered = [[(next(places), arrival) for arrival in request] for request in requests]
    if len(new) == len(flat):
        return [[new[n] for n, _ in request] for request in numbered]
    return _store_others(system, numbered, new)


def hint(system: System, results: Sequence[ArrivalResult]) -> None:
    """Tell the workers of the cases, after the commit. May be lost: the sweeper finds them."""
    for one in results:
        if one.case_id is not None and one.rouse:
            system.hints.case(one.case_id, one.domain)


def observe(request: Request, results: Sequence[ArrivalResult]) -> None:
    """Count what came in, and begin or join the traces of its cases."""
    if not request:
        return
    accepted = sum(one.case_id is not None for one in results)
    metrics.received(request[0].door, accepted=accepted, duplicates=len(results) - accepted)
    if not traces.on():
        return
    for arrival, one in zip(request, results, strict=True):
        if one.case_id is not None:
            began = int(arrival.received_at.timestamp() * 1_000_000_000)
            opened = one.case_id == arrival.case_id
            traces.received(one.case_id, began, opened=opened, event_id=one.event_id, door=arrival.door)


def summary_of(results: Sequence[ArrivalResult]) -> Received:
    new = [(one.event_id, one.case_id) for one in results if one.case_id is not None]
    return Received(
        accepted=[event for event, _ in new],
        duplicates=[one.event_id for one in results if one.case_id is None],
        cases=[case for _, case in new],
    )


def _store_others(
    system: System, requests: Sequence[Numbered], new: Mapping[int, ArrivalResult], tries: int = MOST_TRIES
) -> Stored:
    """What joins a case, and what is there already: all in one transaction."""
    left = [(n, arrival) for request in requests for n, arrival in request if n not in new]
    # In one order everywhere, so that two doors whose events join the same cases seldom wait for each other in a ring; those of
    # one case as they came, since the last of them is what its agent takes for the newest.
    left.sort(key=lambda one: (one[1].domain, one[1].subject, one[0]))
    found = dict(new)
    try:
        with system.db.write() as tx:
            for n, arrival in left:
                found[n] = arrivals.take(tx, arrival)
            faults.point("event.joining")
    except StoreUnavailable as error:
        if arrivals.entangled(error) and tries > 1:
            return [_store_others(system, [request], new, tries - 1)[0] for request in requests]
        # Those that were wholly new are stored, whatever becomes of the others.
        return [
            error if any(n not in new for n, _ in request) else [new[n] for n, _ in request] for request in requests
        ]
    except Exception as error:  # noqa: BLE001 - as in `store`
        return _one_by_one(lambda request: _store_others(system, [request], new), requests, error)
    return [[found[n] for n, _ in request] for request in requests]


def _one_by_one(store_one: Callable[[R], Stored], requests: Sequence[R], error: Exception) -> Stored:
    if len(requests) > 1:
        return [store_one(request)[0] for request in requests]
    logger.error("event_refused_by_the_database", exc_info=error)
    return [NotStored("the database refused this event")]


def _body_key(raw: bytes, position: int) -> str:
    return f"{position}:{hashlib.sha256(raw).hexdigest()}"[:64]

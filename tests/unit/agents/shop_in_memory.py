"""A shop in memory that speaks every Reader protocol, and a way to let an agent look things up in it as the pipeline does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.base import Record
from integrations.errors import Permanent
from workers.agents.base import Agent, Inquiry

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def days_ago(days: float) -> str:
    return (NOW - timedelta(days=days)).isoformat()


@dataclass(frozen=True)
class Event:
    type: str
    subject: str
    data: Mapping[str, Any]
    occurred_at: datetime = NOW


@dataclass(frozen=True)
class Fact:
    """A gathered record as the store gives it back."""

    name: str
    ref: str
    kind: str
    trusted: bool
    data: Mapping[str, Any]
    version: str = ""


def record(kind: str, name: str, data: Mapping[str, Any], *, trusted: bool = True) -> Record:
    return Record(f"shop:{kind}:{name}", kind, f"{kind} {name}", data, "v1", trusted)


def customer(customer_id: str = "cu_1", name: str = "Ana Diaz", **more: Any) -> Record:
    email = more.pop("email", f"{name.split(maxsplit=1)[0].lower()}@example.com")
    data = {
        "customer_id": customer_id,
        "name": name,
        "email": email,
        "tier": "standard",
        "vip": False,
        "verified": True,
        "country": "DE",
        "language": "en",
        "created_at": days_ago(500),
        "orders_count": 3,
        "refunds_count_90d": 0,
        "refunds_minor_90d": 0,
        "notes": "",
    }
    return record("customer", customer_id, {**data, **more})


def order(number: str = "NW-1001", customer_id: str = "cu_1", *, delivered: float | None = 6, **more: Any) -> Record:
    data = {
        "order_number": number,
        "customer_id": customer_id,
        "status": "delivered" if delivered is not None else "shipped",
        "placed_at": days_ago((delivered or 2) + 3),
        "delivered_at": days_ago(delivered) if delivered is not None else None,
        "total_minor": 6490,
        "currency": "EUR",
        "charge_id": f"ch_{number[3:]}",
        "items": [{"sku": "PCK-301", "name": "Ridge 28 day pack", "quantity": 1, "price_minor": 6490}],
        "tracking_number": "00340434161094000001",
        "carrier": "DHL",
    }
    return record("order", number, {**data, **more})


def charge(number: str = "1001", customer_id: str = "cu_1", **more: Any) -> Record:
    amount = more.get("amount_minor", 6490)
    refunded = more.get("refunded_minor", 0)
    data = {
        "charge_id": f"ch_{number}",
        "customer_id": customer_id,
        "order_number": f"NW-{number}",
        "amount_minor": amount,
        "refunded_minor": refunded,
        "refundable_minor": amount - refunded,
        "currency": "EUR",
        "status": "succeeded",
        "created_at": days_ago(9),
        "card_brand": "Visa",
        "card_last4": "4242",
        "card_country": "DE",
        "card_fingerprint": "fp_own",
        "ip": "198.51.100.1",
        "ip_country": "DE",
        "device_id": "dev_own",
        "device_first_seen_at": days_ago(400),
        "billing_country": "DE",
        "shipping_country": "DE",
        "shipping_address": "Hauptstr. 1, 34117 Kassel",
        "three_d_secure": True,
        "risk_score": 12,
    }
    return record("charge", f"ch_{number}", {**data, **more})


def watch_hit(field_name: str, score: float, name: str = "w1") -> Record:
    data = {
        "term": "x",
        "listed": "X",
        "list": "fraud",
        "score": score,
        "matched_field": field_name,
        "since": days_ago(90),
    }
    return record("watch_hit", name, data)


@dataclass
class Shop:
    """What there is to read. `down` raises for every method named in it."""

    customers: list[Record] = field(default_factory=lambda: [customer()])
    all_orders: list[Record] = field(default_factory=lambda: [order()])
    all_charges: list[Record] = field(default_factory=lambda: [charge()])
    disputes: list[tuple[str, Record]] = field(default_factory=list)
    tickets: list[Record] = field(default_factory=list)
    help: list[Record] = field(default_factory=list)
    hits: list[Record] = field(default_factory=list)
    results: list[Mapping[str, Any]] = field(default_factory=list)
    stored_pages: dict[str, str] = field(default_factory=dict)
    own_posts: list[Record] = field(default_factory=list)
    house_style: Mapping[str, Any] = field(default_factory=dict)
    down: dict[str, Exception] = field(default_factory=dict)
    read: list[tuple[str, Any]] = field(default_factory=list)

    def find(self, system: str, protocol: type) -> Any:
        return self if system == "shop" else None

    def _note(self, name: str, asked: Any) -> None:
        self.read.append((name, asked))
        if name in self.down:
            raise self.down[name]

    def ticket(self, ticket_id: str) -> Record:
        self._note("ticket", ticket_id)
        found = next((t for t in self.tickets if t.data["ticket_id"] == ticket_id), None)
        if found is None:
            raise Permanent(f"there is no ticket {ticket_id!r}")
        return found

    def tickets_of(self, email: str, *, limit: int = 5) -> Sequence[Record]:
        self._note("tickets_of", email)
        return [t for t in self.tickets if t.data["requester_email"] == email][:limit]

    def articles(self, query: str, *, limit: int = 3) -> Sequence[Record]:
        self._note("articles", query)
        return self.help[:limit]

    def customer(self, key: str) -> Record | None:
        self._note("customer", key)
        return next((c for c in self.customers if key in (c.data["customer_id"], c.data["email"])), None)

    def orders_of(self, customer_id: str, *, limit: int = 5) -> Sequence[Record]:
        self._note("orders_of", customer_id)
        return [o for o in self.all_orders if o.data["customer_id"] == customer_id][:limit]

    def order(self, order_number: str) -> Record | None:
        self._note("order", order_number)
        return next((o for o in self.all_orders if o.data["order_number"] == order_number), None)

    def charge(self, charge_id: str) -> Record | None:
        self._note("charge", charge_id)
        return next((c for c in self.all_charges if c.data["charge_id"] == charge_id), None)

    def charges_of(self, customer_id: str, *, limit: int = 20) -> Sequence[Record]:
        self._note("charges_of", customer_id)
        return [c for c in self.all_charges if c.data["customer_id"] == customer_id][:limit]

    def disputes_of(self, customer_id: str) -> Sequence[Record]:
        self._note("disputes_of", customer_id)
        return [dispute for owner, dispute in self.disputes if owner == customer_id]

    def matches(self, terms: Sequence[str]) -> Sequence[Record]:
        self._note("matches", tuple(terms))
        return self.hits

    def search(self, query: str, *, limit: int = 8) -> Record:
        self._note("search", query)
        data = {"query": query, "taken_at": "2026-11-18T06:00:00Z", "results": self.results[:limit]}
        return record("search", "s1", data, trusted=False)

    def page(self, url: str) -> Record | None:
        self._note("page", url)
        if url not in self.stored_pages:
            return None
        html = self.stored_pages[url]
        data = {"url": url, "title": f"Page {url}", "html": html, "fetched_at": days_ago(2), "word_count": 900}
        return record("page", url, data, trusted=False)

    def posts(self, query: str, *, limit: int = 10) -> Sequence[Record]:
        self._note("posts", query)
        return self.own_posts[:limit]

    def style(self) -> Record:
        self._note("style", None)
        return record("style", "house", self.house_style)


@dataclass(frozen=True)
class Gathered:
    found: Mapping[str, Sequence[Record]]
    missing: Sequence[str]

    def data(self, name: str) -> Mapping[str, Any]:
        return self.found[name][0].data

    def refs(self, name: str) -> list[str]:
        return [item.ref for item in self.found[name]]

    @property
    def facts(self) -> list[Fact]:
        return [
            Fact(name, item.ref, item.kind, item.trusted, item.data, item.version)
            for name, items in self.found.items()
            for item in items
        ]


def gather(agent: Agent, shop: Shop, events: Sequence[Event], triage: Mapping[str, Any]) -> Gathered:
    """Look everything up, source by source, as `workers.pipeline.gather` does."""
    found: dict[str, Sequence[Record]] = {}
    missing = []
    for source in agent.sources:
        try:
            records = source.read(Inquiry(events[0].subject, events, triage, shop, found, NOW))
        except Permanent:
            records = None
        found[source.name] = records or ()
        if source.needed and not records:
            missing.append(source.name)
    return Gathered(found, missing)


def ticket_event(text: str, *, title: str = "My order", number: str = "7", email: str = "ana@example.com") -> Event:
    data = {
        "title": title,
        "text": text,
        "ticket_id": number,
        "requester_email": email,
        "requester_name": "Ana Diaz",
        "channel": "email",
    }
    return Event("ticket.created", f"shop:ticket:{number}", data)


def ticket(event: Event) -> Record:
    data = {
        "ticket_id": event.data["ticket_id"],
        "title": event.data["title"],
        "status": "open",
        "priority": "normal",
        "tags": [],
        "requester_email": event.data["requester_email"],
        "requester_name": event.data["requester_name"],
        "created_at": days_ago(0),
        "messages": [{"author": "customer", "body": event.data["text"], "at": days_ago(0)}],
    }
    return record("ticket", str(event.data["ticket_id"]), data, trusted=False)


def with_ticket(shop: Shop, event: Event) -> Shop:
    return replace(shop, tickets=[*shop.tickets, ticket(event)])

"""The words that every integration speaks: events in, records read, effects written.

Readers and Writers are separate protocols on purpose: agents are handed Readers only, and Writers need credentials that
just the process carrying actions out has. All calls are synchronous and bounded by a time-out of the integration's own;
all raise only what `errors` names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable


class EventType(StrEnum):
    """The event types that the rest of the system knows. Each source maps its vendor's own types onto these."""

    TICKET_CREATED = "ticket.created"
    TICKET_COMMENTED = "ticket.commented"
    CHARGE_FLAGGED = "charge.flagged"
    DISPUTE_OPENED = "dispute.opened"
    BRIEF_REQUESTED = "brief.requested"
    STOCK_SHORT = "stock.short"


@dataclass(frozen=True, slots=True)
class InboundEvent:
    """One thing that happened outside, shaped like a CloudEvent.

    `subject` names what it is about, the same for every event on the same thing: ``"sample:ticket:42"`` (system, kind,
    id). `data` always holds ``title`` (one line) and ``text`` (the main, untrusted text); further keys by type:

    - ticket.*: ``ticket_id, requester_email, requester_name, channel``, and where the source sends no address ``requester``,
      the source and what it calls the customer: ``"zendesk:412880031"``
    - charge.flagged, dispute.opened: ``charge_id, customer_email, amount_minor, currency, rules`` (list of str)
    - brief.requested: ``request_id, keyword, audience, requester_email``
    - stock.short: ``item_id, on_hand, reorder_level``

    `occurred_at` names its time zone: `ValueError` otherwise, as one database would refuse the event and another guess.
    """

    source: str
    delivery_id: str
    type: EventType
    vendor_type: str
    subject: str
    occurred_at: datetime
    data: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.occurred_at.tzinfo is None:
            raise ValueError(f"occurred_at {self.occurred_at} without a time zone, from source {self.source!r}")


@dataclass(frozen=True, slots=True)
class Delivery:
    """An inbound HTTP request exactly as received: raw header pairs (names lower-cased) and raw body."""

    source: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    received_at: datetime


class WebhookSource(Protocol):
    """One vendor's webhook: proves a request's origin, then reads it. Stateless."""

    name: str
    #: True where the signature covers only the body: the body's hash is then a second dedupe key.
    signs_body_only: bool

    def verify(self, delivery: Delivery) -> str:
        """Return the id of the secret that matched. Raise `NotAuthentic`; never anything else, whatever the bytes."""

    def parse(self, delivery: Delivery) -> Sequence[InboundEvent]:
        """Read a verified delivery. Raise `Malformed` or `UnknownEvent`."""


@dataclass(frozen=True, slots=True)
class Record:
    """Something read from a system, ready to become evidence.

    Attributes:
        ref: ``"system:kind:id"``, e.g. ``"sample:charge:ch_17"``; unique for ever, used in citations and targets.
        kind: ``customer, order, charge, ticket, article, post, page, search, watch_hit, dispute, …``
        title: one line for people.
        data: plain JSON values. Money is ``*_minor`` (int, minor units) beside ``currency`` (ISO 4217); times are
            RFC 3339 strings in UTC.
        version: the system's version token of this record, sent back with a guarded write. "" where it has none.
        trusted: True for a record that the company itself keeps (an order, a charge); False for text that outsiders
            can write (a ticket's messages, a fetched page).
        url: where a person can look at it.
    """

    ref: str
    kind: str
    title: str
    data: Mapping[str, Any]
    version: str
    trusted: bool
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a system answered to a write.

    `ref` is the thing made or changed; `version_before` and `version_after` are the *target's* tokens, by which our own
    writes carry a draft's freshness forward instead of making it stale.
    """

    ref: str
    version_before: str = ""
    version_after: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class HelpdeskReader(Protocol):
    def ticket(self, ticket_id: str) -> Record:
        """Kind ``ticket``, untrusted: ``ticket_id, title, status, priority, tags, requester_email, requester_name,
        created_at, messages: [{author (customer|agent|system), body, at}]``. Raise `Permanent` if unknown."""

    def tickets_of(self, email: str, *, limit: int = 5) -> Sequence[Record]:
        """A requester's latest tickets, newest first, as `ticket` gives them."""

    def articles(self, query: str, *, limit: int = 3) -> Sequence[Record]:
        """Help articles by relevance, kind ``article``, trusted: ``title, body, revised_at, score``."""


@runtime_checkable
class CrmReader(Protocol):
    def customer(self, key: str) -> Record | None:
        """By e-mail or id. Kind ``customer``, trusted: ``customer_id, name, email, tier (standard|silver|gold), vip,
        verified, country, language, created_at, orders_count, refunds_count_90d, refunds_minor_90d, notes``."""


@runtime_checkable
class ShopReader(Protocol):
    def orders_of(self, customer_id: str, *, limit: int = 5) -> Sequence[Record]:
        """Newest first. Kind ``order``, trusted: ``order_number, customer_id, status (placed|shipped|delivered|
        cancelled), placed_at, delivered_at, total_minor, currency, charge_id, items: [{sku, name, quantity,
        price_minor}], tracking_number, carrier``."""

    def order(self, order_number: str) -> Record | None: ...


@runtime_checkable
class PaymentsReader(Protocol):
    def charge(self, charge_id: str) -> Record | None:
        """Kind ``charge``, trusted: ``charge_id, customer_id, order_number, amount_minor, refunded_minor,
        refundable_minor, currency, status (succeeded|held|refunded|disputed), created_at, card_brand, card_last4,
        card_country, card_fingerprint, ip, ip_country, device_id, device_first_seen_at, billing_country,
        shipping_country, shipping_address, three_d_secure, risk_score``."""

    def charges_of(self, customer_id: str, *, limit: int = 20) -> Sequence[Record]:
        """Newest first."""

    def disputes_of(self, customer_id: str) -> Sequence[Record]:
        """Kind ``dispute``, trusted: ``dispute_id, charge_id, reason, status, amount_minor, currency, opened_at``."""


@runtime_checkable
class WatchListReader(Protocol):
    def matches(self, terms: Sequence[str]) -> Sequence[Record]:
        """Hits on names, addresses, e-mails, IPs, devices, card fingerprints. Kind ``watch_hit``, trusted: ``term,
        listed, list, score (0-1), matched_field, since``. A hit is a candidate, never a verdict."""


@runtime_checkable
class SiteReader(Protocol):
    def search(self, query: str, *, limit: int = 8) -> Record:
        """Stored result page. Kind ``search``, untrusted: ``query, taken_at, results: [{rank, url, title, snippet}]``."""

    def page(self, url: str) -> Record | None:
        """Stored page. Kind ``page``, untrusted: ``url, title, html, fetched_at, word_count``."""

    def posts(self, query: str, *, limit: int = 10) -> Sequence[Record]:
        """The firm's own posts. Kind ``post``, trusted: ``slug, title, url, excerpt, published_at, keyword``."""

    def style(self) -> Record:
        """House style. Kind ``style``, trusted: ``tone, banned_words, required_fields, approved_claims``."""


@runtime_checkable
class VersionReader(Protocol):
    def version(self, ref: str) -> str:
        """The present version token of `ref`, as a fresh read. Raise `Permanent` if it is gone."""


# Writers. `key` is our idempotency key or marker, the same for every try of one action. `if_version` is the token that
# the draft was made from; a system that guards raises `Stale` when it differs and has then changed nothing.


@runtime_checkable
class HelpdeskWriter(Protocol):
    def reply(self, ticket_id: str, body: str, *, public: bool, key: str, if_version: str) -> Receipt:
        """Public reply to the customer or internal note. Reconcilable: `find_reply` by the same key."""

    def find_reply(self, ticket_id: str, key: str) -> Receipt | None: ...

    def add_tags(self, ticket_id: str, tags: Sequence[str], *, key: str, if_version: str) -> Receipt:
        """Idempotent by nature."""

    def assign(self, ticket_id: str, team: str, note: str, *, key: str, if_version: str) -> Receipt:
        """Hand to a team with an internal note. Idempotent by key."""

    def set_status(self, ticket_id: str, status: str, *, key: str, if_version: str) -> Receipt:
        """Idempotent by nature."""


@runtime_checkable
class PaymentsWriter(Protocol):
    def refund(
        self, charge_id: str, amount_minor: int, currency: str, reason: str, *, key: str, if_version: str
    ) -> Receipt:
        """Idempotent by key. Raise `Permanent` when the amount exceeds what is refundable."""

    def hold(self, charge_id: str, reason: str, *, key: str, if_version: str) -> Receipt:
        """Idempotent by key."""

    def release(self, charge_id: str, reason: str, *, key: str, if_version: str) -> Receipt:
        """Idempotent by key."""


@runtime_checkable
class RiskDeskWriter(Protocol):
    def file_case(self, charge_id: str, summary: str, signals: Sequence[Mapping[str, Any]], *, key: str) -> Receipt:
        """Put a summary with scored signals on file. Idempotent by key."""

    def route(self, charge_id: str, team: str, note: str, *, key: str) -> Receipt:
        """Idempotent by key."""


@runtime_checkable
class MailWriter(Protocol):
    def send(self, to: str, subject: str, body: str, *, key: str) -> Receipt:
        """At most once: a mail system takes no key and cannot be asked."""


@runtime_checkable
class PublisherWriter(Protocol):
    def create_draft(self, slug: str, title: str, body: str, meta: Mapping[str, Any], *, key: str) -> Receipt:
        """A post in status ``draft``. Reconcilable: `find_draft` by the same key."""

    def find_draft(self, key: str) -> Receipt | None: ...

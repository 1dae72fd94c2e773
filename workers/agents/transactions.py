"""The transactions agent: flagged charges and disputes. It gathers what is known, scores it, and proposes what to do.

Declarations only; `signals` does the arithmetic. A watch-list hit is a candidate, never a verdict, and nothing that this
agent sends to a customer may say why a charge was looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from integrations.base import CrmReader, PaymentsReader, Record, ShopReader, WatchListReader
from integrations.models.entities import Entities
from workers.actions import transactions as actions
from workers.agents.base import Agent, Inquiry, Source, Triage, computed
from workers.agents.signals import Picture, assess

Typology = Literal[
    "card_testing",
    "stolen_card",
    "account_takeover",
    "friendly_fraud",
    "refund_abuse",
    "watch_list_hit",
    "unusual_but_legit",
    "other",
]
ReviewLevel = Literal["probable_false_positive", "investigate", "escalate"]
Urgency = Literal["urgent", "high", "normal", "low"]

MOST_CHARGES = 30
MOST_ORDERS = 20


class TransactionTriage(Triage):
    """What a flagged charge looks like before anything was looked up."""

    typology: Typology
    review_level: ReviewLevel
    urgency: Urgency = "normal"
    entities: Entities = Field(default_factory=Entities)


def charge(inquiry: Inquiry) -> Sequence[Record] | None:
    payments = inquiry.reader(PaymentsReader)
    if payments is None:
        return None
    found = payments.charge(inquiry.subject_id)
    return [found] if found is not None else []


def customer(inquiry: Inquiry) -> Sequence[Record] | None:
    crm = inquiry.reader(CrmReader)
    own = _customer_id(inquiry)
    if crm is None or own is None:
        return None if crm is None else []
    found = crm.customer(own)
    return [found] if found is not None else []


def charges(inquiry: Inquiry) -> Sequence[Record] | None:
    payments = inquiry.reader(PaymentsReader)
    own = _customer_id(inquiry)
    if payments is None or own is None:
        return None if payments is None else []
    return payments.charges_of(own, limit=MOST_CHARGES)


def orders(inquiry: Inquiry) -> Sequence[Record] | None:
    shop = inquiry.reader(ShopReader)
    own = _customer_id(inquiry)
    if shop is None or own is None:
        return None if shop is None else []
    return shop.orders_of(own, limit=MOST_ORDERS)


def disputes(inquiry: Inquiry) -> Sequence[Record] | None:
    payments = inquiry.reader(PaymentsReader)
    own = _customer_id(inquiry)
    if payments is None or own is None:
        return None if payments is None else []
    return payments.disputes_of(own)


def watch_hits(inquiry: Inquiry) -> Sequence[Record] | None:
    """Everything about the charge that could be listed: card, connection, device, address, and who the customer is."""
    lists = inquiry.reader(WatchListReader)
    at, who = inquiry.first("charge"), inquiry.first("customer")
    if lists is None or at is None:
        return None if lists is None else []
    terms = [at.data.get(key) for key in ("card_fingerprint", "ip", "device_id", "shipping_address")]
    terms += [who.data.get(key) for key in ("email", "name")] if who is not None else []
    return lists.matches([str(term) for term in terms if term])


def signals(inquiry: Inquiry) -> Sequence[Record]:
    at = inquiry.first("charge")
    if at is None:
        return []
    found = assess(
        Picture(
            charge=at,
            customer=inquiry.first("customer"),
            charges=inquiry.found.get("charges", ()),
            orders=inquiry.found.get("orders", ()),
            disputes=inquiry.found.get("disputes", ()),
            hits=inquiry.found.get("watch_hits", ()),
        )
    )
    title = f"Score {found['score']} of 100 from {len(found['signals'])} signals"
    return [computed("signals", str(at.data["charge_id"]), title, found, trusted=True, kind="signals")]


def _customer_id(inquiry: Inquiry) -> str | None:
    found = inquiry.first("charge")
    return str(found.data["customer_id"]) if found is not None and found.data.get("customer_id") else None


AGENT = Agent(
    domain="transactions",
    triage=TransactionTriage,
    primary="typology",
    sources=(
        Source("charge", charge, needed=True),
        Source("customer", customer),
        Source("charges", charges, many=True),
        Source("orders", orders, many=True),
        Source("disputes", disputes, many=True),
        Source("watch_hits", watch_hits, many=True),
        Source("signals", signals, needed=True),
    ),
    kinds=tuple(kind.name for kind in actions.KINDS),
)

"""The transactions agent: flagged charges and disputes. It gathers what is known, scores it, and proposes what to do.

Declarations only; `signals` does the arithmetic. A watch-list hit is a candidate, never a verdict, and nothing that this
agent sends to a customer may say why a charge was looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from integrations.base import CrmReader, HelpdeskReader, PaymentsReader, Record, ShopReader, WatchListReader
from integrations.models.entities import Entities
from workers.actions import transactions as actions
from workers.agents.base import Agent, Inquiry, Source, Triage, computed
from workers.agents.signals import Picture, assess
from workers.agents.tools import Arguments, Lookup

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
    own = inquiry.found.get("charges", ())
    found = assess(
        Picture(
            charge=at,
            customer=inquiry.first("customer"),
            charges=own,
            orders=inquiry.found.get("orders", ()),
            disputes=inquiry.found.get("disputes", ()),
            hits=inquiry.found.get("watch_hits", ()),
            # Without this charge they were refused, and so many are only the newest.
            whole=any(one.ref == at.ref for one in own) and len(own) < MOST_CHARGES,
        )
    )
    title = f"Score {found['score']} of 100 from {len(found['signals'])} signals"
    return [computed("signals", str(at.data["charge_id"]), title, found, trusted=True, kind="signals")]


def _customer_id(inquiry: Inquiry) -> str | None:
    found = inquiry.first("charge")
    return str(found.data["customer_id"]) if found is not None and found.data.get("customer_id") else None


class Which(Arguments):
    """Every field that is given narrows the search."""

    same: Literal["card_fingerprint", "ip", "device_id", "shipping_address"] | None = Field(
        None, description="Only charges that agree with the flagged one in this"
    )
    status: Literal["succeeded", "held", "refunded", "disputed"] | None = None
    limit: int = Field(50, ge=1, le=200, description="How many of the newest charges to look through")


class OfCharge(Arguments):
    charge_id: str | None = Field(None, max_length=80, description="A charge of this customer; null for all of them")


class OrderNumber(Arguments):
    number: str = Field(max_length=40, description="The order number, as a charge names it")


class Listed(Arguments):
    terms: list[str] = Field(
        min_length=1, max_length=10, description="Values of the records at hand: an address, an IP, a device, a name"
    )


class HowMany(Arguments):
    limit: int = Field(5, ge=1, le=20, description="How many, the newest first")


def related_charges(inquiry: Inquiry, wanted: Which) -> Sequence[Record]:
    """Of this customer. Only the flagged charge's own values are compared with: nothing can be fished for."""
    payments, own, at = inquiry.reader(PaymentsReader), _customer_id(inquiry), inquiry.first("charge")
    if payments is None or own is None or at is None:
        return []
    found = payments.charges_of(own, limit=wanted.limit)
    if wanted.same is not None:
        found = [c for c in found if c.data.get(wanted.same) and c.data.get(wanted.same) == at.data.get(wanted.same)]
    return [c for c in found if wanted.status is None or c.data.get("status") == wanted.status]


def charge_disputes(inquiry: Inquiry, wanted: OfCharge) -> Sequence[Record]:
    payments, own = inquiry.reader(PaymentsReader), _customer_id(inquiry)
    if payments is None or own is None:
        return []
    found = payments.disputes_of(own)
    return [d for d in found if wanted.charge_id is None or d.data.get("charge_id") == wanted.charge_id]


def read_order(inquiry: Inquiry, wanted: OrderNumber) -> Sequence[Record]:
    shop, own = inquiry.reader(ShopReader), _customer_id(inquiry)
    found = shop.order(wanted.number) if shop is not None else None
    return [found] if found is not None and own is not None and found.data.get("customer_id") == own else []


def search_watch_list(inquiry: Inquiry, wanted: Listed) -> Sequence[Record]:
    """Of what the records hold alone: a hit is a record, and would vouch for whatever word was searched for."""
    lists = inquiry.reader(WatchListReader)
    known = {
        str(value)
        for records in inquiry.found.values()
        for record in records
        if record.trusted
        for value in record.data.values()
        if isinstance(value, str) and value
    }
    terms = [term for term in wanted.terms if term in known]
    return lists.matches(terms) if lists is not None and terms else []


def customer_tickets(inquiry: Inquiry, wanted: HowMany) -> Sequence[Record]:
    desk, who = inquiry.reader(HelpdeskReader), inquiry.first("customer")
    if desk is None or who is None or not who.data.get("email"):
        return []
    return desk.tickets_of(str(who.data["email"]), limit=wanted.limit)


TOOLS = (
    Lookup(
        "related_charges",
        "More of this customer's charges, if wanted only those that share a value with the flagged one.",
        Which,
        related_charges,
        (PaymentsReader,),
    ),
    Lookup("charge_disputes", "Disputes of this customer.", OfCharge, charge_disputes, (PaymentsReader,)),
    Lookup("read_order", "An order of this customer by its number.", OrderNumber, read_order, (ShopReader,)),
    Lookup(
        "search_watch_list",
        "Watch-list candidates for values that the records at hand hold. A hit is a candidate, never a verdict.",
        Listed,
        search_watch_list,
        (WatchListReader,),
    ),
    Lookup("customer_tickets", "What this customer wrote to us.", HowMany, customer_tickets, (HelpdeskReader,)),
)

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
    tools=TOOLS,
    # Who asks may be writing to the very person, and telling the subject of a suspicion can be a crime.
    keeps=frozenset({"watch_hit", "signals"}),
)

"""The support agent: tickets. Who writes, which order it is about, what may be given back, and what to answer.

Declarations and look-ups only; `eligibility` does the arithmetic. A customer's words choose among that customer's own
records and never reach anybody else's: an order that they name and do not own is as unknown as one that does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from integrations.base import CrmReader, HelpdeskReader, PaymentsReader, Record, ShopReader
from integrations.models.entities import Entities
from integrations.models.extract import entities
from workers.actions import support as actions
from workers.agents import eligibility as terms
from workers.agents.base import Agent, EventView, Inquiry, Source, Triage, computed
from workers.agents.library import house
from workers.agents.tools import Arguments, Lookup

Intent = Literal[
    "refund_request",
    "order_status",
    "damaged_item",
    "wrong_item",
    "cancel_order",
    "change_address",
    "billing_question",
    "duplicate_charge",
    "account_access",
    "product_question",
    "complaint",
    "praise",
    "legal_threat",
    "data_request",
    "other",
]
Sentiment = Literal["very_negative", "negative", "neutral", "positive", "very_positive"]
Urgency = Literal["urgent", "high", "normal", "low"]

MOST_ORDERS = 5
MOST_CHARGES = 10
MOST_TICKETS = 5
MOST_ARTICLES = 3
#: of an earlier ticket only its beginning and its end are worth a model's attention
EXCERPT = 600


class SupportTriage(Triage):
    """What a ticket is about, in the customer's own words."""

    intent: Intent
    sentiment: Sentiment
    urgency: Urgency
    entities: Entities = Field(default_factory=Entities)


def ticket(inquiry: Inquiry) -> Sequence[Record] | None:
    desk = inquiry.reader(HelpdeskReader)
    return None if desk is None else [desk.ticket(inquiry.subject_id)]


def customer(inquiry: Inquiry) -> Sequence[Record] | None:
    crm = inquiry.reader(CrmReader)
    if crm is None:
        return None
    email = _requester(inquiry)
    found = crm.customer(email) if email else None
    return [found] if found is not None else []


def orders(inquiry: Inquiry) -> Sequence[Record] | None:
    """The customer's orders: those that the message names first, then the latest."""
    shop, who = inquiry.reader(ShopReader), inquiry.first("customer")
    if shop is None or who is None:
        return None if shop is None else []
    own = who.data["customer_id"]
    latest = shop.orders_of(str(own), limit=MOST_ORDERS)
    named: list[Record] = []
    for number in _named_orders(inquiry):
        found = next((order for order in latest if terms.same_order(number, str(order.data["order_number"]))), None)
        found = found or shop.order(number)
        if found is not None and found.data.get("customer_id") == own and found not in named:
            named.append(found)
    return [*named, *(order for order in latest if order not in named)][:MOST_ORDERS]


def order(inquiry: Inquiry) -> Sequence[Record]:
    """The one order that the message is about."""
    found, _ = _order_in_question(inquiry)
    return [found] if found is not None else []


def charge(inquiry: Inquiry) -> Sequence[Record] | None:
    payments, about, who = inquiry.reader(PaymentsReader), inquiry.first("order"), inquiry.first("customer")
    if payments is None or about is None or who is None:
        return None if payments is None else []
    found = payments.charge(str(about.data["charge_id"])) if about.data.get("charge_id") else None
    return [found] if found is not None and found.data.get("customer_id") == who.data["customer_id"] else []


def charges(inquiry: Inquiry) -> Sequence[Record] | None:
    """The customer's latest payments, where money is the question."""
    payments, who = inquiry.reader(PaymentsReader), inquiry.first("customer")
    if payments is None or who is None:
        return None if payments is None else []
    if inquiry.triage.get("intent") not in ("duplicate_charge", "billing_question", "refund_request"):
        return []
    return payments.charges_of(str(who.data["customer_id"]), limit=MOST_CHARGES)


def disputes(inquiry: Inquiry) -> Sequence[Record] | None:
    payments, who = inquiry.reader(PaymentsReader), inquiry.first("customer")
    if payments is None or who is None:
        return None if payments is None else []
    return payments.disputes_of(str(who.data["customer_id"]))


def earlier_tickets(inquiry: Inquiry) -> Sequence[Record] | None:
    desk, email = inquiry.reader(HelpdeskReader), _requester(inquiry)
    if desk is None or not email:
        return None if desk is None else []
    found = desk.tickets_of(email, limit=MOST_TICKETS + 1)
    return [_excerpt(record) for record in found if record.ref != inquiry.subject][:MOST_TICKETS]


def articles(inquiry: Inquiry) -> Sequence[Record] | None:
    desk = inquiry.reader(HelpdeskReader)
    if desk is None:
        return None
    intent = str(inquiry.triage.get("intent", "other")).replace("_", " ")
    asked = str(inquiry.latest("text") or "")[:300] if intent in ("product question", "other") else intent
    return desk.articles(f"{inquiry.latest('title') or ''} {asked}".strip(), limit=MOST_ARTICLES)


def eligibility(inquiry: Inquiry) -> Sequence[Record]:
    """What the records allow: trusted, because nothing that the customer wrote is in it."""
    about, paid = inquiry.first("order"), inquiry.first("charge")
    if about is None or paid is None:
        return []
    rules = terms.Terms(int(house()["return_window_days"]), int(house()["damage_window_days"]))
    found = terms.eligibility(about, paid, rules, inquiry.now)
    return [computed("eligibility", str(paid.data["charge_id"]), found["basis"], found, trusted=True)]


def paid_twice(inquiry: Inquiry) -> Sequence[Record]:
    """The second of two equal payments for one order. It keeps its ref: a refund of it is a refund of that charge."""
    found = terms.paid_twice(inquiry.found.get("charges", ()))
    return [found] if found is not None else []


def request(inquiry: Inquiry) -> Sequence[Record]:
    """What the customer asks for, set against the records. Untrusted: an amount in it may be the customer's alone."""
    about, how = _order_in_question(inquiry)
    found = terms.request(
        named=_named_orders(inquiry),
        amounts=_named_amounts(inquiry),
        text=_words(inquiry),
        orders=inquiry.found.get("orders", ()),
        order=about,
        charge=inquiry.first("charge"),
        how=how,
    )
    return [computed("request", inquiry.subject_id, "What is asked for, against the records", found, trusted=False)]


def _requester(inquiry: Inquiry) -> str:
    found = inquiry.first("ticket")
    return str((found.data.get("requester_email") if found else None) or inquiry.latest("requester_email") or "")


def _order_in_question(inquiry: Inquiry) -> tuple[Record | None, str]:
    return terms.choose_order(_named_orders(inquiry), _words(inquiry), inquiry.found.get("orders", ()))


def _named_orders(inquiry: Inquiry) -> list[str]:
    """Order numbers that triage saw, then those that rules find in any message of the case: a second message seldom repeats
    the number."""
    seen = [str(number) for number in (inquiry.triage.get("entities") or {}).get("order_numbers", ())]
    for event in reversed(inquiry.events):
        found = entities(_message(event)).order_numbers
        seen += [n for n in found if not any(terms.same_order(n, k) or terms.same_order(k, n) for k in seen)]
    return list(dict.fromkeys(seen))[:MOST_ORDERS]


def _named_amounts(inquiry: Inquiry) -> Sequence[Mapping[str, Any]]:
    """The amounts of the newest message that names any."""
    said: Sequence[Mapping[str, Any]] = (inquiry.triage.get("entities") or {}).get("amounts", ())
    for event in reversed(inquiry.events):
        said = said or [amount.model_dump() for amount in entities(_message(event)).amounts]
    return said


def _message(event: EventView) -> str:
    return f"{event.data.get('title', '')}\n{event.data.get('text', '')}"


def _words(inquiry: Inquiry) -> str:
    """Everything that was written to us in this case."""
    return "\n".join(_message(event) for event in inquiry.events)


def _excerpt(earlier: Record) -> Record:
    messages = earlier.data.get("messages", ())
    ends = [messages[0], messages[-1]] if len(messages) > 1 else list(messages)
    shortened = [{**message, "body": str(message.get("body", ""))[:EXCERPT]} for message in ends]
    kept = {key: earlier.data[key] for key in ("ticket_id", "title", "status", "created_at") if key in earlier.data}
    return replace(earlier, data={**kept, "messages": shortened})


class OrderNumber(Arguments):
    number: str = Field(max_length=40, description="The order number, as written")


class ChargeId(Arguments):
    charge_id: str = Field(max_length=80, description="The id of a charge, as an order or an earlier result names it")


class Question(Arguments):
    query: str = Field(max_length=200, description="What to look for, in a few words")


class HowMany(Arguments):
    limit: int = Field(10, ge=1, le=20, description="How many, the newest first")


def find_order(inquiry: Inquiry, wanted: OrderNumber) -> Sequence[Record]:
    """The customer's own; one of somebody else is as unknown as one that does not exist."""
    shop = inquiry.reader(ShopReader)
    found = shop.order(wanted.number) if shop is not None else None
    return [found] if found is not None and _is_own(inquiry, found) else []


def find_charge(inquiry: Inquiry, wanted: ChargeId) -> Sequence[Record]:
    payments = inquiry.reader(PaymentsReader)
    found = payments.charge(wanted.charge_id) if payments is not None else None
    return [found] if found is not None and _is_own(inquiry, found) else []


def charge_disputes(inquiry: Inquiry, wanted: ChargeId) -> Sequence[Record]:
    payments, who = inquiry.reader(PaymentsReader), inquiry.first("customer")
    if payments is None or who is None:
        return []
    own = payments.disputes_of(str(who.data["customer_id"]))
    return [dispute for dispute in own if dispute.data.get("charge_id") == wanted.charge_id]


def search_help(inquiry: Inquiry, wanted: Question) -> Sequence[Record]:
    desk = inquiry.reader(HelpdeskReader)
    return [] if desk is None else desk.articles(wanted.query, limit=MOST_ARTICLES)


def read_earlier_tickets(inquiry: Inquiry, wanted: HowMany) -> Sequence[Record]:
    """In full, where gathering keeps only beginning and end."""
    desk, email = inquiry.reader(HelpdeskReader), _requester(inquiry)
    if desk is None or not email:
        return []
    found = desk.tickets_of(email, limit=wanted.limit + 1)
    return [record for record in found if record.ref != inquiry.subject][: wanted.limit]


def _is_own(inquiry: Inquiry, found: Record) -> bool:
    who = inquiry.first("customer")
    return (
        who is not None and bool(found.data.get("customer_id")) and found.data["customer_id"] == who.data["customer_id"]
    )


TOOLS = (
    Lookup("find_order", "One of the customer's own orders by its number.", OrderNumber, find_order, (ShopReader,)),
    Lookup("find_charge", "One of the customer's own charges by its id.", ChargeId, find_charge, (PaymentsReader,)),
    Lookup("charge_disputes", "Disputes about a charge of the customer.", ChargeId, charge_disputes, (PaymentsReader,)),
    Lookup("search_help", "Our help articles about something.", Question, search_help, (HelpdeskReader,)),
    Lookup(
        "read_earlier_tickets",
        "What this customer wrote before, with all messages.",
        HowMany,
        read_earlier_tickets,
        (HelpdeskReader,),
    ),
)

AGENT = Agent(
    domain="support",
    triage=SupportTriage,
    primary="intent",
    sources=(
        Source("ticket", ticket, needed=True),
        Source("customer", customer, needed=True),
        Source("orders", orders, many=True),
        Source("order", order),
        Source("charge", charge),
        Source("charges", charges, many=True),
        Source("paid_twice", paid_twice),
        Source("disputes", disputes, many=True),
        Source("earlier_tickets", earlier_tickets, many=True),
        Source("articles", articles, many=True),
        Source("eligibility", eligibility),
        Source("request", request),
    ),
    kinds=tuple(kind.name for kind in actions.KINDS),
    tools=TOOLS,
    consults=("transactions",),
)

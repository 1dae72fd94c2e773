"""What support may give back, worked out before anything is drafted: numbers come from here, never out of prose.

Two pieces of evidence, apart because of where they come from. `eligibility` rests on the company's records alone and is
trusted. `request` is what the customer's words ask for, set against those records; an amount that only the customer named
stays untrusted there, whatever an agent makes of it. Pure; the support agent's sources call it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.base import Record

#: two payments for one order this close together are one payment made twice
TWICE_WITHIN_DAYS = 7
_WORD = re.compile(r"[^\W\d_]{4,}")
#: words that many product names share with any message
_COMMON = frozenset(
    {"with", "pack", "size", "black", "blue", "green", "grey", "women", "pair", "item", "piece", "person"}
)


#: what people write when they want it, in the languages that we answer in
_REFUND = r"refund|money back|reimburs|(?:geld|betrag) zurück|erstatt|rembours|reembols|devoluci[oó]n|rimbors|terugbetal|geld terug"
_REPLACEMENT = r"replace|new one|exchange|another one|umtausch|ersatz|remplac|échang|reemplaz|sostitu|vervang"
_REPAIR = r"\brepair|\bmend|\bfix|repariert?\b|reparatur|répar|\brepara|riparaz"
_WHOLE = (
    r"\b(?:everything|in full|(?:full|complete|total) (?:refund|amount)|(?:whole|entire|full|complete) order|alles|vollständig\w*"
    r"|komplett\w*|(?:ganze|gesamte)n? \w+|en totalité|intégral\w*|toute la commande|todo el pedido|íntegr\w+|tutto)\b"
)
_WANTS = {"refund": _REFUND, "replacement": _REPLACEMENT, "repair": _REPAIR}


@dataclass(frozen=True, slots=True)
class Terms:
    return_window_days: int
    damage_window_days: int


def eligibility(order: Record, charge: Record, terms: Terms, now: datetime) -> dict[str, Any]:
    """What can be given back for an order, from its record and its charge's."""
    delivered = days_since(order.data.get("delivered_at"), now)
    refundable = int(charge.data.get("refundable_minor", 0))
    disputed = charge.data.get("status") == "disputed"
    within = delivered is not None and delivered <= terms.return_window_days
    return {
        "order_number": order.data["order_number"],
        "charge_id": charge.data["charge_id"],
        "currency": charge.data["currency"],
        "paid_minor": charge.data["amount_minor"],
        "refunded_minor": charge.data.get("refunded_minor", 0),
        "refundable_minor": refundable,
        "disputed": disputed,
        "order_status": order.data.get("status", ""),
        "days_since_delivery": delivered,
        "days_since_order": days_since(order.data.get("placed_at"), now),
        "within_return_window": within,
        "within_damage_window": delivered is not None and delivered <= terms.damage_window_days,
        "return_window_days": terms.return_window_days,
        "damage_window_days": terms.damage_window_days,
        "refund_possible": refundable > 0 and not disputed,
        "basis": _basis(order, delivered, within, refundable, disputed, terms),
        "rests_on": [order.ref, charge.ref],
    }


def _basis(order: Record, delivered: int | None, within: bool, refundable: int, disputed: bool, terms: Terms) -> str:
    if disputed:
        return "The charge is disputed: a refund on top of it could pay out twice."
    if refundable <= 0:
        return "Nothing of this charge is left to refund."
    if delivered is None:
        return f"The order is not delivered; its status is “{order.data.get('status', 'unknown')}”."
    side = "within" if within else "outside"
    return f"Delivered {delivered} days ago, {side} the {terms.return_window_days}-day return window."


def paid_twice(charges: Sequence[Record]) -> Record | None:
    """The later of two payments of the same amount for one order, not given back yet. None where there is no such pair."""
    settled = sorted(
        (c for c in charges if c.data.get("status") == "succeeded"), key=lambda c: str(c.data["created_at"])
    )
    for position, later in enumerate(settled):
        for earlier in settled[:position]:
            same = all(
                later.data.get(key) == earlier.data.get(key) for key in ("order_number", "amount_minor", "currency")
            )
            apart = days_since(earlier.data["created_at"], datetime.fromisoformat(str(later.data["created_at"])))
            untouched = later.data.get("refunded_minor", 0) == 0 and earlier.data.get("refunded_minor", 0) == 0
            if (
                same
                and untouched
                and later.data.get("order_number")
                and apart is not None
                and apart <= TWICE_WITHIN_DAYS
            ):
                return later
    return None


def choose_order(named: Sequence[str], text: str, orders: Sequence[Record]) -> tuple[Record | None, str]:
    """The order that a message is about, and how we know: it is ``named``, its ``item`` is, it is the ``only`` or ``latest``."""
    for number in named:
        for order in orders:
            if same_order(number, str(order.data["order_number"])):
                return order, "named"
    with_item = [order for order in orders if named_item(order, text) is not None]
    if len(with_item) == 1:
        return with_item[0], "item"
    if not orders:
        return None, "none"
    return orders[0], "only" if len(orders) == 1 else "latest"


def request(
    *,
    named: Sequence[str],
    amounts: Sequence[Mapping[str, Any]],
    text: str,
    orders: Sequence[Record],
    order: Record | None,
    charge: Record | None,
    how: str,
) -> dict[str, Any]:
    """What the customer asks for, against what the records say, and the amount that follows from both."""
    known = [str(order.data["order_number"]) for order in orders]
    unknown = [number for number in named if not any(same_order(number, own) for own in known)]
    item = only_item(order) or named_item(order, text) if order is not None else None
    found: dict[str, Any] = {
        "named_orders": list(named),
        #: says only that it is none of this customer's, never whether it exists
        "not_theirs": unknown,
        "order_found_by": how,
        "item": dict(item) if item is not None else None,
        "wants": wants(text),
    }
    if charge is None:
        return found
    refundable = int(charge.data.get("refundable_minor", 0))
    asked = _asked(amounts, str(charge.data["currency"]))
    part = item is not None and item is not only_item(order) and not re.search(_WHOLE, text, re.IGNORECASE)
    price = int(item["price_minor"]) if item is not None and part else None
    found |= {"asked_minor": asked, "asked_too_much": asked is not None and asked > refundable}
    if asked is not None and asked <= refundable:
        return found | {"suggested_minor": asked, "suggested_because": "the amount that the customer asks for"}
    if item is not None and price is not None and price < refundable:
        return found | {"suggested_minor": price, "suggested_because": f"the price of one {item['name']}"}
    if refundable < int(charge.data["amount_minor"]):
        return found | {"suggested_minor": refundable, "suggested_because": "all that is left to refund"}
    return found | {"suggested_minor": refundable, "suggested_because": "the full amount paid"}


def _asked(amounts: Sequence[Mapping[str, Any]], currency: str) -> int | None:
    """The one amount in the charge's currency that a message names. Two different amounts say nothing certain."""
    named = {int(a["amount_minor"]) for a in amounts if a.get("currency") == currency and int(a["amount_minor"]) > 0}
    return named.pop() if len(named) == 1 else None


def wants(text: str) -> str | None:
    """The remedy that a message names. Two of them ("a new one or my money back") say nothing certain."""
    named = [remedy for remedy, words in _WANTS.items() if re.search(words, text, re.IGNORECASE)]
    return named[0] if len(named) == 1 else None


def only_item(order: Record | None) -> Mapping[str, Any] | None:
    items: Sequence[Mapping[str, Any]] = order.data.get("items", ()) if order is not None else ()
    return items[0] if len(items) == 1 else None


def named_item(order: Record, text: str) -> Mapping[str, Any] | None:
    """The item of an order that a text names by a word that no other item of it has; None where that is not certain."""
    said = _words(text)
    items = order.data.get("items", ())
    names = [_words(str(item["name"])) - _COMMON for item in items]
    hits = []
    for position, item in enumerate(items):
        others = {word for place, name in enumerate(names) if place != position for word in name}
        sku = str(item.get("sku", "")).casefold()
        if (sku and sku in text.casefold()) or (names[position] - others) & said:
            hits.append(item)
    return hits[0] if len(hits) == 1 else None


def same_order(said: str, number: str) -> bool:
    """``"#11450"`` and ``"nw-11450"`` are the order ``"NW-11450"``; ``"145"`` is not."""
    one, other = re.sub(r"\W", "", said).casefold(), re.sub(r"\W", "", number).casefold()
    digits = re.sub(r"\D", "", number)
    return bool(one) and (one == other or (len(digits) >= 4 and one == digits))


def days_since(written: object, now: datetime) -> int | None:
    """Whole days since a time as records write it; None where there is none."""
    if not written:
        return None
    return max(0, (now - datetime.fromisoformat(str(written))).days)


def _words(text: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(text)}

"""Scored signals on a charge: what speaks for fraud (positive) and what speaks against it (negative), 0 to 100 in sum.

Each signal is one small function over the records, listed in `SIGNALS`; it gives a score, a sentence and the records that
show it, or nothing. They are arithmetic and not opinion: a score sorts work and never judges a person. A watch-list hit is
a candidate. Pure, with the time passed in; the transactions agent's source calls `assess`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any, Protocol

from integrations.base import Record
from policies.messages import money

HIGH = 70
MIDDLE = 40
#: A name is shared by many people, a device or a card is not: only these fields identify.
IDENTIFYING = frozenset({"email", "ip", "device", "device_id", "card", "fingerprint", "card_fingerprint", "address"})
SURE_HIT = 0.9
KNOWN_DEVICE = timedelta(days=90)
LONG_HISTORY = timedelta(days=180)


class Hit(Protocol):
    """A watch-list hit, as read or as a fact of a case."""

    @property
    def data(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Signal:
    name: str
    score: int
    detail: str
    refs: list[str]


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that was read about a charge. `charges` are the customer's, this one included or not."""

    charge: Record
    customer: Record | None
    charges: Sequence[Record]
    orders: Sequence[Record]
    disputes: Sequence[Record]
    hits: Sequence[Record]
    #: whether `charges` is all that there are: else nothing can be told from what is not among them
    whole: bool = True

    @property
    def at(self) -> datetime:
        return _time(self.charge.data["created_at"])

    @property
    def earlier(self) -> list[Record]:
        """The customer's charges before this one, newest first."""
        own = self.charge.data["charge_id"]
        return [c for c in self.charges if c.data["charge_id"] != own and _time(c.data["created_at"]) <= self.at]

    def settled(self) -> list[Record]:
        """Earlier charges older than a day: what the customer usually does, without the burst that is looked at."""
        return [c for c in self.earlier if self.at - _time(c.data["created_at"]) > timedelta(days=1)]

    def within(self, span: timedelta) -> list[Record]:
        """This charge and those before it in `span`."""
        return [self.charge, *(c for c in self.earlier if self.at - _time(c.data["created_at"]) <= span)]


Rule = Callable[[Picture], Signal | None]


def assess(picture: Picture) -> dict[str, Any]:
    """The score, the band that it falls in, and every signal, strongest first."""
    fired = [signal for rule in SIGNALS if (signal := rule(picture)) is not None]
    ranked = sorted(fired, key=lambda signal: -abs(signal.score))
    score = min(100, max(0, sum(signal.score for signal in ranked)))
    return {
        "score": score,
        "band": "high" if score >= HIGH else "middle" if score >= MIDDLE else "low",
        "listed": any(is_sure(hit) for hit in picture.hits),
        "candidates": sum(1 for hit in picture.hits if not is_sure(hit)),
        "signals": [asdict(signal) for signal in ranked],
        # The same as `file_case` takes them.
        "for_file": [{"name": s.name, "score": s.score, "detail": s.detail} for s in ranked],
        "against": "; ".join(s.detail for s in ranked if s.score > 0) or "nothing",
        "in_favour": "; ".join(s.detail for s in ranked if s.score < 0) or "nothing",
    }


def is_sure(hit: Hit) -> bool:
    """Whether a watch-list hit is on something that identifies, and exact enough to count as more than a candidate."""
    return hit.data.get("matched_field") in IDENTIFYING and float(hit.data.get("score", 0)) >= SURE_HIT


def watch_list(picture: Picture) -> Signal | None:
    sure = [hit for hit in picture.hits if is_sure(hit)]
    if not sure:
        return None
    fields = ", ".join(sorted({str(hit.data["matched_field"]) for hit in sure}))
    return Signal("watch_list", 45, f"On a watch list: {fields}", [hit.ref for hit in sure])


def watch_list_candidate(picture: Picture) -> Signal | None:
    near = [hit for hit in picture.hits if not is_sure(hit)]
    if not near:
        return None
    best = max(float(hit.data.get("score", 0)) for hit in near)
    return Signal(
        "watch_list_candidate", 10, f"{len(near)} similar watch-list entries, best match {best:.2f}", _refs(near)
    )


def velocity(picture: Picture) -> Signal | None:
    ten, hour = picture.within(timedelta(minutes=10)), picture.within(timedelta(hours=1))
    if len(ten) >= 3:
        return Signal("velocity", 35 if len(ten) >= 5 else 30, f"{len(ten)} payments within ten minutes", _refs(ten))
    if len(hour) >= 4:
        return Signal("velocity", 15, f"{len(hour)} payments within an hour", _refs(hour))
    return None


def many_cards(picture: Picture) -> Signal | None:
    hour = picture.within(timedelta(hours=1))
    cards = {c.data.get("card_fingerprint") for c in hour if c.data.get("card_fingerprint")}
    if len(cards) < 3:
        return None
    return Signal("many_cards", 30, f"{len(cards)} different cards within an hour", _refs(hour))


def small_amounts(picture: Picture) -> Signal | None:
    small = [c for c in picture.within(timedelta(hours=1)) if int(c.data["amount_minor"]) <= 500]
    if len(small) < 3:
        return None
    return Signal(
        "small_amounts", 15, f"{len(small)} payments of 5.00 or less within an hour, as in card testing", _refs(small)
    )


def countries(picture: Picture) -> Signal | None:
    data = picture.charge.data
    named = {
        kind: str(data[f"{kind}_country"])
        for kind in ("card", "billing", "shipping", "ip")
        if data.get(f"{kind}_country")
    }
    different = len(set(named.values()))
    if different < 2:
        return None
    detail = ", ".join(f"{kind} {country}" for kind, country in named.items())
    # A foreign connection alone is a traveller; goods sent to another country than the card's are more.
    alone = different == 2 and named.get("shipping", "") == named.get("card", "")
    score = 8 if alone else 15 if different == 2 else 25
    return Signal("country_mismatch", score, f"Countries differ: {detail}", [picture.charge.ref])


def device(picture: Picture) -> Signal | None:
    seen = picture.charge.data.get("device_first_seen_at")
    if not seen:
        return None
    known = picture.at - _time(seen)
    if known >= KNOWN_DEVICE:
        return Signal("known_device", -20, f"Device known for {known.days} days", [picture.charge.ref])
    if known <= timedelta(days=1):
        return Signal("new_device", 15, "Device seen for the first time within a day", [picture.charge.ref])
    return None


def amount(picture: Picture) -> Signal | None:
    same = [c for c in picture.settled() if c.data["currency"] == picture.charge.data["currency"]]
    if len(same) < 3:
        return None
    usual = median(int(c.data["amount_minor"]) for c in same)
    times = int(picture.charge.data["amount_minor"]) / max(usual, 1)
    if times < 4:
        return None
    detail = f"{times:.0f} times the customer's median of {money(round(usual), str(picture.charge.data['currency']))}"
    return Signal("unusual_amount", 25 if times >= 10 else 15, detail, [picture.charge.ref, *_refs(same)])


def first_order(picture: Picture) -> Signal | None:
    if picture.settled() or not picture.customer or not picture.whole:
        return None
    large = int(picture.charge.data["amount_minor"]) >= 30_000
    detail = "First order, and a large one" if large else "First order"
    return Signal("first_order", 20 if large else 8, detail, [picture.customer.ref, picture.charge.ref])


def address(picture: Picture) -> Signal | None:
    own = _plain(picture.charge.data.get("shipping_address"))
    before = picture.settled()
    if not own or not before:
        return None
    status = {order.data["order_number"]: order.data.get("status") for order in picture.orders}
    same = [c for c in before if _plain(c.data.get("shipping_address")) == own]
    delivered = [
        c for c in same if status.get(c.data.get("order_number")) == "delivered" and c.data["status"] == "succeeded"
    ]
    if delivered:
        return Signal(
            "known_address", -15, f"Delivered to this address {len(delivered)} times before", _refs(delivered)
        )
    if not same:
        return Signal("new_address", 12, "Never delivered to this address before", [picture.charge.ref])
    return None


def authentication(picture: Picture) -> Signal | None:
    passed = picture.charge.data.get("three_d_secure")
    if passed is None:
        return None
    if passed is True or passed in ("authenticated", "succeeded"):
        return Signal("authenticated", -15, "Cardholder authenticated with 3-D Secure", [picture.charge.ref])
    return Signal("not_authenticated", 5, "No 3-D Secure", [picture.charge.ref])


def disputes(picture: Picture) -> Signal | None:
    own = [d for d in picture.disputes if d.data.get("status") not in ("won", "prevented", "warning_closed")]
    if not own:
        return None
    fraud = any(d.data.get("reason") == "fraudulent" for d in own)
    score = 25 if fraud else min(30, 12 * len(own))
    return Signal("disputes", score, f"{len(own)} disputes that were not won", _refs(own))


def refunds(picture: Picture) -> Signal | None:
    count = int(picture.customer.data.get("refunds_count_90d", 0)) if picture.customer else 0
    if count < 3 or picture.customer is None:
        return None
    return Signal("many_refunds", 10, f"{count} refunds in 90 days", [picture.customer.ref])


def history(picture: Picture) -> Signal | None:
    before = picture.settled()
    clean = [c for c in before if c.data["status"] == "succeeded"]
    if len(clean) < 5 or len(clean) < len(before) * 0.8 or picture.disputes:
        return None
    span = picture.at - min(_time(c.data["created_at"]) for c in clean)
    if span < LONG_HISTORY:
        return None
    return Signal("long_history", -20, f"{len(clean)} good payments over {span.days} days", _refs(clean[:5]))


def known_card(picture: Picture) -> Signal | None:
    own = picture.charge.data.get("card_fingerprint")
    before = picture.settled()
    if not own or len(before) < 2:
        return None
    same = [c for c in before if c.data.get("card_fingerprint") == own and c.data["status"] == "succeeded"]
    if len(same) >= 2:
        return Signal("known_card", -5, f"Card used {len(same)} times before", _refs(same[:5]))
    return None


def processor(picture: Picture) -> Signal | None:
    risk = picture.charge.data.get("risk_score")
    if not isinstance(risk, int) or risk < 65:
        return None
    return Signal(
        "processor_risk",
        15 if risk >= 75 else 8,
        f"The payment provider's own risk score is {risk}",
        [picture.charge.ref],
    )


#: In the order of the reference; the order has no effect on the score.
SIGNALS: tuple[Rule, ...] = (
    watch_list,
    watch_list_candidate,
    velocity,
    many_cards,
    small_amounts,
    countries,
    device,
    amount,
    first_order,
    address,
    authentication,
    disputes,
    refunds,
    history,
    known_card,
    processor,
)


def _refs(records: Sequence[Record]) -> list[str]:
    return [record.ref for record in records]


def _time(written: object) -> datetime:
    return datetime.fromisoformat(str(written))


def _plain(written: object) -> str:
    return " ".join(str(written or "").casefold().replace(",", " ").split())

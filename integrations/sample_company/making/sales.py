"""What was sold: orders and the charge of each, the cast's own among them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate

from integrations.sample_company import cast
from integrations.sample_company.making.ground import Ground, Row, listed, packed
from integrations.sample_company.times import parse, stamp

ORDERS = 1500
FIRST_ORDER = 10001
HISTORY_DAYS = 730
_CARRIERS = (("Kiefer Parcel", "KP"), ("Northline", "NL"), ("Colibri Post", "CB"))
_AWAY = (("198.51.100.{n}", "US"), ("192.0.2.{n}", "CH"), ("198.51.100.{n}", "PT"))
#: Earlier orders of the cast, by number: what makes them new, loyal or in between.
_EARLIER = {
    cast.ANA: (10512, 10987),
    cast.VIP: (10140, 10298, 10377, 10555, 10689, 10790, 10913, 11021, 11102, 11188, 11270, 11351),
    cast.STOLEN: (10433, 10801, 11160),
    cast.TRAVELLER: (10077, 10190, 10344, 10501, 10640, 10777, 10899, 11011, 11140, 11251, 11366),
    cast.VICTIM: (10250, 10411, 10702, 10866, 11030, 11090, 11207),
    cast.ATTACKER: (),
}
#: Days before the day on which the cast's own orders were placed, and how long after that they were delivered.
_PLACED = {"ana": 9.4127, "vip": 16.6341, "traveller": 1.2983, "attacker": 60.5219, "victim": 20.7046}
_DELIVERED_AFTER = {"ana": 4.0713, "vip": 4.8492, "attacker": 5.9127, "victim": 5.1388}
#: The thief tries the card with small orders first; minutes before midnight.
_BURST_MINUTES = dict(zip(cast.STOLEN_BURST, (110.0, 108.5, 106.9, 104.2), strict=True))
_BURST_SKUS = dict(zip(cast.STOLEN_BURST, ("KIT-607", "SLP-212", "SCK-442", ""), strict=True))
#: What the cast bought earlier: modest things for the standard tier, trousers every season for the silver one.
_MODEST = ("BSE-421", "HAT-431", "KIT-605", "LGT-701", "SCK-441")
_SOLID = ("TRS-411", "PCK-302", "TRS-411", "JKT-402", "BSE-424")


def orders_and_charges(ground: Ground, people: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    chance = ground.chance("sales")
    by_id = {row["customer_id"]: row for row in people}
    strangers = [row for row in people if row["email"] not in cast.BY_EMAIL]
    # A few people order often and most rarely, as everywhere.
    keenness = list(accumulate(chance.paretovariate(1.6) for _ in strangers))
    bound = _bound_orders()
    orders, charges = [], []
    for place in range(ORDERS):
        number = FIRST_ORDER + place
        placed = _placed(ground, chance, place)
        character = bound.get(number)
        if character:
            buyer = by_id[character.customer_id]
        else:
            limit = stamp(placed)
            buyer = chance.choices(strangers, cum_weights=keenness)[0]
            while buyer["created_at"] >= limit:
                buyer = chance.choices(strangers, cum_weights=keenness)[0]
        order, charge = _sale(ground, chance, number, placed, buyer)
        if character:
            _play(ground, character, buyer, order, charge)
        orders.append(order)
        charges.append(charge)
    return orders, charges


def _bound_orders() -> dict[int, cast.Character]:
    bound = {number: character for character, numbers in _EARLIER.items() for number in numbers}
    bound |= {int(character.order_number.removeprefix("NW-")): character for character in cast.CAST}
    return bound | {int(charge_id.removeprefix("ch_")): cast.STOLEN for charge_id in cast.STOLEN_BURST}


def _placed(ground: Ground, chance: random.Random, place: int) -> datetime:
    """Orders grow denser towards the day; the jitter is smaller than the gap, so that numbers follow time."""
    left = (ORDERS - place - chance.random()) / ORDERS
    return ground.ago(HISTORY_DAYS * left**1.3 + 0.01)


def _sale(ground: Ground, chance: random.Random, number: int, placed: datetime, buyer: Row) -> tuple[Row, Row]:
    goods = chance.sample(listed("catalogue.csv"), chance.choices((1, 2, 3), (60, 28, 12))[0])
    items = [_line(good, chance.choices((1, 2), (88, 12))[0]) for good in goods]
    carrier, prefix = chance.choice(_CARRIERS)
    age = (ground.midnight - placed).days
    status = "placed" if age < 1 else "shipped" if age < 5 else chance.choices(("delivered", "cancelled"), (97, 3))[0]
    delivered = placed + timedelta(days=chance.uniform(2.2, 4.9))
    order: Row = {
        "order_number": f"NW-{number}",
        "customer_id": buyer["customer_id"],
        "status": status,
        "placed_at": stamp(placed),
        "delivered_at": stamp(delivered) if status == "delivered" else None,
        "total_minor": sum(item["price_minor"] * item["quantity"] for item in items),
        "currency": buyer["currency"],
        "charge_id": f"ch_{number}",
        "items": packed(items),
        "tracking_number": None
        if status in {"placed", "cancelled"}
        else f"{prefix}{chance.randint(10**9, 10**10 - 1)}",
        "carrier": None if status in {"placed", "cancelled"} else carrier,
    }
    return order, _charge(chance, order, buyer)


def _charge(chance: random.Random, order: Row, buyer: Row) -> Row:
    away = chance.random() < 0.03
    ip, ip_country = chance.choice(_AWAY) if away else (buyer["home_ip"], buyer["country"])
    return {
        "charge_id": order["charge_id"],
        "customer_id": buyer["customer_id"],
        "order_number": order["order_number"],
        "amount_minor": order["total_minor"],
        "refunded_minor": 0,
        "currency": order["currency"],
        "status": "succeeded",
        "created_at": order["placed_at"],
        "card_brand": buyer["card_brand"],
        "card_last4": buyer["card_last4"],
        "card_country": buyer["card_country"],
        "card_fingerprint": buyer["card_fingerprint"],
        "ip": ip.format(n=chance.randint(100, 199)),
        "ip_country": ip_country,
        "device_id": buyer["device_id"],
        "device_first_seen_at": buyer["device_first_seen_at"],
        "billing_country": buyer["country"],
        "shipping_country": buyer["country"],
        "shipping_address": buyer["address"],
        "three_d_secure": int(chance.random() < (0.85 if buyer["currency"] == "EUR" else 0.35)),
        "risk_score": chance.randint(18, 45) if away else chance.randint(1, 24),
        "changed_at": order["placed_at"],
        "version": 1,
    }


def _play(ground: Ground, character: cast.Character, buyer: Row, order: Row, charge: Row) -> None:
    """Write the cast's own story over a generated sale."""
    charge.update(ip=buyer["home_ip"], ip_country=buyer["country"], risk_score=min(charge["risk_score"], 12))
    if charge["charge_id"] in cast.STOLEN_BURST:
        _steal(ground, order, charge)
    elif order["order_number"] != character.order_number:
        placed = parse(order["placed_at"])
        if character is not cast.VIP:
            usual = _MODEST if character.tier == "standard" else _SOLID
            _sell(order, charge, [(usual[int(order["order_number"][3:]) % len(usual)], 1)], placed)
        _deliver(order, placed + timedelta(days=4))
    else:
        placed = ground.ago(_PLACED[character.key])
        _sell(order, charge, character.items, placed)
        if character.key in _DELIVERED_AFTER:
            _deliver(order, placed + timedelta(days=_DELIVERED_AFTER[character.key]))
        else:
            _wait(order, "placed")
        if character is cast.TRAVELLER:
            charge.update(ip=cast.TRAVELLER_IP, ip_country=cast.TRAVELLER_IP_COUNTRY, risk_score=58, three_d_secure=1)


def _steal(ground: Ground, order: Row, charge: Row) -> None:
    charge_id = charge["charge_id"]
    placed = ground.midnight - timedelta(minutes=_BURST_MINUTES[charge_id])
    items = list(cast.STOLEN.items) if charge_id == cast.STOLEN.charge_id else [(_BURST_SKUS[charge_id], 1)]
    _sell(order, charge, items, placed)
    _wait(order, "placed")
    charge.update(
        card_fingerprint=cast.STOLEN_FINGERPRINT,
        ip=cast.STOLEN_IP,
        ip_country=cast.STOLEN_IP_COUNTRY,
        device_id=cast.STOLEN_DEVICE,
        device_first_seen_at=stamp(ground.midnight - timedelta(minutes=_BURST_MINUTES[cast.STOLEN_BURST[0]] + 1)),
        shipping_country=cast.FORWARDER_COUNTRY,
        shipping_address=cast.FORWARDER,
        three_d_secure=0,
        risk_score=91 if charge_id == cast.STOLEN.charge_id else 64,
    )


def _sell(order: Row, charge: Row, items: Sequence[tuple[str, int]], placed: datetime) -> None:
    goods = {good["sku"]: good for good in listed("catalogue.csv")}
    lines = [_line(goods[sku], count) for sku, count in items]
    total = sum(line["price_minor"] * line["quantity"] for line in lines)
    order.update(items=packed(lines), total_minor=total, placed_at=stamp(placed))
    charge.update(amount_minor=total, created_at=stamp(placed), changed_at=stamp(placed))


def _line(good: dict[str, str], quantity: int) -> Row:
    return {"sku": good["sku"], "name": good["name"], "quantity": quantity, "price_minor": int(good["price_minor"])}


def _deliver(order: Row, at: datetime) -> None:
    order.update(status="delivered", delivered_at=stamp(at), carrier="Kiefer Parcel")
    order.update(tracking_number=f"KP70{order['order_number'][3:]}118")


def _wait(order: Row, status: str) -> None:
    order.update(status=status, delivered_at=None, tracking_number=None, carrier=None)

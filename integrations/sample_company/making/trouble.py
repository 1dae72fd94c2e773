"""What went wrong after the sale: refunds, disputes, and the watch list that fraud has left behind."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta

from integrations.sample_company import cast
from integrations.sample_company.making.ground import Ground, Row, ascii_word
from integrations.sample_company.times import parse, stamp

DISPUTES = 25
REFUND_SHARE = 0.07
_REFUND_REASONS = ("returned within 30 days", "arrived damaged", "lost on the way", "wrong item", "charged twice")
_DISPUTE_REASONS = (
    "fraudulent",
    "fraudulent",
    "product_not_received",
    "product_unacceptable",
    "duplicate",
    "credit_not_processed",
    "unrecognized",
)
_FAMILIES = ("Ashdown", "Brenner", "Calloway", "Drossel", "Ekholm", "Falkner", "Greaves", "Hollis", "Ivarsen", "Jessop")
#: How many entries of each field earlier fraud has left.
_LEFT_BEHIND = {"card_fingerprint": 11, "ip": 6, "device": 4, "email": 8}
_GIVEN = ("Victor", "Tamsin", "Roland", "Petra", "Oskar", "Nadja", "Marlon", "Lena", "Kurt", "Ingrid")


def refunds(ground: Ground, orders: Sequence[Row], charges: Sequence[Row]) -> list[Row]:
    """Cancelled orders are refunded whole, a share of the delivered ones in whole or part. Marks the charges."""
    chance = ground.chance("refunds")
    spared = {character.customer_id for character in cast.CAST}
    made = []
    for order, charge in zip(orders, charges, strict=True):
        cancelled = order["status"] == "cancelled"
        returned = order["status"] == "delivered" and chance.random() < REFUND_SHARE
        if order["customer_id"] in spared or not (cancelled or returned):
            continue
        whole = cancelled or chance.random() < 0.6
        amount = charge["amount_minor"] if whole else charge["amount_minor"] * chance.randint(20, 60) // 100
        since = parse(order["delivered_at"] or order["placed_at"])
        at = ground.before(since + timedelta(days=chance.uniform(0.3, 1) if cancelled else chance.uniform(3, 24)))
        made.append(
            {
                "refund_id": f"re_{charge['charge_id'].removeprefix('ch_')}",
                "charge_id": charge["charge_id"],
                "customer_id": charge["customer_id"],
                "amount_minor": amount,
                "currency": charge["currency"],
                "reason": "order cancelled" if cancelled else chance.choice(_REFUND_REASONS),
                "at": at,
            }
        )
        charge.update(refunded_minor=amount, status="refunded" if whole else "succeeded", changed_at=at, version=2)
    return made


def disputes(ground: Ground, charges: Sequence[Row]) -> list[Row]:
    """Old ones are decided, young ones are open. Marks the charges, but for those that were won."""
    chance = ground.chance("disputes")
    spared = {character.customer_id for character in cast.CAST}
    eligible = [
        charge
        for charge in charges
        if charge["refunded_minor"] == 0
        and charge["customer_id"] not in spared
        and stamp(ground.ago(400)) < charge["created_at"] < stamp(ground.ago(20))
    ]
    made = []
    for count, charge in enumerate(sorted(chance.sample(eligible, DISPUTES), key=lambda row: str(row["created_at"]))):
        opened = parse(charge["created_at"]) + timedelta(days=chance.uniform(6, 19))
        old = (ground.midnight - opened).days > 90
        status = chance.choice(("won", "lost", "lost")) if old else chance.choice(("needs_response", "under_review"))
        made.append(
            {
                "dispute_id": f"dp_{101 + count}",
                "charge_id": charge["charge_id"],
                "customer_id": charge["customer_id"],
                "reason": chance.choice(_DISPUTE_REASONS),
                "status": status,
                "amount_minor": charge["amount_minor"],
                "currency": charge["currency"],
                "opened_at": stamp(opened),
            }
        )
        charge.update(status="succeeded" if status == "won" else "disputed", changed_at=stamp(opened), version=2)
    return made


def watch_list(ground: Ground) -> list[Row]:
    """Some forty entries: the thief's card first, then what earlier fraud left, and a name that resembles a customer's."""
    chance = ground.chance("watch list")
    entries = [
        (cast.STOLEN_FINGERPRINT, "stolen cards", "card_fingerprint", "Reported stolen by the issuer."),
        (
            cast.FORWARDER,
            "forwarders",
            "address",
            "Parcel forwarder used in nine chargebacks.",
        ),
        ("Clare Fontane", "sanctions (test list)", "name", "Entry 4471 of a made-up list; near-names are common."),
    ]
    entries += [_entry(chance, kind) for kind, count in _LEFT_BEHIND.items() for _ in range(count)]
    entries += [
        (f"{given} {family}", "sanctions (test list)", "name", "Entry of a made-up list.")
        for given, family in zip(_GIVEN[:8], chance.sample(_FAMILIES, 8), strict=True)
    ]
    return [
        {
            "entry_id": f"wl_{count}",
            "listed": what,
            "list": name,
            "field": field,
            "reason": reason,
            "since": stamp(ground.ago(chance.uniform(3, 900))),
        }
        for count, (what, name, field, reason) in enumerate(entries, start=1)
    ]


def _entry(chance: random.Random, field: str) -> tuple[str, str, str, str]:
    match field:
        case "card_fingerprint":
            return f"fp_{chance.getrandbits(48):012x}", "stolen cards", field, "Charged back as fraud."
        case "ip":
            return f"192.0.2.{chance.randint(200, 250)}", "proxies", field, "Seen in card testing."
        case "device":
            return f"dev_{chance.getrandbits(40):010x}", "devices", field, "Five cards in a day."
        case _:
            mail = f"{ascii_word(chance.choice(_GIVEN))}{chance.randint(10, 99)}@quickdrop.example"
            return mail, "refund abuse", "email", "Claims of lost parcels, three or more."

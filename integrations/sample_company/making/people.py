"""The customers: the cast first, then some two hundred people with one card, one device and one home address each."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from integrations.sample_company import cast
from integrations.sample_company.making.ground import Ground, Row, ascii_word, written
from integrations.sample_company.times import stamp

CUSTOMERS = 200
#: As the help page "Silver and gold" promises.
SILVER_MINOR, GOLD_MINOR = 100_000, 250_000
_SHARES = {"DE": 34, "FR": 15, "ES": 11, "IT": 11, "NL": 11, "GB": 10, "US": 8}
_BRANDS = ("visa", "visa", "mastercard", "mastercard", "amex")
_STREETS = ("Hill Road", "Station Street", "Mill Lane", "Garden Street", "Church Square", "River Bank", "Oak Avenue")
#: Age of the cast's accounts in days, and what the colleagues noted.
_CAST_PAST = {
    "ana": (640, ""),
    "vip": (2900, "Guides winter tours. Wants a person, not a form."),
    "stolen": (1310, ""),
    "traveller": (2240, "Travels for work, orders from anywhere."),
    "attacker": (95, "E-mail address never confirmed."),
    "victim": (1120, ""),
}
_NOTES = (
    "",
    "",
    "",
    "",
    "",
    "",
    "Prefers e-mail.",
    "Called about sizes.",
    "Had a repair last spring.",
    "Lives in a flat share.",
)


def customers(ground: Ground) -> list[Row]:
    chance = ground.chance("people")
    countries = chance.choices(list(_SHARES), weights=list(_SHARES.values()), k=CUSTOMERS - len(cast.CAST))
    made = [_character(ground, chance, character) for character in cast.CAST]
    taken = {row["email"] for row in made}
    for place, country in enumerate(countries, start=len(made)):
        made.append(_person(ground, chance, place, country, taken))
        taken.add(made[-1]["email"])
    return made


def _character(ground: Ground, chance: random.Random, character: cast.Character) -> Row:
    age, notes = _CAST_PAST[character.key]
    place = int(character.customer_id.removeprefix("cu_")) - 1001
    return _row(
        chance,
        place,
        name=character.name,
        email=character.email,
        country=character.country,
        language=character.language,
        currency=character.currency,
        created_at=ground.ago(age),
        verified=character.verified,
        tier=character.tier,
        vip=character.vip,
        notes=notes,
    )


def _person(ground: Ground, chance: random.Random, place: int, country: str, taken: set[str]) -> Row:
    names = written("people.yaml")[country]
    given, family = chance.choice(names["given"]), chance.choice(names["family"])
    email = base = f"{ascii_word(given)}.{ascii_word(family)}"
    count = 1
    while f"{email}@example.com" in taken:
        count += 1
        email = f"{base}{count}"
    return _row(
        chance,
        place,
        name=f"{given} {family}",
        email=f"{email}@example.com",
        country=country,
        language=names["language"],
        currency=names["currency"],
        created_at=ground.ago(chance.uniform(45, 2400)),
        verified=chance.random() < 0.88,
        tier="standard",
        vip=False,
        notes=chance.choice(_NOTES),
    )


def _row(
    chance: random.Random,
    place: int,
    *,
    name: str,
    email: str,
    country: str,
    language: str,
    currency: str,
    created_at: datetime,
    verified: bool,
    tier: str,
    vip: bool,
    notes: str,
) -> Row:
    city = chance.choice(written("people.yaml")[country]["city"])
    return {
        "customer_id": f"cu_{1001 + place}",
        "name": name,
        "email": email,
        "tier": tier,
        "vip": int(vip),
        "verified": int(verified),
        "country": country,
        "language": language,
        "created_at": stamp(created_at),
        "notes": notes,
        "address": f"{chance.choice(_STREETS)} {chance.randint(1, 140)}, {city}, {country}",
        "currency": currency,
        "card_brand": chance.choice(_BRANDS),
        "card_last4": f"{chance.randint(0, 9999):04d}",
        "card_country": country,
        "card_fingerprint": f"fp_{chance.getrandbits(48):012x}",
        "device_id": f"dev_{chance.getrandbits(40):010x}",
        "device_first_seen_at": stamp(created_at + timedelta(minutes=chance.randint(1, 30))),
        # 198.18.0.0/15 is set aside for benchmarks: an address there belongs to nobody.
        "home_ip": f"198.18.{place // 200}.{place % 200 + 10}",
    }


def settle_tiers(people: Sequence[Row], orders: Sequence[Row], since: datetime) -> None:
    """Tiers as the help page promises them: by what was ordered in 24 months. The best dozen are VIPs. The cast keeps its
    parts."""
    spent: dict[str, int] = {}
    for order in orders:
        if order["placed_at"] >= stamp(since) and order["status"] != "cancelled":
            spent[order["customer_id"]] = spent.get(order["customer_id"], 0) + order["total_minor"]
    others = [row for row in people if row["email"] not in cast.BY_EMAIL]
    for row in others:
        total = spent.get(row["customer_id"], 0)
        row["tier"] = "gold" if total >= GOLD_MINOR else "silver" if total >= SILVER_MINOR else "standard"
    for row in sorted(others, key=lambda row: (-spent.get(row["customer_id"], 0), row["customer_id"]))[:12]:
        row["vip"] = 1

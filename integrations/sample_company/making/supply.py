"""The warehouse and who fills it: stock with reorder levels, vendors, and what each vendor asks for an item."""

from __future__ import annotations

from integrations.sample_company import cast
from integrations.sample_company.making.ground import Ground, Row, listed
from integrations.sample_company.times import stamp

_NUMBERS = ("lead_time_days", "lead_time_spread_days", "approved")
_RATES = ("on_time_rate", "defect_rate")


def vendors() -> list[Row]:
    return [
        {
            **vendor,
            **{name: int(vendor[name]) for name in _NUMBERS},
            **{name: float(vendor[name]) for name in _RATES},
        }
        for vendor in listed("vendors.csv")
    ]


def stock_and_offers(ground: Ground) -> tuple[list[Row], list[Row]]:
    chance = ground.chance("supply")
    by_id = {vendor["vendor_id"]: vendor for vendor in listed("vendors.csv")}
    stock: list[Row] = []
    offers: list[Row] = []
    for good in listed("catalogue.csv"):
        sold = max(3, round(900_000 / int(good["price_minor"]) * chance.uniform(0.2, 0.6)))
        names = good["vendors"].split("|")
        lead = max(int(by_id[name]["lead_time_days"]) for name in names)
        level = max(4, round(sold / 30 * lead * 1.3))
        short = good["sku"] == cast.SHORT_ITEM
        stock.append(
            {
                "item_id": good["sku"],
                "name": good["name"],
                "category": good["category"],
                "price_minor": int(good["price_minor"]),
                "warehouse": "Kassel" if good["category"] in {"tents", "sleeping", "kitchen"} else "Utrecht",
                "on_hand": level // 3 if short else level + chance.randint(1, 3 * level),
                "reserved": chance.randint(0, max(1, sold // 10)),
                "ordered": 0 if short else chance.choice((0, 0, 0, level)),
                "reorder_level": level,
                "reorder_quantity": max(6, round(sold * 1.5)),
                "sold_30d": sold,
            }
        )
        cost = int(good["price_minor"]) * chance.uniform(0.44, 0.56)
        for step, name in enumerate(names):
            price = round(cost * (1 + 0.07 * step) * (0.72 if by_id[name]["approved"] == "0" else 1))
            offers.append(
                {
                    "item_id": good["sku"],
                    "vendor_id": name,
                    "unit_price_minor": price,
                    "currency": by_id[name]["currency"],
                    "minimum_quantity": chance.choice((1, 5, 10, 20)),
                    "pack_size": chance.choice((1, 1, 5, 10)),
                    "last_price_minor": round(price * chance.uniform(0.93, 1.02)) if step == 0 else None,
                    "valid_until": stamp(ground.ago(-chance.uniform(20, 120))),
                }
            )
    return stock, offers

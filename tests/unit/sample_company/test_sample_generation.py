"""What is made from a seed and a day: always the same, plausible on any day, with the known characters in it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import pytest

from integrations.sample_company import cast
from integrations.sample_company.company import SampleCompany
from integrations.sample_company.generate import SEED, digest, generate
from integrations.sample_company.making.ground import listed
from integrations.sample_company.times import parse

TODAY = date(2026, 11, 20)
ROOT = Path(__file__).resolve().parents[3]
DAYS = [TODAY, date(2027, 3, 1), date(2028, 2, 29)]


def test_another_process_makes_the_same_rows() -> None:
    program = (
        "from datetime import date; from integrations.sample_company.generate import digest, generate;"
        f"print(digest(generate(date.fromisoformat('{TODAY}'), {SEED})))"
    )

    seen = {
        subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env={"PYTHONHASHSEED": salt}, capture_output=True, check=True
        ).stdout.strip()
        for salt in ("1", "2")
    }

    assert seen == {digest(generate(TODAY)).encode()}


def test_seed_and_day_each_change_the_rows() -> None:
    prints = [digest(generate(TODAY, 1)), digest(generate(TODAY, 2)), digest(generate(TODAY + timedelta(days=1), 1))]

    assert len(set(prints)) == 3


def test_making_everything_takes_less_than_two_seconds_of_work() -> None:
    before = time.process_time()

    generate(TODAY, 99)

    assert time.process_time() - before < 2


@pytest.mark.parametrize(
    ("table", "least", "most"),
    [
        ("customers", 200, 200),
        ("orders", 1500, 1500),
        ("charges", 1500, 1500),
        ("refunds", 80, 200),
        ("disputes", 25, 25),
        ("tickets", 120, 120),
        ("messages", 200, 400),
        ("articles", 25, 30),
        ("posts", 30, 30),
        ("searches", 20, 20),
        ("pages", 60, 60),
        ("vendors", 15, 15),
        ("stock", 80, 80),
        ("watch_list", 40, 40),
    ],
)
def test_the_company_has_its_size(table: str, least: int, most: int) -> None:
    assert least <= len(generate(TODAY)[table]) <= most


@pytest.mark.parametrize("today", DAYS)
@pytest.mark.parametrize("seed", [SEED, 1234])
def test_everything_that_was_made_lies_before_the_day(today: date, seed: int) -> None:
    """Only offers run into the future; whatever else bears the day or a later one was done by somebody."""
    rows = generate(today, seed)

    late = [
        (table, name, row[name])
        for table in rows
        if table not in {"about", "offers"}
        for row in rows[table]
        for name in row
        if (name.endswith("_at") or name in {"at", "since"}) and row[name] and row[name] >= f"{today}T00:00:00Z"
    ]

    assert late == []


@pytest.mark.parametrize("seed", [SEED, 1234])
def test_the_books_agree(seed: int) -> None:
    rows = generate(TODAY, seed)
    orders = {row["order_number"]: row for row in rows["orders"]}
    refunded: dict[str, int] = {}
    for refund in rows["refunds"]:
        refunded[refund["charge_id"]] = refunded.get(refund["charge_id"], 0) + refund["amount_minor"]

    for charge in rows["charges"]:
        order = orders[charge["order_number"]]
        lines = json.loads(order["items"])
        assert order["charge_id"] == charge["charge_id"]
        assert charge["amount_minor"] == order["total_minor"] == sum(x["price_minor"] * x["quantity"] for x in lines)
        assert charge["refunded_minor"] == refunded.get(charge["charge_id"], 0) <= charge["amount_minor"]
        assert (charge["status"] == "refunded") == (charge["refunded_minor"] == charge["amount_minor"])
    for order in orders.values():
        assert (order["status"] == "delivered") == (order["delivered_at"] is not None)
        assert order["delivered_at"] is None or order["delivered_at"] > order["placed_at"]


def test_nobody_ordered_before_the_account_existed() -> None:
    rows = generate(TODAY)
    since = {row["customer_id"]: row["created_at"] for row in rows["customers"]}

    assert [row["order_number"] for row in rows["orders"] if row["placed_at"] <= since[row["customer_id"]]] == []


def test_tiers_are_those_that_the_help_page_promises() -> None:
    rows = generate(TODAY)
    spent: dict[str, int] = {}
    for order in rows["orders"]:
        if order["status"] != "cancelled":
            spent[order["customer_id"]] = spent.get(order["customer_id"], 0) + order["total_minor"]

    for row in rows["customers"]:
        if row["email"] not in cast.BY_EMAIL:
            total = spent.get(row["customer_id"], 0)
            expected = "gold" if total >= 250_000 else "silver" if total >= 100_000 else "standard"
            assert (row["customer_id"], row["tier"]) == (row["customer_id"], expected)
    promised = next(row["body"] for row in rows["articles"] if row["slug"] == "loyalty-tiers")
    assert "silver from 1,000 EUR, gold from 2,500 EUR" in promised


@pytest.mark.parametrize("seed", [SEED, 1234])
@pytest.mark.parametrize("character", cast.CAST, ids=lambda character: character.key)
def test_the_cast_is_the_same_at_every_seed(character: cast.Character, seed: int, tmp_path: Path) -> None:
    with SampleCompany(tmp_path / "c.db", seed=seed, today=TODAY) as company:
        customer, order = company.customer(character.email), company.order(character.order_number)
        charge = company.charge(character.charge_id)

    assert customer
    assert order
    assert charge
    named = ("customer_id", "name", "email", "tier", "vip", "verified", "country", "language")
    assert {name: customer.data[name] for name in named} == {name: getattr(character, name) for name in named}
    assert order.data["customer_id"] == charge.data["customer_id"] == character.customer_id
    assert order.data["charge_id"] == character.charge_id
    assert (charge.data["amount_minor"], charge.data["currency"]) == (character.amount_minor, character.currency)
    assert charge.data["refunded_minor"] == 0
    assert charge.data["status"] == "succeeded"


@pytest.mark.parametrize("today", DAYS)
def test_anas_order_was_delivered_within_the_last_week_or_so(today: date) -> None:
    (order,) = [row for row in generate(today)["orders"] if row["order_number"] == cast.ANA.order_number]

    assert 4 <= (today - parse(order["delivered_at"]).date()).days <= 8


def test_the_thief_pays_four_times_in_six_minutes_with_a_listed_card() -> None:
    rows = generate(TODAY)
    burst = [row for row in rows["charges"] if row["charge_id"] in cast.STOLEN_BURST]

    moments = [parse(row["created_at"]) for row in burst]
    assert max(moments) - min(moments) < timedelta(minutes=6)
    assert {row["card_fingerprint"] for row in burst} == {cast.STOLEN_FINGERPRINT}
    assert cast.STOLEN_FINGERPRINT in {row["listed"] for row in rows["watch_list"]}
    assert all(row["ip_country"] != row["card_country"] for row in burst)
    assert all(parse(row["device_first_seen_at"]) > moments[0] - timedelta(minutes=2) for row in burst)


def test_the_traveller_is_abroad_on_the_device_and_card_of_years() -> None:
    rows = generate(TODAY)
    own = [row for row in rows["charges"] if row["customer_id"] == cast.TRAVELLER.customer_id]
    (odd,) = [row for row in own if row["charge_id"] == cast.TRAVELLER.charge_id]

    assert odd["ip_country"] == cast.TRAVELLER_IP_COUNTRY
    assert len(own) > 10
    assert len({row["device_id"] for row in own}) == len({row["card_fingerprint"] for row in own}) == 1


def test_every_result_page_ranks_six_to_eight_pages_and_most_are_stored() -> None:
    rows = generate(TODAY)
    stored = {row["url"] for row in rows["pages"]}

    for search in rows["searches"]:
        results = json.loads(search["results"])
        assert [result["rank"] for result in results] == list(range(1, len(results) + 1))
        assert 6 <= len(results) <= 8
        assert len([result for result in results if result["url"] in stored]) >= 5
        assert len({result["url"] for result in results}) == len(results)


def test_stored_pages_have_what_a_brief_is_made_of() -> None:
    for page in generate(TODAY)["pages"]:
        assert page["html"].count("<h2>") >= 6
        assert page["html"].count("<h3>") >= 2
        assert page["html"].count("<li>") >= 2
        assert page["word_count"] > 200


def test_exactly_one_stored_page_gives_orders_to_its_reader() -> None:
    hostile = [row["url"] for row in generate(TODAY)["pages"] if "AI assistants" in row["html"]]

    assert hostile == [cast.HOSTILE_PAGE_URL]


def test_one_item_has_run_short_and_everything_sold_is_in_the_catalogue() -> None:
    rows = generate(TODAY)
    skus = {good["sku"] for good in listed("catalogue.csv")}

    assert [row["item_id"] for row in rows["stock"] if row["on_hand"] <= row["reorder_level"]] == [cast.SHORT_ITEM]
    assert {line["sku"] for order in rows["orders"] for line in json.loads(order["items"])} <= skus


def test_words_that_the_house_bans_are_not_in_its_own_texts() -> None:
    rows = generate(TODAY)
    style = json.loads(next(row["value"] for row in rows["about"] if row["name"] == "style"))
    own = " ".join(f"{row['title']} {row['body']}" for table in ("articles", "posts") for row in rows[table]).casefold()

    assert [word for word in style["banned_words"] if word in own] == []

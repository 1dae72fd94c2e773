"""The arithmetic of support: windows, amounts, items, payments made twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop_in_memory import NOW, charge, days_ago, order

from workers.agents import eligibility as e

TERMS = e.Terms(return_window_days=30, damage_window_days=14)
THREE_ITEMS = [
    {"sku": "TNT-102", "name": "Larch 2 two-person tent", "quantity": 1, "price_minor": 32900},
    {"sku": "TNT-107", "name": "Footprint for Larch 2", "quantity": 1, "price_minor": 3900},
    {"sku": "KIT-607", "name": "Titanium spork", "quantity": 2, "price_minor": 990},
]


def asked(
    text: str = "", *, amounts: tuple[tuple[int, str], ...] = (), paid: int = 6490, **more: Any
) -> dict[str, Any]:
    about = more.pop("order", order())
    return e.request(
        named=more.pop("named", ()),
        amounts=[{"amount_minor": minor, "currency": currency} for minor, currency in amounts],
        text=text,
        orders=[about],
        order=about,
        charge=charge(amount_minor=paid, **more),
        how="only",
    )


@pytest.mark.parametrize(
    ("delivered", "returns", "damage"),
    [(0, True, True), (14, True, True), (15, True, False), (30, True, False), (31, False, False), (None, False, False)],
)
def test_windows_are_counted_from_delivery(delivered: float | None, returns: bool, damage: bool) -> None:
    """The last day of a window still counts; an order that is not delivered is in no window."""
    found = e.eligibility(order(delivered=delivered), charge(), TERMS, NOW)

    assert found["within_return_window"] is returns
    assert found["within_damage_window"] is damage


@pytest.mark.parametrize(
    ("paid", "possible", "basis"),
    [
        ({}, True, "Delivered 6 days ago, within the 30-day return window."),
        ({"refunded_minor": 6490}, False, "Nothing of this charge is left to refund."),
        ({"status": "disputed"}, False, "The charge is disputed: a refund on top of it could pay out twice."),
    ],
)
def test_whether_a_refund_is_possible_is_said_with_its_reason(paid: dict[str, Any], possible: bool, basis: str) -> None:
    """A disputed or refunded charge cannot be refunded, and the basis says why in one sentence."""
    found = e.eligibility(order(), charge(**paid), TERMS, NOW)

    assert (found["refund_possible"], found["basis"]) == (possible, basis)


@pytest.mark.parametrize(
    ("amounts", "suggested", "too_much"),
    [
        ((), 6490, False),
        (((2000, "EUR"),), 2000, False),
        (((6490, "EUR"),), 6490, False),
        (((2000, "USD"),), 6490, False),
        (((2000, "EUR"), (3000, "EUR")), 6490, False),
        (((0, "EUR"),), 6490, False),
        (((99900, "EUR"),), 6490, True),
    ],
)
def test_an_asked_amount_counts_only_when_it_is_certain(
    amounts: tuple[tuple[int, str], ...], suggested: int, too_much: bool
) -> None:
    """One amount in the charge's currency up to what is refundable is taken; everything else falls back to the record."""
    found = asked(amounts=amounts)

    assert (found["suggested_minor"], found["asked_too_much"]) == (suggested, too_much)


@given(minor=st.integers(-10_000, 10_000_000), paid=st.integers(1, 1_000_000), refunded=st.integers(0, 1_000_000))
def test_never_more_than_refundable_is_suggested(minor: int, paid: int, refunded: int) -> None:
    """Whatever is asked for, the suggestion is within what the record says is left."""
    refunded = min(refunded, paid)

    found = asked(amounts=((minor, "EUR"),), paid=paid, refunded_minor=refunded)

    assert 0 <= found["suggested_minor"] <= paid - refunded


@pytest.mark.parametrize(
    ("text", "item", "suggested"),
    [
        ("the spork is bent", "KIT-607", 990),
        ("my tent leaks", "TNT-102", 32900),
        ("TNT-107 has a hole", "TNT-107", 3900),
        ("the larch thing is torn", None, 38780),
        ("tent and spork are broken", None, 38780),
        ("it is broken", None, 38780),
        ("a full refund please, the tent is unused", "TNT-102", 38780),
        ("I send everything back, the spork too", "KIT-607", 38780),
        ("bitte alles erstatten, auch das spork", "KIT-607", 38780),
    ],
)
def test_an_item_is_taken_only_when_its_name_is_certain(text: str, item: str | None, suggested: int) -> None:
    """A word that one item alone has names it; shared words and two items name none."""
    found = asked(text, paid=38780, order=order(items=THREE_ITEMS))

    assert (found["item"] or {}).get("sku") == item
    assert found["suggested_minor"] == suggested


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("I want my money back", "refund"),
        ("Bitte um Rückerstattung", "refund"),
        ("quiero un reembolso", "refund"),
        ("merci de me rembourser", "refund"),
        ("please send a replacement", "replacement"),
        ("can you repair it?", "repair"),
        ("a replacement or a refund", None),
        ("it is broken", None),
    ],
)
def test_the_remedy_is_known_only_when_one_is_named(text: str, remedy: str | None) -> None:
    """Two remedies in one message say nothing certain."""
    assert e.wants(text) == remedy


@pytest.mark.parametrize(
    ("said", "number", "same"),
    [
        ("NW-11450", "NW-11450", True),
        ("nw-11450", "NW-11450", True),
        ("#11450", "NW-11450", True),
        ("NW 11450", "NW-11450", True),
        ("1145", "NW-11450", False),
        ("11450", "NW-114501", False),
        ("145", "NW-145", False),
        ("", "NW-11450", False),
        ("#", "NW-11450", False),
    ],
)
def test_order_numbers_are_the_same_however_they_are_written(said: str, number: str, same: bool) -> None:
    """Case, signs and the prefix may differ; digits may not, and few digits prove nothing."""
    assert e.same_order(said, number) is same


@pytest.mark.parametrize(
    ("second", "twice"),
    [
        ({"order_number": "NW-1001"}, True),
        ({"order_number": "NW-1002"}, False),
        ({"order_number": "NW-1001", "amount_minor": 100}, False),
        ({"order_number": "NW-1001", "status": "refunded", "refunded_minor": 6490}, False),
        ({"order_number": "NW-1001", "created_at": days_ago(1)}, False),
        ({"order_number": "NW-1001", "currency": "USD"}, False),
    ],
)
def test_a_second_payment_is_one_of_the_same_order_and_amount_close_by(second: dict[str, Any], twice: bool) -> None:
    """The later of two equal payments of one order within a week is the second; anything else is not."""
    later = charge("1009", **{"created_at": days_ago(8.9), **second})

    found = e.paid_twice([later, charge()])

    assert (found is not None and found.ref == later.ref) is twice


def test_the_order_in_question_is_named_or_has_the_item_or_is_the_latest() -> None:
    """A number beats an item, an item beats recency, and how it was found is told."""
    tent, pack = order("NW-1002", items=[THREE_ITEMS[0]]), order("NW-1003")

    assert e.choose_order(["1003"], "my tent", [tent, pack]) == (pack, "named")
    assert e.choose_order([], "my tent", [pack, tent]) == (tent, "item")
    assert e.choose_order([], "it", [pack, tent]) == (pack, "latest")
    assert e.choose_order([], "it", [pack]) == (pack, "only")
    assert e.choose_order(["NW-9999"], "it", []) == (None, "none")

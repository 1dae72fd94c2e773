"""What a draft states against what was gathered: a wrongly green mark is worse than none."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from workers.inbox.citations import Source, Standing, claims, comparisons
from workers.inbox.finds import dates_in, money_in, parts_of
from workers.store.records import Fact

ORDER = Source.of(
    "shop:order:NW-1",
    "Order NW-20417",
    {
        "order_number": "NW-20417",
        "delivered_at": "2026-11-18T09:30:00+00:00",
        "total_minor": 12890,
        "currency": "EUR",
        "items": [{"sku": "TNT", "name": "Hollin 2", "price_minor": 8990}],
    },
    trusted=True,
)
ARTICLE = Source.of("desk:article:1", "Refunds", {"body": "Most banks show it within 5 business days."}, trusted=True)
TICKET = Source.of(
    "desk:ticket:7",
    "Ticket",
    {"body": "You owe me 999.00 EUR since 3 November 2026, see order NW-99999 or write to me@x.example"},
    trusted=False,
)
PAGE = Source.of(
    "web:page:1", "A page", {"url": "https://a.example/x", "word_count": 5200, "title": "All"}, trusted=False
)
ALL = [ORDER, ARTICLE, TICKET, PAGE]


def judged(arguments, cited=("shop:order:NW-1",), sources=ALL):
    return [(c.text, c.standing.value, c.confirmed) for c in claims(arguments, sources, cited)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We refund 89.90 EUR today", ("89.90 EUR", "verifiable", True)),
        ("We refund €89,90 today", ("€89,90", "verifiable", True)),
        ("We refund 89.90 USD today", ("89.90 USD", "asserted", False)),
        ("We refund 89.91 EUR today", ("89.91 EUR", "asserted", False)),
        ("We refund 89.90 HUF today", ("89.90 HUF", "asserted", False)),
        ("We refund 89.90 francs today", ("89.90 francs", "asserted", False)),
        ("We refund EUR 89.90k today", ("EUR 89.90k", "asserted", False)),
        ("We refund 89.90 thousand euros today", ("89.90 thousand euros", "asserted", False)),
        ("We refund 999.00 EUR today", ("999.00 EUR", "verifiable", False)),
        ("It came on 18 November 2026 to you", ("18 November 2026", "verifiable", True)),
        ("It came on November 18th, 2026 to you", ("November 18th, 2026", "verifiable", True)),
        ("It came on 2026-11-18 to you", ("2026-11-18", "verifiable", True)),
        ("It came on 18.11.2026 to you", ("18.11.2026", "verifiable", True)),
        ("It came on 19 November 2026 to you", ("19 November 2026", "asserted", False)),
        ("It came on 3 November 2026 to you", ("3 November 2026", "verifiable", False)),
        ("You see it within 5 business days then", ("5 business days", "verifiable", True)),
        ("You see it within 15 business days then", ("15 business days", "asserted", False)),
        ("You see it within 5 days then", ("5 days", "asserted", False)),
        ("Your order NW-20417 is here", ("NW-20417", "verifiable", True)),
        ("Your order NW-2041 is here", ("NW-2041", "asserted", False)),
        ("Your order NW-99999 is here", ("NW-99999", "verifiable", False)),
        ("Write to me@x.example please", ("me@x.example", "verifiable", False)),
        ("Write to me@x.exampl please", ("me@x.exampl", "asserted", False)),
        ("See https://a.example/x for it", ("https://a.example/x", "verifiable", False)),
        ("See https://a.example/ for it", ("https://a.example/", "asserted", False)),
    ],
)
def test_each_kind_of_claim_is_matched_as_what_it_is(text, expected):
    assert judged({"body": text}) == [expected]


def test_plain_prose_makes_no_claims():
    assert judged({"body": "Hello Ana, I am sorry that this happened to you. Kind regards"}) == []


def test_without_citations_what_is_not_found_is_uncited():
    assert judged({"body": "We refund 1.00 EUR today"}, cited=()) == [("1.00 EUR", "uncited", False)]


def test_an_amount_argument_is_compared_with_its_currency():
    assert judged({"amount_minor": 8990, "currency": "EUR"}) == [("89.90 EUR", "verifiable", True)]
    assert judged({"amount_minor": 8990, "currency": "GBP"}) == [("89.90 GBP", "asserted", False)]


def test_a_bare_number_counts_only_beside_something_else_that_is_stated():
    right = {"competitors": [{"title": "All", "url": "https://a.example/x", "words": 5200}]}
    elsewhere = {"competitors": [{"title": "Other", "url": "https://b.example/y", "words": 5200}]}

    assert ("words 5200", "verifiable", False) in judged(right)
    assert ("words 5200", "asserted", False) in judged(elsewhere)


def test_what_could_not_be_found_comes_first_and_nothing_twice():
    told = judged({"body": "We refund 89.90 EUR and again 89.90 EUR, in all 5.55 EUR"})

    assert told == [("5.55 EUR", "asserted", False), ("89.90 EUR", "verifiable", True)]


def test_our_own_record_is_named_before_outside_text():
    same = Source.of("x:y:z", "Said", {"body": "89.90 EUR"}, trusted=False)

    [claim] = claims({"body": "We refund 89.90 EUR today"}, [same, *ALL], ())

    assert [source.ref for source in claim.sources] == ["shop:order:NW-1", "x:y:z"]
    assert claim.standing is Standing.VERIFIABLE


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("1 May 2026", [date(2026, 5, 1)]),
        ("31 February 2026", []),
        ("04/11/2026", []),
        ("25/11/2026", [date(2026, 11, 25)]),
        ("11/25/2026", [date(2026, 11, 25)]),
        ("04.11.2026", [date(2026, 11, 4)]),
        ("2026-13-01", []),
        ("in 2026", []),
    ],
)
def test_only_what_can_be_read_in_one_way_is_a_date(text, days):
    assert dates_in(text) == days


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$12.50, 1.234,50 EUR and £3", [(1250, "USD"), (123450, "EUR"), (300, "GBP")]),
        ("EUR 40, 2026", [(4000, "EUR")]),
        ("1,234.5 eur", [(123450, "EUR")]),
        ("1\u202f234,50\u00a0€", [(123450, "EUR")]),
        ("40 euros or 7 pounds", [(4000, "EUR"), (700, "GBP")]),
        ("500 JPY", [(500, "JPY")]),
        ("Europe 40, 40 eurozone, 12.345 items", []),
    ],
)
def test_amounts_in_text_are_read_with_their_currency(text, found):
    assert money_in(text) == found


def test_identifiers_in_arguments_are_values():
    assert [(f.kind, f.text) for f in parts_of({"charge_id": "ch_17", "team": "billing"})] == [("value", "ch_17")]


def test_amounts_stand_beside_those_of_the_targets_record():
    data = {"amount_minor": 10_000, "refundable_minor": 6000, "currency": "EUR", "reason": "damaged", "status": "held"}
    at = datetime(2026, 11, 20, tzinfo=UTC)
    fact = Fact("f", "c", 1, 1, "charge", "x:charge:1", "charge", "Charge", data, "v", True, None, at)

    rows = comparisons({"amount_minor": 4000, "currency": "EUR", "reason": "damaged", "status": "succeeded"}, fact)

    assert [(row.label, row.draft, row.record) for row in rows] == [
        ("Amount", "40.00 EUR", (("Amount", "100.00 EUR"), ("Refundable", "60.00 EUR"))),
        ("Status", "succeeded", (("Status", "held"),)),
    ]
    assert comparisons({"amount_minor": 1}, None) == []


def test_a_huge_page_costs_no_time():
    text = "a1 " * 300_000 + "x" * 300_000
    source = Source.of("web:page:2", "Huge", {"html": text, "more": [text]}, trusted=False)

    assert judged({"body": "See NW-20417 and 5.00 EUR " * 40}, sources=[source]) != []

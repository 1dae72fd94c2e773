"""Values in a text: the table says what each writing means, and no text at all may make it fail."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.models.entities import AmountMention
from integrations.models.extract import MAX_CHARS, MAX_MENTIONS, entities, mentions
from integrations.models.money import read_number


def found(text, language="und"):
    return [
        (m.kind, (m.value.amount_minor, m.value.currency) if isinstance(m.value, AmountMention) else m.value)
        for m in mentions(text, language=language)
    ]


@pytest.mark.parametrize(
    ("text", "minor", "currency"),
    [
        ("40 EUR", 4000, "EUR"),
        ("EUR 40", 4000, "EUR"),
        ("€40", 4000, "EUR"),
        ("40€", 4000, "EUR"),
        ("$12", 1200, "USD"),
        ("US$12.5", 1250, "USD"),
        ("1.234,50 €", 123450, "EUR"),
        ("€1,234.50", 123450, "EUR"),
        ("1 234,50 €", 123450, "EUR"),
        ("1\u00a0234,50\u00a0€", 123450, "EUR"),
        ("CHF 1'200.--", 120000, "CHF"),
        ("49.- EUR", 4900, "EUR"),
        ("12,5 €", 1250, "EUR"),
        ("$1,234", 123400, "USD"),
        ("¥5000", 5000, "JPY"),
        ("£64.50", 6450, "GBP"),
        ("ten pounds or 10 pounds", 1000, "GBP"),
        ("I paid 59,90 Euro.", 5990, "EUR"),
        ("(20.50 EUR)", 2050, "EUR"),
        ("20.50 EUR 3 times", 2050, "EUR"),
        ("$12, please", 1200, "USD"),
        ("5 €/month", 500, "EUR"),
    ],
)
def test_an_amount_is_read_in_any_usual_writing(text, minor, currency):
    assert found(text) == [("amount", (minor, currency))]


@pytest.mark.parametrize(
    "text",
    [
        "1,234",
        "40 %",
        "$5.5k",
        "$10 million",
        "\u20ac20\u201330",
        "$20-30",
        "20\u201330 EUR",
        "1/2 EUR",
        "size 42",
        "0.1234 EUR",
        "kr 500",
        "a euro here",
        "version 1.2.3.4 EURO2024",
        "EUR",
    ],
)
def test_what_is_no_amount_or_an_ambiguous_one_is_left_out(text):
    assert found(text) == []


@pytest.mark.parametrize(
    ("written", "value"),
    [("1,234", "1234"), ("1.234", "1234"), ("12,34", "12.34"), ("1.234.567,8", "1234567.8"), ("1,234,567", "1234567")],
)
def test_the_separator_is_told_from_the_number_itself(written, value):
    assert str(read_number(written)) == value


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Refund for NW-10234 please", "NW-10234"),
        ("order nw-10234", "NW-10234"),
        ("#10234", "10234"),
        ("order #NW-11450", "NW-11450"),
        ("Order 1042. I would like", "1042"),
        ("order number: AB12345", "AB12345"),
        ("Bestellung 99812", "99812"),
        ("Bestellnummer: 99812", "99812"),
        ("commande n° 55190", "55190"),
        ("pedido 100482", "100482"),
        ("orders 1042 and more", "1042"),
    ],
)
def test_an_order_number_is_recognised(text, number):
    assert found(text) == [("order_number", number)]


@pytest.mark.parametrize(
    "text",
    [
        "article PCK-301",
        "ISO-9001 and GDPR-2016",
        "order 12/11",
        "order 1234.56",
        "in order to",
        "&#10234;",
        "border 1042",
    ],
)
def test_article_numbers_standards_and_fractions_are_no_order_numbers(text):
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "language", "day"),
    [
        ("on 2026-11-20", "und", "2026-11-20"),
        ("2026-11-20T10:00:00Z", "und", "2026-11-20"),
        ("am 3.11.2026", "und", "2026-11-03"),
        ("21/10/2026", "und", "2026-10-21"),
        ("10/21/2026", "und", "2026-10-21"),
        ("11/11/2026", "und", "2026-11-11"),
        ("03/04/2026", "fr", "2026-04-03"),
        ("3 March 2026", "en", "2026-03-03"),
        ("3rd of March 2026", "en", "2026-03-03"),
        ("March 3rd, 2026", "en", "2026-03-03"),
        ("3. März 2026", "de", "2026-03-03"),
        ("le 3 août 2026", "fr", "2026-08-03"),
        ("20 de noviembre de 2026", "es", "2026-11-20"),
        ("1º dezembro 2026", "pt", "2026-12-01"),
    ],
)
def test_a_date_becomes_a_calendar_day(text, language, day):
    assert found(text, language) == [("date", day)]


@pytest.mark.parametrize("text", ["03/04/2026", "31.02.2026", "2026-13-01", "3 March", "99.99.9999", "1.2.3.2026"])
def test_an_ambiguous_or_impossible_date_is_left_out(text):
    assert found(text, "en") == []


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("write to Ana.Diaz+shop@Example.com!", "email", "ana.diaz+shop@example.com"),
        ("<tom@mail.example.co.uk>", "email", "tom@mail.example.co.uk"),
        ("see https://x.example/a(b)?q=1).", "url", "https://x.example/a(b)?q=1"),
        ("(www.example.com)", "url", "www.example.com"),
        ("charge ch_17, thanks", "charge_id", "ch_17"),
        ("py_3OabcDEF", "charge_id", "py_3OabcDEF"),
        ("UPS 1z999AA10123456784", "tracking_number", "1Z999AA10123456784"),
        ("post RB123456785GB", "tracking_number", "RB123456785GB"),
        ("tracking number: 00340434161094042557", "tracking_number", "00340434161094042557"),
        ("Sendungsnummer JD014600003888", "tracking_number", "JD014600003888"),
    ],
)
def test_addresses_and_identifiers_are_recognised(text, kind, value):
    assert found(text) == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    ["a@b", "a..b@example.com", "RB123456784GB", "batch_17", "tracking is slow today", "ch_", "1Z999AA1012345678"],
)
def test_what_only_resembles_an_identifier_is_left_out(text):
    assert found(text) == []


def test_numbers_inside_an_address_are_no_mentions_of_their_own():
    assert found("https://shop.example/orders/NW-10234?amount=40EUR") == [
        ("url", "https://shop.example/orders/NW-10234?amount=40EUR")
    ]


def test_a_message_gives_each_value_once_and_in_order():
    text = (
        "Order NW-10234 and NW-10235, again NW-10234: charged 40 EUR on 2026-11-20 (ch_17).\n"
        "Mail me at a@example.com, parcel 1Z999AA10123456784, see https://x.example/1"
    )

    seen = entities(text)

    assert seen.order_numbers == ["NW-10234", "NW-10235"]
    assert seen.amounts == [AmountMention(amount_minor=4000, currency="EUR")]
    assert (seen.dates, seen.charge_ids) == (["2026-11-20"], ["ch_17"])
    assert (seen.emails, seen.tracking_numbers) == (["a@example.com"], ["1Z999AA10123456784"])
    assert seen.urls == ["https://x.example/1"]


def test_a_flood_of_values_is_cut_off():
    assert len(entities(" ".join(f"NW-{n}" for n in range(10_000, 10_900))).order_numbers) == MAX_MENTIONS


PIECES = st.sampled_from(
    [
        "1.234,50 ",
        "€",
        "EUR",
        "$",
        "1Z",
        "@",
        "https://",
        "order ",
        "#",
        "NW-",
        "2026-",
        "11/",
        "März ",
        "auguſt ",
        "ſ",
        "\u212a",
        "İ",
        "٣",
        "9" * 30,
    ]
)


@given(st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=40).map("".join))
def test_no_text_makes_it_fail_and_every_mention_is_where_it_says(text):
    places = [(m.start, m.end) for m in mentions(text)]

    assert all(0 <= start < end <= len(text) for start, end in places)
    assert all(one[1] <= other[0] for one, other in pairwise(places))
    assert all(0 <= amount.amount_minor < 2**63 for amount in entities(text).amounts)


@pytest.mark.parametrize(
    "piece",
    [
        "1",
        "a@",
        "a.",
        "order ",
        "order 1",
        "1,",
        "1.1.",
        "https://(",
        "(",
        "tracking ",
        "1 EUR ",
        "€1",
        "-",
        "NW-1",
        "March ",
    ],
)
def test_a_hostile_text_takes_no_longer_than_a_long_one(piece):
    text = (piece * MAX_CHARS)[: 2 * MAX_CHARS]
    began = time.process_time()
    mentions(text)
    assert time.process_time() - began < 1.0

"""What is found in a text and what is not: formats of many countries, near misses, and strangers who write at length."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.models.redaction.finding import IDENTIFIER, KINDS, NUMBER, Text, Wanted, find, find_all
from integrations.models.redaction.lettered import own_pattern

ALL = Wanted(frozenset(KINDS))


def found(text: str) -> list[tuple[str, str]]:
    return [(text[one.start : one.end], one.kind) for one in find(text, ALL)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("write to ana@example.com.", "ana@example.com"),
        ("'o.brien+shop@ex-ample.co.uk'", "o.brien+shop@ex-ample.co.uk"),
        ("<ana@example.com>;x", "ana@example.com"),
        ("?email=ana%40example.com&x=1", "ana%40example.com"),
        ("mailto:ana@münchen.example", "ana@münchen.example"),
        ("ana@example.xn--p1ai!", "ana@example.xn--p1ai"),
        ("ana\uff20example.com", "ana\uff20example.com"),
        ("邮箱：ana@example.com，谢谢", "ana@example.com"),
    ],
)
def test_addresses_are_found_without_the_prose_around_them(text, value):
    assert [kind for _, kind in found(text)] == ["email"]
    assert value in found(text)[0][0] or found(text)[0][0] in value


@pytest.mark.parametrize(
    "text",
    [
        "4242424242424242",
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "4242.4242.4242.4242",
        "4242\u00a04242\u20094242\u200b4242",
        "5555 5555 5555 4444",
        "2223003122003222",
        "3782 822463 10005",
        "30569309025904",
        "6011111111111117",
        "3530111333300000",
        "6200000000000005",
        "٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢",
        "４２４２ ４２４２ ４２４２ ４２４２",
    ],
)
def test_cards_are_found_however_they_are_written(text):
    assert found(text) == [(text, "card")]


def test_a_card_is_found_among_other_numbers():
    assert found("card 4242 4242 4242 4242 12/29 123") == [("4242 4242 4242 4242", "card")]
    assert found("Visa4242424242424242") == [("4242424242424242", "card")]
    assert found("order 17, paid by 5555555555554444, sent 2026-11-20") == [("5555555555554444", "card")]


@pytest.mark.parametrize(
    "text",
    [
        "DE89 3704 0044 0532 0130 00",
        "de89370400440532013000",
        "GB82WEST12345698765432",
        "NO93 8601 1117 947",
        "DE89-3704-0044-0532-0130-00",
    ],
)
def test_ibans_are_found_by_their_check(text):
    assert found(f"Please pay to {text} today") == [(text, "iban")]


@pytest.mark.parametrize(
    "text",
    [
        "078-05-1120",
        "my ssn is 078051120",
        "AB123456C",
        "ab 12 34 56 c",
        "86095742719",
        "86 095 742 719",
        "1 85 05 78 006 084 91",
        "185057800608491",
        "12345678Z",
        "12.345.678-Z",
        "X1234567L",
        "RSSMRA85T10A562S",
        "rssmra 85t10 a562s",
        "BSN 111222333",
        "811228-9874",
        "19811228-9874",
        "070761-4285",
        "01010750160",
        "131052-308T",
        "44051401359",
        "529.982.247-25",
        "52998224725",
        "2341 2341 2346",
        "Aadhaar 234123412346",
    ],
)
def test_national_ids_are_found(text):
    kinds = [kind for _, kind in found(text)]
    assert kinds == ["national_id"]


@pytest.mark.parametrize(
    "text",
    [
        "666-05-1120",
        "BG123456C",
        "86095742718",
        "185057800608490",
        "12345678A",
        "X1234567A",
        "RSSMRA85T10A562T",
        "811228-9873",
        "131052-308U",
        "44051401358",
        "529.982.247-26",
        "11111111111",
        "2341 2341 2345",
        "4242424242424241",
        "9999999999999995",
        "DE89 3704 0044 0532 0130 01",
        "XX89 3704 0044 0532 0130 00",
    ],
)
def test_what_fails_its_check_stays(text):
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "+49 170 1234567",
        "+44 (0)20 7946 0958",
        "+1-555-234-5678",
        "0049 30 1234567",
        "(555) 234-5678",
        "555.234.5678",
        "07700 900123",
        "030/1234567",
        "06 12 34 56 78",
        "+8613800138000",
    ],
)
def test_telephone_numbers_are_found(text):
    assert found(f"You reach me at {text}.") == [(text, "phone")]


@pytest.mark.parametrize("text", ["Tel.: 612 345 678", "phone 5551234", "Handy 1701234567", "电话 13800138000"])
def test_a_word_before_a_number_says_that_it_is_a_telephone(text):
    assert [kind for _, kind in found(text)] == ["phone"]


@pytest.mark.parametrize(
    "text",
    [
        "order 12345678",
        "Order no. 0012345678",
        "SO-2024-001234",
        "Bestellung 4711-0815",
        "114-3941689-8772232",
        "tracking 1Z999AA10123456784",
        "9400 1000 0000 0000 0000 00",
        "JD014600003828394857",
        "Paket 00340434161094042557",
        "invoice 2026-000123",
        "2026-11-20T12:00:00Z",
        "2026-11-20 08 30",
        "01.12.2026 14:00",
        "12/05/2026",
        "1732147842",
        "1732147842000",
        "20261121083042",
        "EUR 1.234.567,89",
        "10.0.12.101 and 192.168.001.001",
        "550e8400-e29b-41d4-a716-446655440000",
        "ch_3MmlLrLkdIwHu7ix0snN0B15",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "ISBN 978-3-16-148410-0",
        "EAN 4006381333931",
        "version 10.12.2026.1234567",
        "@ana on 3 networks, 100 % @ 5 EUR",
        "see [email-4821] and (phone 1234)",
    ],
)
def test_orders_parcels_moments_and_amounts_stay(text):
    assert found(text) == []


def test_a_field_of_an_identifier_keeps_its_numbers_but_no_address():
    texts = [
        Text("4242424242424242", IDENTIFIER),
        Text("user:ana@example.com", IDENTIFIER),
        Text("4242424242424242", NUMBER),
    ]
    assert [[one.kind for one in spans] for spans in find_all(texts, ALL)] == [[], ["email"], ["card"]]


def test_a_field_of_a_kind_is_found_whatever_it_holds_and_wherever_it_is_repeated():
    spans = find_all(
        [Text("Hauptstr. 5, Berlin", "address"), Text("send it to Hauptstr. 5, Berlin!"), Text("Hauptstr. 55")], ALL
    )
    assert [[(one.start, one.end, one.kind) for one in each] for each in spans] == [
        [(0, 19, "address")],
        [(11, 30, "address")],
        [],
    ]


def test_only_what_is_wanted_is_found():
    spans = find_all([Text("ana@example.com 4242424242424242 +49 170 1234567")], Wanted(frozenset({"card"})))
    assert [one.kind for one in spans[0]] == ["card"]


def test_texts_do_not_run_into_each_other():
    texts = [Text("4242 4242"), Text("4242 4242"), Text("ana@"), Text("example.com")]
    assert not any(find_all(texts, ALL))


@pytest.mark.parametrize(
    ("template", "text", "value"),
    [
        ("KD-######", "customer KD-123456!", "KD-123456"),
        ("@@#{4,8}", "pol AB12345", "AB12345"),
        ("P/*{3}/#", "P/a1b/7", "P/a1b/7"),
        ("A.#", "AB1 A.1", "A.1"),
    ],
)
def test_an_installation_has_patterns_of_its_own(template, text, value):
    wanted = Wanted(frozenset({"own"}), {"own": own_pattern(template)})
    assert [text[one.start : one.end] for one in find(text, wanted)] == [value]


@pytest.mark.parametrize("template", ["KD", "#{0}", "#{9,2}", "#" * 101])
def test_a_pattern_that_makes_no_sense_is_refused(template):
    with pytest.raises(ValueError, match="the pattern"):
        own_pattern(template)


HOSTILE = {
    "digits": "1",
    "digits apart": "1 ",
    "groups": "4242 ",
    "groups of two": "00-",
    "signs": "@",
    "local parts": "a",
    "addresses without an end": "a@a.",
    "labels": "a@" + "a." * 50,
    "half addresses": "%40a.",
    "ibans": "DE89 ",
    "long ibans": "DE89" + "A" * 30,
    "fiscal codes": "RSSMRA85T10A562",
    "pluses": "+",
    "brackets": "((",
    "separators": "1" + "-" * 3,
    "zero widths": "4\u200b",
    "other digits": "٤",
    "words": "phone ",
    "placeholders": "[email-",
}


def _steps(text: str) -> int:
    """Lines of Python that a search takes: what a clock would say, without a clock."""
    count = 0

    def tracer(_frame, event, _arg):
        nonlocal count
        count += event == "line"
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        find(text, ALL)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE.keys())
def test_twice_the_text_takes_at_most_about_twice_the_work(piece):
    once, twice = _steps(piece * 200), _steps(piece * 400)
    assert twice <= 2.3 * once + 500


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_long_hostile_text_is_searched_to_its_end(piece):
    """A pattern that went back would not come back from these within a day."""
    text = (piece * (100_000 // len(piece) + 1))[:100_000] + " ana@example.com"
    assert found(text)[-1][1] in {"email", "phone", "card", "national_id", "iban"}


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="0123456789 -.@a+DE\x00[]", max_size=80))
def test_what_is_found_lies_in_order_and_apart(text):
    upto = 0
    for one in find(text, ALL):
        assert upto <= one.start < one.end <= len(text)
        upto = one.end

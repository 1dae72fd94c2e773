"""Placeholders: one for each value, the same everywhere, put back as they were, and nobody's if a stranger writes one."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.models.redaction.finding import KINDS, Wanted, find
from integrations.models.redaction.placeholders import Ledger, Taken, numbers_in

KEY = b"k" * 32
FINAL = frozenset({"card", "national_id", "secret"})
REVERSIBLE = Wanted(frozenset({"email", "phone", "iban"}))


def ledger(*texts: str, case: str = "case_1", key: bytes = KEY) -> Ledger:
    return Ledger(key, case, taken=Taken(texts), final=FINAL, kinds=KINDS)


def replaced(book: Ledger, text: str) -> str:
    pieces, upto = [], 0
    for one in find(text, REVERSIBLE):
        pieces += [text[upto : one.start], book.name(one.kind, text[one.start : one.end])]
        upto = one.end
    return "".join([*pieces, text[upto:]])


def test_a_value_has_one_placeholder_in_a_case_whoever_asks_and_in_whatever_order():
    one, other = ledger(), ledger()
    other.name("phone", "+49 170 1234567")

    name = one.name("email", "ana@example.com")

    assert re.fullmatch(r"\[email-\d{4}\]", name)
    assert other.name("email", "ana@example.com") == name == one.name("email", "ana@example.com")


def test_another_case_or_another_key_gives_another_number():
    names = {
        book.name("email", "ana@example.com")
        for book in (ledger(), ledger(case="case_2"), ledger(case="case_3"), ledger(key=b"other"))
    }
    assert len(names) >= 3


def test_two_spellings_are_told_to_be_one_value_and_put_back_each_as_it_was():
    book = ledger()
    small, large = book.name("email", "ana@example.com"), book.name("email", "Ana@Example.com")

    assert large == small.replace("]", "b]")
    assert book.back(f"{large} {small}")[0] == "Ana@Example.com ana@example.com"


def test_a_card_shows_its_end_and_is_never_put_back():
    book = ledger()
    name = book.name("card", "4242 4242 4242 4242")

    assert re.fullmatch(r"\[card-\d{4} ending 4242\]", name)
    assert book.name("card", "4242424242424242") == name
    assert book.back(f"We refunded your {name}.")[0] == "We refunded your card ending 4242."
    assert book.back(book.name("national_id", "078-05-1120"))[0] == "(national id withheld)"


@pytest.mark.parametrize(
    "written",
    [
        "{0}",
        "[EMAIL-{n}]",
        "[ email-{n} ]",
        "[email {n}]",
        "[email_{n}]",
        "[email \u2013 {n}]",
        "\\[email-{n}\\]",
        "email-{n}",
        "Email {n}",
        "[email-{n}",
        "email-{n}]",
        "\u3010email-{n}\u3011",
    ],
)
def test_a_placeholder_is_known_though_the_model_wrote_it_a_little_otherwise(written):
    book = ledger()
    name = book.name("email", "ana@example.com")

    assert book.back(written.format(name, n=name[7:11])) == ("ana@example.com", [])


def test_brackets_of_the_sentence_stay():
    book = ledger()
    number = book.name("email", "ana@example.com")[7:11]
    assert book.back(f"(see email-{number}) [a: email-{number}]")[0] == "(see ana@example.com) [a: ana@example.com]"


def test_what_the_model_makes_up_is_left_and_told():
    book = ledger()
    book.name("email", "ana@example.com")
    text, invented = book.back("Write to [email-1] or [phone-0000] or [email-12345678].")
    assert text == "Write to [email-1] or [phone-0000] or [email-12345678]."
    assert invented == ["[phone-0000]", "[email-12345678]"]


def test_a_stranger_who_writes_every_placeholder_gets_nobodys_data():
    """Whatever number stands in the texts is given to no value, so none of these can be turned into one."""
    strange = " ".join(f"[email-{number}]" for number in range(1000, 10000))
    book = ledger(strange)

    name = book.name("email", "ana@example.com")

    assert name not in strange
    assert book.back(strange) == (strange, [])
    assert book.back(name)[0] == "ana@example.com"


def test_to_put_back_twice_changes_nothing_more():
    text = "phone 4821, ana@example.com, +49 4821 123456, email-1234@example.com"
    book = ledger(text)
    once, _ = book.back(replaced(book, text))
    assert once == text == book.back(once)[0]


def test_ten_thousand_values_have_ten_thousand_placeholders():
    book = ledger()
    names = {book.name("email", f"a{n}@example.com") for n in range(10_000)}
    assert len(names) == 10_000
    assert all(book.back(name)[0].endswith("@example.com") for name in names)


PIECES = st.sampled_from(
    [
        "ana@example.com",
        "Ana@Example.com",
        "+49 170 1234567",
        "0049 170 1234567",
        "DE89 3704 0044 0532 0130 00",
        "de89370400440532013000",
        "[email-4821]",
        "email 1234",
        "[",
        "]",
        "\\",
        " ",
        "phone-",
        "card ending 4242",
        "b",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES | st.text(alphabet="[]{}\\ -bemailphone0123456789@.", max_size=12), max_size=14).map("".join))
def test_what_was_replaced_comes_back_as_it_was(text):
    book = ledger(text)
    assert book.back(replaced(book, text))[0] == text


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_comes_back_as_it_was(text):
    book = ledger(text)
    assert book.back(replaced(book, text))[0] == text


NEARLY = st.sampled_from(
    [
        "email",
        "EMAIL",
        "phone",
        "card",
        "national",
        "id",
        "secret",
        "\u017fecret",
        "address",
        " ",
        "-",
        "_",
        "#",
        "\n",
        "\t",
        "\u2011",
        "\u00a0",
        "[",
        "]",
        "\\",
        "b",
        "1000",
        "4821",
        "48211",
        "123",
        "123456789",
        "\u0664\u0668\u0662\u0661",
        "\u00fc",
    ]
)


@settings(max_examples=800, deadline=None)
@given(st.lists(NEARLY, max_size=10).map("".join), st.booleans())
def test_a_text_is_passed_over_only_if_nothing_in_it_would_be_put_back_or_told(text, ascii_only):
    book = ledger()
    book.name("email", "ana@example.com")
    written = json.dumps({"said": [text], text: 1}, ensure_ascii=ascii_only)

    if not book.may_stand_in(written):
        assert book.back(text) == (text, [])


def test_every_placeholder_that_was_given_out_is_seen_in_an_answer():
    book = ledger()
    for kind in KINDS:
        assert book.may_stand_in(json.dumps({"a": book.name(kind, f"some {kind} of hers")}))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(alphabet="0123456789 a\u0664", max_size=12), max_size=8), st.integers(1000, 99_999_999))
def test_a_number_is_taken_if_it_stands_anywhere(texts, number):
    expected = frozenset(n for text in texts for n in numbers_in(text)) | {4821}
    for asked in (number, *expected):
        assert (asked in Taken(texts, lambda: {4821})) == (asked in expected)
    assert Taken(texts, lambda: {4821}).more_than(len(expected) - 1)
    assert not Taken(texts, lambda: {4821}).more_than(len(expected))

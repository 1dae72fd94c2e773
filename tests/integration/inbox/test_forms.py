"""Forms made from argument schemas: types survive, nothing is rounded, and looking is never an edit."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from workers.actions.catalogue import CATALOGUE
from workers.inbox import amounts
from workers.inbox.forms import Control, fields, read

#: one believable set of arguments for each kind of the catalogue
ARGUMENTS: dict[str, dict[str, Any]] = {
    "refund_payment": {"charge_id": "ch_1", "amount_minor": 4000, "currency": "EUR", "reason": "damaged"},
    "reply_to_customer": {"body": "Hello Ana,\n\n  we are <on> it & “soon” done.\r\nBye\n"},
    "ask_customer": {"body": "\nWhich size?"},
    "escalate_ticket": {"team": "billing", "note": "Tried:\n- this\n- that"},
    "add_tags": {"tags": ["refund", "damaged_item"]},
    "close_ticket": {},
    "hold_charge": {
        "reason": "Four charges in eleven minutes, from a device that was first seen today, card from abroad"
    },
    "release_charge": {"reason": "known\ncustomer"},
    "file_case": {"summary": "What happened", "signals": [{"name": "velocity", "score": -30, "detail": "4 in 11 min"}]},
    "route_charge": {"team": "risk", "note": "Look"},
    "request_documents": {"to": "ana@example.com", "subject": "Papers", "body": "Please send a copy."},
    "create_post_draft": {
        "title": "Sleeping bags",
        "slug": "sleeping-bags",
        "keyword": "sleeping bag",
        "search_intent": "informational",
        "audience": "campers",
        "gap": "How bags age",
        "outline": ["Start with the coldest night", "  Fit  "],
        "questions": ["What is comfort temperature?"],
        "claims_to_check": [],
        "competitors": [
            {"rank": 1, "title": "All", "url": "https://a.example", "angle": "all", "headings": 31, "words": 5200}
        ],
        "internal_links": ["/help"],
        "word_range": "1,400 to 1,800",
        "call_to_action": "Compare",
        "meta_title": "Sleeping bags",
        "meta_description": "Warmth and fit",
        "sources_taken_at": "2026-11-19",
    },
}


EDITS: dict[Any, tuple[str, Any]] = {
    "currency": ("USD", "USD"),
    "slug": ("bags", "bags"),
    "to": ("ben@example.com", "ben@example.com"),
    "tags": ("a\r\n b \r\n\r\n", ["a", "b"]),
    "competitors": ("[]", []),
    "signals": ('[{"name": "x", "score": 5, "detail": "y"}]', [{"name": "x", "score": 5, "detail": "y"}]),
    Control.LINE: (" Another ", "Another"),
    Control.TEXT: ("Two\r\nlines", "Two\nlines"),
    Control.MONEY: ("1234.5", 123450),
    Control.LINES: ("one\r\ntwo", ["one", "two"]),
}


def as_sent(kind, arguments) -> dict[str, str]:
    """The form as a browser sends it back untouched: CRLF line ends."""
    return {"form": "draft"} | {
        f.key: f.text.replace("\r\n", "\n").replace("\n", "\r\n") for f in fields(kind, arguments)
    }


def test_every_kind_that_people_may_edit_has_an_example_here():
    assert ARGUMENTS.keys() == {name for name, kind in CATALOGUE.items() if not kind.fixed}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_untouched_form_is_no_edit(name):
    kind, arguments = CATALOGUE[name], ARGUMENTS[name]

    filled = read(kind, arguments, as_sent(kind, arguments))

    assert (filled.arguments, filled.edited, filled.problems) == (arguments, False, ())


@pytest.mark.parametrize("name", [name for name, arguments in ARGUMENTS.items() if arguments])
def test_each_field_can_be_edited_and_keeps_its_type(name):
    kind, arguments = CATALOGUE[name], ARGUMENTS[name]
    for field in fields(kind, arguments):
        changed = EDITS.get(field.name) or EDITS[field.control]
        sent = as_sent(kind, arguments) | {field.key: changed[0]}

        filled = read(kind, arguments, sent)

        assert filled.problems == ()
        assert filled.edited
        assert filled.arguments == {**arguments, field.name: changed[1]}
        assert kind.arguments.model_validate(filled.arguments)


@pytest.mark.parametrize(
    ("name", "field", "typed", "said"),
    [
        ("refund_payment", "amount_minor", "forty", "1234.50"),
        ("refund_payment", "amount_minor", "40.001", "2 decimals"),
        ("refund_payment", "amount_minor", "1,234.50", "1234.50"),
        ("refund_payment", "amount_minor", "1 000", "1234.50"),
        ("refund_payment", "amount_minor", "٤٠", "1234.50"),
        ("refund_payment", "amount_minor", "NaN", "1234.50"),
        ("refund_payment", "amount_minor", "1e3", "1234.50"),
        ("refund_payment", "amount_minor", "", "empty"),
        ("refund_payment", "amount_minor", "0", "greater than 0"),
        ("refund_payment", "amount_minor", "-5", "greater than 0"),
        ("refund_payment", "currency", "eur", "pattern"),
        ("refund_payment", "reason", "  ", "empty"),
        ("add_tags", "tags", "Not A Tag", "pattern"),
        ("add_tags", "tags", "", "at least 1"),
        ("file_case", "signals", "[{]", "JSON"),
        ("file_case", "signals", "[" * 100_000, "JSON"),
        ("file_case", "signals", '[{"name": "x", "score": 5.5, "detail": "y"}]', "score"),
        ("file_case", "signals", '[{"name": "x", "score": 5, "detail": "y", "more": 1}]', "more"),
        ("request_documents", "to", "nobody", "pattern"),
        ("reply_to_customer", "body", "x" * 10_001, "10000"),
    ],
)
def test_what_does_not_fit_is_said_at_its_field(name, field, typed, said):
    kind, arguments = CATALOGUE[name], ARGUMENTS[name]

    filled = read(kind, arguments, as_sent(kind, arguments) | {f"arg.{field}": typed})

    wrong = {f.name: f.error for f in filled.fields if f.error}
    assert filled.arguments is None
    assert list(wrong) == [field]
    assert said in wrong[field]
    assert next(f for f in filled.fields if f.name == field).text == typed


def test_another_currency_makes_the_same_digits_another_amount():
    kind, arguments = CATALOGUE["refund_payment"], ARGUMENTS["refund_payment"]

    in_yen = read(kind, arguments, as_sent(kind, arguments) | {"arg.currency": "JPY", "arg.amount_minor": "40"})
    refused = read(kind, arguments, as_sent(kind, arguments) | {"arg.currency": "JPY"})

    assert in_yen.arguments["amount_minor"] == 40
    assert "no decimals" in refused.problems[0]


def test_fields_that_a_form_does_not_send_stay_as_they_are():
    filled = read(CATALOGUE["refund_payment"], ARGUMENTS["refund_payment"], {"arg.reason": "torn", "arg.extra": "x"})

    assert filled.arguments == {**ARGUMENTS["refund_payment"], "reason": "torn"}


def test_a_draft_that_no_longer_fits_its_schema_can_still_be_looked_at():
    outdated = {"charge_id": "ch_1", "amount_minor": 4000, "currency": "EUR", "reason": "x", "gone": True}
    kind = CATALOGUE["refund_payment"]

    assert read(kind, outdated, as_sent(kind, outdated)).arguments == outdated
    assert "gone" in str(read(kind, outdated, as_sent(kind, outdated) | {"arg.reason": "y"}).problems).lower()


@given(
    minor=st.integers(-(10**14), 10**14), currency=st.sampled_from(["EUR", "USD", "JPY", "KWD", "CLF", "ISK", "XTS"])
)
def test_money_survives_being_written_and_read(minor, currency):
    assert amounts.read(amounts.written(minor, currency), currency) == minor


@given(
    whole=st.integers(0, 10**12),
    rest=st.text("0123456789", min_size=1, max_size=2),
    mark=st.sampled_from(".,"),
    currency=st.sampled_from(["EUR", "GBP"]),
)
def test_typed_money_is_exact_with_either_mark(whole, rest, mark, currency):
    assert amounts.read(f" {whole}{mark}{rest} ", currency) == whole * 100 + int(rest.ljust(2, "0"))


@given(text=st.text(max_size=40))
def test_whatever_is_typed_is_an_amount_or_refused_with_a_reason(text):
    if re.fullmatch(r"-?[0-9]{1,15}([.,][0-9]{1,2})?", text.strip()):
        minor = amounts.read(text, "EUR")
        assert amounts.read(amounts.written(minor, "EUR"), "EUR") == minor
    else:
        with pytest.raises(amounts.UnclearAmount, match=r"1234\.50"):
            amounts.read(text, "EUR")


@given(body=st.text(min_size=1, max_size=300))
def test_any_text_comes_back_from_a_page_as_it_was(body):
    """Through a real parser, as browsers do: entities, line ends, the lost first line end."""
    kind = CATALOGUE["reply_to_customer"]
    [field] = fields(kind, {"body": body})

    filled = read(kind, {"body": body}, {field.key: _through_a_page(field.text)})

    assert filled.arguments == {"body": body}
    assert not filled.edited


class Reader(HTMLParser):
    got = ""

    def handle_data(self, data):
        self.got += data


def _through_a_page(text: str) -> str:
    reader = Reader()
    page = f"<textarea>\n{escape(text)}</textarea>".replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    reader.feed(page)
    reader.close()
    return reader.got.removeprefix("\n").replace("\n", "\r\n")

"""What the local model reads of an event: the sender's own words, and one line for people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.models.reading import LONGEST_SUMMARY, summary, whole_text, without_quotes


def test_an_alert_reads_as_its_text_and_the_rules_that_fired():
    event = {
        "title": "Charge flagged",
        "text": "Three cards on one device.",
        "rules": ["device_many_cards", "velocity"],
    }

    assert whole_text(event) == "Charge flagged\nThree cards on one device.\nRules: device_many_cards, velocity"


def test_what_is_missing_is_not_read_as_words():
    assert whole_text({"title": None, "text": "Hi", "rules": None}) == "Hi"
    assert whole_text({}) == ""


@pytest.mark.parametrize(
    "quoted",
    [
        "On Mon, 2 Nov 2026 at 10:00, Shop <help@shop.example> wrote:\n> We refunded you.",
        "Am 2.11.2026 um 10:00 schrieb Shop:\n> Wir haben erstattet.",
        "Le 2 nov. 2026 à 10:00, Shop a écrit :\n> Remboursé.",
        "-----Original Message-----\nFrom: Shop\nWe refunded you.",
        "From: Shop <help@shop.example>\nSent: Monday\nTo: Ana\n\nWe refunded you.",
        "> We refunded you.\n> Really.",
    ],
)
def test_the_mail_that_is_answered_is_not_the_answer(quoted):
    assert without_quotes(f"Still nothing here.\n\n{quoted}") == "Still nothing here."


def test_a_text_of_nothing_but_quotes_stays_whole():
    assert without_quotes("> only this") == "> only this"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Hello,\nthe lid is cracked. I want a new one.", "the lid is cracked."),
        ("Hi! Where is my order?", "Where is my order?"),
        ("Hello, the lid is cracked. Order 1042.", "Hello, the lid is cracked."),
        ("Guten Tag,\n\nwo ist mein Paket?", "wo ist mein Paket?"),
        ("Sehr geehrte Damen und Herren,\nmein Zelt ist undicht.", "mein Zelt ist undicht."),
        ("hi where is my parcel", "hi where is my parcel"),
        ("...\n", "The title"),
        ("", "The title"),
        ("Hello there", "The title"),
    ],
)
def test_the_summary_is_the_first_sentence_that_says_something(text, line):
    assert summary({"title": "The  title", "text": text}) == line


@given(st.text(max_size=400), st.text(max_size=50))
def test_a_summary_is_one_short_line_whatever_the_text(text, title):
    line = summary({"title": title, "text": text})

    assert len(line) <= LONGEST_SUMMARY
    assert line == " ".join(line.split())


def test_a_hostile_text_takes_no_longer_than_a_long_one():
    assert without_quotes("On " * 5_000 + "wrote") != ""
    assert without_quotes("From: " * 5_000) != ""

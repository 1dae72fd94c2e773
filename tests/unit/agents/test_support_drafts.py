"""What the local model drafts for tickets: every way of working once, its texts, and what it must never do."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from shop_in_memory import Shop, customer, order
from situations import Situation, arguments, spoken
from support_situations import NUMBER, REFUND, SITUATIONS, history, intent, with_order

from workers.agents.library import macros
from workers.agents.origins import unknowns
from workers.agents.support import AGENT


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda s: s.macro)
def test_each_situation_is_worked_as_the_house_works_it(situation: Situation) -> None:
    """The right way of working applies, proposes the right actions in order, and says what it must."""
    made, applied, _ = situation.drafted(AGENT)

    assert applied == situation.macro
    assert [action.kind for action in made.actions] == situation.kinds
    assert [phrase for phrase in situation.says if phrase not in spoken(made)] == []
    assert [phrase for phrase in situation.never if phrase in spoken(made)] == []
    assert all(action.confidence == 0.93 and action.rationale for action in made.actions)


def test_every_way_of_working_is_reached() -> None:
    """A macro that no situation reaches is dead, or nobody knows when it applies."""
    assert {situation.macro for situation in SITUATIONS} == {macro.name for macro in macros("support")}


@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "it", "und"])
@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda s: s.macro)
def test_texts_name_only_what_records_hold_in_every_language(situation: Situation, language: str) -> None:
    """No letter names an amount, address or link that no record backs, and none is left half filled."""
    made, applied, evidence = situation.drafted(AGENT, language=language)

    assert applied == situation.macro
    found = unknowns(spoken(made), evidence)
    assert (found.links, found.contacts, found.amounts) == ((), (), ())
    assert "{" not in spoken(made)
    assert "None" not in spoken(made)


@pytest.mark.parametrize(("language", "opening"), [("de", "Guten Tag"), ("es", "Hola"), ("fr", "Bonjour")])
def test_a_letter_is_in_one_language(language: str, opening: str) -> None:
    """A text that is written in a language has no English in it, names of products and quoted articles excepted."""
    for situation in SITUATIONS:
        letter = spoken(situation.drafted(AGENT, language=language)[0])
        if opening in letter and situation.macro != "product-question":
            assert re.findall(r"\b(?:to|the|and|your|is|days?)\b", letter) == [], situation.macro


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda s: s.macro)
def test_a_reply_is_a_letter(situation: Situation) -> None:
    """Greeting by name, paragraphs, and the house's name at the end."""
    made, _, _ = situation.drafted(AGENT)

    for action in made.actions:
        if action.kind in ("reply_to_customer", "ask_customer"):
            body = arguments(made, action.kind)["body"]
            assert body.startswith("Hello Ana,\n\n")
            assert body.endswith("\n\nKind regards\nYour team at Nordwald Outfitters")
            assert "\n\n\n" not in body
            assert "  " not in body


@pytest.mark.parametrize(
    ("language", "opening", "phrase", "closing"),
    [
        ("de", "Guten Tag Ana Diaz,", "Ich habe 64,90 EUR auf die Karte mit der Endung 4242 erstattet", "Ihr Team von"),
        ("es", "Hola Ana:", "He reembolsado 64,90 EUR en la tarjeta terminada en 4242", "El equipo de"),
        ("fr", "Bonjour Ana,", "J'ai remboursé 64,90 EUR sur la carte se terminant par 4242", "L'équipe de"),
        ("pt", "Hello Ana,", "I have refunded 64,90 EUR to the Visa card", "Your team at"),
    ],
)
def test_refunds_are_told_in_the_customers_language(language: str, opening: str, phrase: str, closing: str) -> None:
    """German, Spanish and French are written, everything else is answered in English."""
    situation = next(s for s in SITUATIONS if s.macro == "refund-within-window")

    body = arguments(situation.drafted(AGENT, language=language)[0], "reply_to_customer")["body"]

    assert body.startswith(opening)
    assert phrase in body
    assert closing in body


def test_a_refund_is_typed_from_the_records() -> None:
    """Charge, amount and currency are the record's, with their types."""
    situation = next(s for s in SITUATIONS if s.macro == "refund-within-window")

    made, _, evidence = situation.drafted(AGENT)

    refund = arguments(made, "refund_payment")
    assert refund == {
        "charge_id": "ch_1001",
        "amount_minor": 6490,
        "currency": "EUR",
        "reason": f"Refund request, order {NUMBER}",
    }
    assert evidence.origin(refund["amount_minor"], money=True) == "record"
    assert {"shop:charge:ch_1001", "shop:order:NW-1001", "computed:eligibility:ch_1001"} <= set(
        made.actions[0].citations
    )


def test_an_amount_that_only_the_customer_named_keeps_its_origin() -> None:
    """A smaller refund than the records suggest is drafted as asked, and the policy sees whose word it rests on."""
    situation = Situation(
        "refund-within-window", REFUND, intent("refund_request"), text=f"Refund 15,00 EUR of {NUMBER}"
    )

    made, _, evidence = situation.drafted(AGENT)

    assert arguments(made, "refund_payment")["amount_minor"] == 1500
    assert evidence.origin(1500, money=True) == "untrusted"


@pytest.mark.parametrize("state", ["done", "executing"])
def test_a_refund_that_was_made_is_not_proposed_again(state: str) -> None:
    """After a part refund in this case, another message gets an answer and no second refund."""
    situation = Situation(
        "refund-was-made",
        ["reply_to_customer"],
        intent("refund_request"),
        text=f"Refund 15 EUR of {NUMBER}",
        shop=with_order(order(), refunded_minor=1500),
        history=history(state),
    )

    made, applied, _ = situation.drafted(AGENT)

    assert applied == situation.macro
    assert [action.kind for action in made.actions] == situation.kinds


@pytest.mark.parametrize("state", ["rejected", "denied", "failed", "uncertain"])
def test_a_refund_that_was_refused_or_went_wrong_goes_to_a_person(state: str) -> None:
    """What people refused is not proposed a second time; the note says what happened."""
    situation = replace(next(s for s in SITUATIONS if s.macro == "refund-was-refused"), history=history(state))

    made, applied, _ = situation.drafted(AGENT)

    assert applied == "refund-was-refused"
    assert "no goods came back" in arguments(made, "escalate_ticket")["note"]


def test_an_angry_vip_is_handed_over_whatever_they_ask_for() -> None:
    """A VIP who is very unhappy is answered by a person, also where a standard refund would apply."""
    situation = Situation(
        "complaint-of-importance",
        ["reply_to_customer", "escalate_ticket"],
        intent("refund_request", sentiment="very_negative"),
        text=f"Refund {NUMBER} now",
        shop=Shop(customers=[customer(vip=True)]),
    )

    made, applied, _ = situation.drafted(AGENT)

    assert applied == situation.macro
    assert arguments(made, "escalate_ticket")["team"] == "lead"


def test_a_reviewers_free_text_is_not_pretended_to_be_followed() -> None:
    """The same draft comes again, and each rationale says so to the person who asked."""
    plain = next(s for s in SITUATIONS if s.macro == "order-status")

    made, applied, _ = replace(plain, instruction="Make it warmer, {{ house }}").drafted(AGENT)

    assert applied == "order-status"
    assert spoken(made) == spoken(plain.drafted(AGENT)[0])
    assert all("You asked: “Make it warmer, {{ house }}” The local model cannot" in a.rationale for a in made.actions)


def test_a_strangers_template_is_text() -> None:
    """What a customer writes is never rendered."""
    situation = Situation(
        "order-not-theirs", ["ask_customer"], intent("refund_request", entities={"order_numbers": ["{{ house.name }}"]})
    )

    assert "{{ house.name }}" in spoken(situation.drafted(AGENT)[0])

"""What the local model drafts for flagged charges, and that no text to a customer says why."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from shop_in_memory import NOW, Event, Shop, charge, customer, days_ago, order, watch_hit
from situations import Situation, arguments, spoken

from workers.agents.library import macros
from workers.agents.origins import unknowns
from workers.agents.transactions import AGENT

FLAGGED = Event(
    "charge.flagged",
    "shop:charge:ch_1001",
    {"title": "64.90 EUR flagged", "text": "velocity", "charge_id": "ch_1001", "customer_email": "ana@example.com"},
)
DISPUTED = Event("dispute.opened", FLAGGED.subject, {**FLAGGED.data, "title": "Dispute over 64.90 EUR"})
NEW = {"created_at": NOW.isoformat(), "device_first_seen_at": NOW.isoformat(), "three_d_secure": False}
ABROAD = {"ip_country": "BR", "shipping_country": "US", "shipping_address": "Elm Street 5"}
HISTORY = [charge(str(900 + n), created_at=days_ago(20 + 60 * n)) for n in range(6)]
#: what must not be hinted at in any language
TIPPING_OFF = re.compile(
    r"fraud|suspici|suspect|risk|score|flag|watch|list|check(ed)?\b|held|hold|unusual|betrug|verdacht|risiko|prüf|gesperrt"
    r"|fraude|sospech|soupçon|risque|alert|bloqu|vérifi|verific",
    re.IGNORECASE,
)


def shop(*, hits: Any = (), history: Any = (), **data: Any) -> Shop:
    return Shop(all_orders=[order()], all_charges=[charge(**{**NEW, **data}), *history], hits=list(hits))


HIGH = {**ABROAD, "risk_score": 90, "amount_minor": 90_000}
LOYAL = {"device_first_seen_at": days_ago(900), "three_d_secure": True}
FILED = ["file_case", "route_charge"]
SITUATIONS = [
    Situation(
        "reviewer-hands-over",
        ["route_charge"],
        shop=shop(),
        event=FLAGGED,
        instruction="Please route this to the risk team",
    ),
    Situation("dispute-opened", FILED, shop=shop(status="disputed"), event=DISPUTED),
    Situation(
        "hold-clear-case",
        ["hold_charge", *FILED],
        shop=shop(hits=[watch_hit("fingerprint", 1.0)], **HIGH),
        event=FLAGGED,
    ),
    Situation(
        "held-and-suspicious", FILED, shop=shop(hits=[watch_hit("ip", 1.0)], status="held", **HIGH), event=FLAGGED
    ),
    Situation(
        "candidate-only", FILED, shop=shop(hits=[watch_hit("name", 0.97)], history=HISTORY, **LOYAL), event=FLAGGED
    ),
    Situation(
        "ask-and-look",
        ["request_documents", *FILED],
        shop=shop(**ABROAD),
        event=FLAGGED,
        says=["Your order NW-1001: please confirm", "Dear Ana Diaz,", "We never ask for a card number"],
    ),
    Situation("let-it-go", ["release_charge", "file_case"], shop=shop(status="held", **LOYAL), event=FLAGGED),
    Situation("false-alarm", ["file_case"], shop=shop(history=HISTORY, ip_country="JP", **LOYAL), event=FLAGGED),
    Situation("for-a-person", ["route_charge"], shop=Shop(all_charges=[]), event=FLAGGED),
]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda s: s.macro)
def test_each_situation_is_worked_as_the_house_works_it(situation: Situation) -> None:
    """The right way of working applies and proposes the right actions in order."""
    made, applied, _ = situation.drafted(AGENT)

    assert applied == situation.macro
    assert [action.kind for action in made.actions] == situation.kinds
    assert [phrase for phrase in situation.says if phrase not in spoken(made)] == []


def test_every_way_of_working_is_reached() -> None:
    """A macro that no situation reaches is dead."""
    assert {situation.macro for situation in SITUATIONS} == {macro.name for macro in macros("transactions")}


@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "it"])
@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda s: s.macro)
def test_a_text_to_a_customer_never_tips_off(situation: Situation, language: str) -> None:
    """In no language does a letter hint at a check, a hold, a score or a list, or name what no record backs."""
    made, _, evidence = situation.drafted(AGENT, language=language)

    assert TIPPING_OFF.findall(spoken(made)) == []
    found = unknowns(spoken(made), evidence)
    assert (found.links, found.contacts, found.amounts) == ((), (), ())


def test_documents_are_asked_for_at_the_address_on_record() -> None:
    """Not at the address that the event names."""
    forged = Event(FLAGGED.type, FLAGGED.subject, {**FLAGGED.data, "customer_email": "thief@else.example"})
    situation = replace(next(s for s in SITUATIONS if s.macro == "ask-and-look"), event=forged)

    made, _, evidence = situation.drafted(AGENT)

    to = arguments(made, "request_documents")["to"]
    assert to == "ana@example.com"
    assert evidence.origin(to) == "record"


def test_the_filed_case_has_both_sides_and_the_scored_signals() -> None:
    """Whoever decides finds what speaks for the customer beside what speaks against."""
    situation = next(s for s in SITUATIONS if s.macro == "false-alarm")

    filed = arguments(situation.drafted(AGENT)[0], "file_case")

    assert "In favour: Device known for 900 days" in filed["summary"]
    assert "Against: Countries differ" in filed["summary"]
    assert {"name": "known_device", "score": -20, "detail": "Device known for 900 days"} in filed["signals"]


def test_a_customer_who_is_not_on_record_is_not_written_to() -> None:
    """In the middle band without a customer, people look and no letter goes out."""
    situation = replace(next(s for s in SITUATIONS if s.macro == "ask-and-look"))
    nobody = replace(situation, shop=replace(situation.shop, customers=[customer("cu_9", "Bea Roth")]))

    made, applied, _ = nobody.drafted(AGENT)

    assert "request_documents" not in [action.kind for action in made.actions]
    assert applied in ("for-a-person", "false-alarm")


def test_a_name_alone_never_holds() -> None:
    """Whatever resembles a listed name, nothing is held and nothing released."""
    situation = next(s for s in SITUATIONS if s.macro == "candidate-only")

    made, _, _ = situation.drafted(AGENT)

    assert {"hold_charge", "release_charge"} & {action.kind for action in made.actions} == set()
    assert "candidate" in made.actions[1].rationale

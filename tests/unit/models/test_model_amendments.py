"""Habits are applied to what a macro proposes, told in the rationale, and change nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from integrations.models import macros
from integrations.models.amendments import MATERIAL, Amendment
from integrations.models.base import Macro, Material

REFUND = {
    "kind": "refund_payment",
    "arguments": {"amount_minor": "$charge.amount_minor", "currency": "EUR"},
    "rationale": "Due.",
}
REPLY = {
    "kind": "reply",
    "arguments": {"body": "You get {{ charge.amount_minor|money('EUR') }}.\nKind regards"},
    "rationale": "So.",
}
GIVE = Macro("give", "true", (), "Give it back.", (REFUND, REPLY))
ASK = Macro("ask", "true", (), "Ask.", ({"kind": "ask", "arguments": {"body": "Which one?"}, "rationale": "Unclear."},))
HALF = Amendment("give", "refund_payment", "scale", "amount_minor", "", [1, 2], 12, 12)
WARM = Amendment("give", "reply", "line", "body", ["Kind regards"], ["Warm regards", "Ana"], 9, 10)


def draft(*habits: Amendment, trusted: bool = True, tier: str = "gold", language: str = "en") -> dict[str, Any]:
    material = (
        Material("triage", "triage", trusted=False, data={"intent": "refund", "language": language}),
        Material("customer", "customer", trusted=True, data={"tier": tier}),
        Material("charge", "charge", trusted=True, data={"amount_minor": 4000}),
        Material(MATERIAL, MATERIAL, trusted=trusted, data=[habit.as_data() for habit in habits]),
    )
    made = macros.draft((GIVE, ASK), material)
    assert made is not None
    return made


def test_an_amount_is_lowered_and_the_letter_says_the_new_one():
    refund, reply = draft(HALF)["actions"]

    assert refund["arguments"] == {"amount_minor": 2000, "currency": "EUR"}
    assert reply["arguments"]["body"].startswith("You get 20.00 EUR.")
    assert "12 of 12 times" in refund["rationale"]


def test_the_letter_says_it_in_its_own_language():
    assert draft(HALF, language="de")["actions"][1]["arguments"]["body"].startswith("You get 20,00 EUR.")


@pytest.mark.parametrize("share", [[2, 1], [3, 2], [1000, 1]])
def test_an_amount_is_never_raised(share):
    assert draft(replace(HALF, after=share))["actions"][0]["arguments"]["amount_minor"] == 4000


def test_a_line_is_reworded_where_it_stands():
    assert draft(WARM)["actions"][1]["arguments"]["body"] == "You get 40.00 EUR.\nWarm regards\nAna"


def test_a_line_is_added_after_the_one_that_it_followed():
    added = replace(WARM, before=[], after=["See you soon."], follows="You get 40.00 EUR.")

    assert draft(added)["actions"][1]["arguments"]["body"] == "You get 40.00 EUR.\nSee you soon.\nKind regards"


def test_a_line_that_is_not_there_changes_nothing_and_claims_nothing():
    assert draft(replace(WARM, before=["Yours"])) == draft()


def test_what_people_never_want_is_left():
    kinds = [action["kind"] for action in draft(Amendment("give", "reply", "drop", "", "", "", 9, 9))["actions"]]

    assert kinds == ["refund_payment"]


def test_a_way_that_people_refuse_gives_way_to_the_next_and_says_so():
    made = draft(Amendment("give", "refund_payment", "set_aside", "", "", "", 9, 9))

    assert [action["kind"] for action in made["actions"]] == ["ask"]
    assert "rejected its “refund payment” 9 of 9 times" in made["summary"]


def test_where_every_way_is_refused_a_person_is_asked():
    made = draft(*(Amendment(m, k, "set_aside", "", "", "", 9, 9) for m, k in (("give", "reply"), ("ask", "ask"))))

    assert made["actions"] == []
    assert made["unsure"]


def test_a_habit_of_one_situation_leaves_the_others_alone():
    gold = replace(HALF, when=(("tier", "gold"),))

    assert draft(gold)["actions"][0]["arguments"]["amount_minor"] == 2000
    assert draft(gold, tier="standard") == draft(tier="standard")


def test_habits_that_an_outsider_wrote_are_none():
    """Only material that the house vouches for is followed, whatever its name."""
    assert draft(HALF, trusted=False) == draft()


def test_the_standard_answer_is_known_without_its_habits():
    name, actions = macros.standard(
        (GIVE, ASK),
        (
            Material("c", "charge", trusted=True, data={"amount_minor": 4000}),
            Material(MATERIAL, MATERIAL, trusted=True, data=[HALF.as_data()]),
        ),
    ) or ("", [])

    assert name == "give"
    assert actions[0]["arguments"]["amount_minor"] == 4000

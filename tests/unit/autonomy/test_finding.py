"""The widest condition that people's decisions bear out is found, and nothing that they do not bear out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from autonomy_history import CLOSE, FACTS, POLICY, decided, found, good

from policies import record
from workers.actions.catalogue import CATALOGUE
from workers.autonomy import conditions
from workers.autonomy.contradictions import contradicting
from workers.autonomy.finding import Finding, Lacking, never


def test_318_of_320_are_told_with_their_bounds():
    history = good()
    history[10] = replace(history[10], verdict="rejected")
    history[200] = replace(history[200], verdict="edited")

    made = found(history)

    assert isinstance(made, Finding)
    assert (made.evidence.agreed, made.evidence.seen) == (318, 320)
    assert round(made.evidence.bound, 3) == 0.980
    assert 0.95 < made.evidence.lasting < made.evidence.bound
    assert (made.evidence.edited, made.evidence.rejected) == (1, 1)
    assert made.in_the_way == ["support/close-unsettled"]
    assert made.asked == ["support"]
    assert made.condition.parts == ()


def test_where_only_verified_customers_are_safe_the_condition_says_so():
    others = [
        decided(number, "approved" if number % 2 else "rejected", customer_verified=False) for number in range(80, 200)
    ]

    made = found(sorted([*good(), *others], key=lambda one: one.decided_at))

    assert isinstance(made, Finding)
    assert made.condition.words == "of verified customers"
    assert made.evidence.seen == 320


def test_what_was_approved_and_then_failed_or_was_undone_was_no_yes():
    history = [replace(one, fate="reversed" if place % 10 == 0 else "done") for place, one in enumerate(good())]

    made = found(history)

    assert isinstance(made, Lacking)
    assert (made.agreed, made.seen) == (288, 320)


def test_what_a_person_stopped_before_it_went_out_was_no_yes_and_is_told_as_rejected():
    history = [replace(one, fate="stopped") if place == 10 else one for place, one in enumerate(good())]

    made = found(history)

    assert isinstance(made, Finding)
    assert (made.evidence.agreed, made.evidence.seen, made.evidence.rejected) == (319, 320, 1)


def test_what_was_approved_and_not_carried_out_proves_nothing():
    history = [replace(one, fate="" if place % 2 else "done") for place, one in enumerate(good())]

    made = found(history)

    assert isinstance(made, Finding)
    assert (made.evidence.agreed, made.evidence.seen) == (160, 160)


@pytest.mark.parametrize(
    ("history", "why"),
    [
        (good(99), "99 decisions of 100"),
        (good(110), "relied on to"),
        (good(person="person_1"), "one person"),
        (good(customer="ana@example.com"), "1 customers"),
        (good(age=40), "newest decision"),
        ([*good(300, age=200), *(decided(n, age=1) for n in range(20))], "20 of 320 decisions are of the last 90 days"),
        ([*good(800), *(decided(n, "rejected", age=0) for n in range(9))], "lately more was refused"),
        (good(risk_flags=["press"]), "too few"),
        (good(untrusted_arguments=["tags"]), "too few"),
        (good(abstained=True), "too few"),
    ],
)
def test_what_is_missing_is_said(history, why):
    made = found(history)

    assert isinstance(made, Lacking)
    assert why in made.why


def test_a_condition_reaches_no_further_than_what_was_seen():
    """Of the facts that the rule in the way looks at, only values that people decided about are let through."""
    history = [
        replace(one, facts={**one.facts, "sentiment": "negative" if place % 3 else "neutral"})
        for place, one in enumerate(good())
    ]
    history[7] = replace(history[7], facts={**history[7].facts, "sentiment": "furious"})

    made = found(history)

    written = [part.cel for part in made.parts]
    assert 'sentiment in ["negative", "neutral"]' in written
    assert "triage_confidence >= 0.91" in written
    assert "draft_confidence >= 0.9" in written
    assert made.evidence.seen == 319, "one of a kind proves nothing of its kind"


def test_what_runs_by_itself_already_is_no_evidence():
    made = found(good(asks_for_something=False))

    assert isinstance(made, Lacking)
    assert made.seen == 0


def test_what_the_platform_has_people_look_at_stays_theirs():
    history = good(text_has_others_data=False, missing_context=[], has_amount=True, amount_minor=0, currency="EUR")

    assert isinstance(found(history), Lacking), "the platform denies an amount of nothing"


@pytest.mark.parametrize(
    ("domain", "kind", "why"),
    [
        ("support", "refund_payment", "high risk"),
        ("transactions", "release_charge", "never runs by itself"),
        ("policy", "change_policy", "never runs by itself"),
    ],
)
def test_some_kinds_are_never_proposed(domain, kind, why):
    assert why in never(POLICY, domain, CATALOGUE[kind])
    assert never(POLICY, "support", CLOSE) == ""


def test_how_many_conditions_are_tried_does_not_depend_on_what_was_decided():
    for money in (False, True):
        situations = [
            conditions_of(intent=f"i{number}", currency=("EUR", "USD", "CHF")[number % 3]) for number in range(9)
        ]
        assert len(conditions.candidates(situations, money=money)) == conditions.tried(money=money)


def conditions_of(**facts):
    return record.facts_from_json({**FACTS, **facts})


def test_what_undoes_a_kind_contradicts_it():
    assert contradicting("hold_charge") == {"release_charge"}
    assert contradicting("close_ticket") == {"reply_to_customer", "ask_customer", "escalate_ticket"}
    assert contradicting("add_tags") == set()


@pytest.mark.parametrize(("currency", "written"), [("EUR", "25.00 EUR"), ("JPY", "2,500 JPY"), ("KWD", "2.500 KWD")])
def test_a_band_of_money_is_written_with_the_decimals_of_its_currency(currency, written):
    """Its number in the rule is in minor units, and people decide by these words."""
    seen = record.facts_from_json({**FACTS, "currency": currency})
    described = [part.words for each in conditions.candidates([seen], money=True) for part in each.parts]

    assert f"of at most {written}" in described

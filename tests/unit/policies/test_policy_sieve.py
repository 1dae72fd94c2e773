"""What is tried before the engine never differs from it: a rule that is sifted out is one that the engine says False of."""

from __future__ import annotations

import pytest
from policy_making import AT, bundle, policy, raw, rule
from test_policy_two_engines import conditions, inputs

from policies import engine, loader, sieve
from policies.cel import Environment
from policies.types import Facts

GOOGLE = Environment(Facts, "google")

CHAINS = (
    "customer_vip && 1 / (case_events - 1) > 0", "1 / (case_events - 1) > 0 && !customer_vip", "amount_minor == 2500 && true",
    "amount_minor != 2500 && abstained", "2500 < amount_minor && amount_minor <= 20000 && 3 != case_events",
    "triage_confidence >= 0.8 && 0.9 > draft_confidence", "triage_confidence < 0.8 && triage_confidence != 0.5",
    'currency != "EUR" && "x" == intent', 'currency in ["EUR", ""] && "x" in risk_flags', "(abstained || customer_vip) && reversible",
    "customer_vip || abstained", '!abstained || amount_minor > 2500 || currency == "EUR"', "size(risk_flags) > 0", "risk_flags.size() == 0",
    "2 <= size(risk_flags) && abstained", '!(currency in ["EUR", "USD"])', 'risk_flags.exists(f, f.startsWith("legal"))',
    "risk_flags.exists(f, f == currency) || abstained", "customer_vip && (size(signals) < 2 || triage_confidence < 0.8)",
    "amount_minor > 9223372036854775806 && reversible", "amount_minor >= -9223372036854775807 && !reversible",
)  # fmt: skip


def test_of_a_thousand_inputs_none_is_sifted_out_that_the_engine_does_not_say_false_of() -> None:
    programs = [GOOGLE.compile(text) for text in (*conditions(), *CHAINS, *PAIRED)]
    sieves = [(program, sieve.parts(program.tree), sieve.pairs(program.tree)) for program in programs]
    sifted = 0
    for values in inputs(11, 1_000):
        bound = GOOGLE.bind(values)
        for program, parts, pairs in sieves:
            if any(all(test(values[name]) is False for name, test in part) for part in parts) or any(
                test(values[one], values[other]) is False for one, test, other in pairs
            ):
                sifted += 1
                assert program.evaluate(bound) is False
    assert sifted > 20_000, "else the sieve would be for nothing"


@pytest.mark.parametrize("condition", CHAINS)
def test_every_kind_of_part_is_tried(condition: str) -> None:
    assert sieve.parts(GOOGLE.compile(condition).tree)


PAIRS = (
    "amount_minor > charge_amount_minor", "amount_minor <= charge_refundable_minor", "case_events < case_round",
    "case_events >= amount_minor", "currency != charge_currency", "source == currency", "triage_confidence > draft_confidence",
    "triage_confidence == draft_confidence", "draft_confidence != triage_confidence",
)  # fmt: skip
PAIRED = (
    *PAIRS,
    "1 / (case_events - 1) > 0 && amount_minor <= charge_refundable_minor",
    "currency != charge_currency && abstained",
)


@pytest.mark.parametrize("condition", PAIRED)
def test_two_facts_that_are_compared_are_tried(condition: str) -> None:
    assert sieve.pairs(GOOGLE.compile(condition).tree)


def test_two_facts_compare_as_they_do_for_the_engine() -> None:
    programs = [GOOGLE.compile(text) for text in PAIRS]
    said = {False: 0, True: 0}
    for values in inputs(13, 500):
        bound = GOOGLE.bind(values)
        for program in programs:
            ((one, test, other),) = sieve.pairs(program.tree)
            compared = test(values[one], values[other])
            assert program.evaluate(bound) is compared
            said[compared] += 1
    assert min(said.values()) > 200


@pytest.mark.parametrize(
    "condition",
    [
        "currency < charge_currency",
        "customer_vip == abstained || reversible",
        "!(amount_minor > charge_amount_minor)",
        "amount_minor > charge_amount_minor || abstained",
        "amount_minor + 1 > charge_amount_minor",
        "size(risk_flags) > size(signals)",
    ],
)
def test_other_comparisons_of_facts_are_left_to_the_engine(condition: str) -> None:
    values = next(iter(inputs(14, 1)))

    assert not any(
        test(values[one], values[other]) is False for one, test, other in sieve.pairs(GOOGLE.compile(condition).tree)
    )


@pytest.mark.parametrize(
    "condition",
    [
        "true",
        "amount_minor > charge_amount_minor || abstained",
        "1 / amount_minor > 0 || abstained",
        'risk_flags.all(f, f != "x")',
        'risk_flags.exists_one(f, f == "x")',
        '!(risk_flags.exists(f, f == "x"))',
        'currency < "F"',
        "amount_minor > charge_amount_minor",
        "!(abstained && reversible)",
    ],
)
def test_what_is_not_plainly_false_by_one_fact_is_left_to_the_engine(condition: str) -> None:
    assert sieve.parts(GOOGLE.compile(condition).tree) == ()


def test_facts_that_cannot_be_bound_fail_every_rule_whatever_the_sieve_would_say() -> None:
    made = policy(
        bundle("platform", rule("vip", "deny", "customer_vip"), rule("all", "allow", "occurred_at.getHours() >= 0"))
    )
    odd = Facts.model_construct(**(raw() | {"occurred_at": AT.replace(tzinfo=None)}))

    decided = engine.decide(made, odd, at=AT, trace=True)

    assert [answer.matched for answer in decided.answers] == [None, None]
    assert decided.verdict.outcome.name == "REVIEW"


def test_with_and_without_the_sieve_the_records_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = loader.load(loader.SHIPPED, run_tests=False)
    facts = [
        Facts.model_validate(values | {"action_kind": kind, "domain": domain})
        for values in inputs(12, 60)
        for domain, kind in (
            ("support", "refund_payment"),
            ("support", "close_ticket"),
            ("transactions", "hold_charge"),
        )
    ]
    sifted = [engine.decide(shipped, one, at=AT, trace=True) for one in facts]

    monkeypatch.setattr(engine, "_sifted_out", lambda *_: False)

    assert [engine.decide(shipped, one, at=AT, trace=True) for one in facts] == sifted

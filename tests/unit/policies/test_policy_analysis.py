"""Rules that do nothing are found: by proof from their conditions, or by what was seen of them; and nothing else is."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from policy_making import bundle, decide, facts, files, policy, rule

from policies import analysis, engine, loader, regions, testing
from policies.analysis import How, What
from policies.cel import Environment
from policies.types import Facts

ENVIRONMENT = Environment(Facts)


def found(*rules: dict[str, Any], **more: Any) -> dict[str, tuple[str, tuple[str, ...]]]:
    made = policy(bundle("platform", *rules, **more))
    return {one.rule.removeprefix("platform/"): (one.what.value, one.by) for one in analysis.proved(made)}


@pytest.mark.parametrize(
    "condition",
    [
        "false",
        "amount_minor > 5 && amount_minor < 5",
        "amount_minor > 5 && amount_minor < 6",
        "amount_minor >= 1 && amount_minor <= 2 && amount_minor != 1 && amount_minor != 2",
        "triage_confidence > 0.5 && !(triage_confidence > 0.4)",
        'currency == "EUR" && currency == "USD"',
        'currency in ["EUR", "USD"] && currency != "EUR" && "USD" != currency',
        "abstained && !abstained",
        "abstained && (amount_minor > 9 ? false : !abstained)",
        "size(risk_flags) < 0",
        "size(risk_flags) == 0 && risk_flags.size() > 2",
        '"x" in risk_flags && !("x" in risk_flags)',
        "!(amount_minor > 5 || amount_minor <= 5)",
        "5 < amount_minor && 3 >= amount_minor",
        'risk_flags.exists(f, f == "x") && !risk_flags.exists(f, f == "x")',
    ],
)
def test_a_condition_that_contradicts_itself_can_never_match(condition: str) -> None:
    assert found(rule("one", "review", condition)) == {"one": ("dead", ())}


@pytest.mark.parametrize(
    "condition",
    [
        "amount_minor > 5 && amount_minor < 7",
        "triage_confidence > 0.5 && triage_confidence < 0.6",
        'currency == "EUR" || currency == "USD"',
        "abstained && customer_vip",
        '"x" in risk_flags && !("y" in risk_flags)',
        "amount_minor + case_events > 5 && amount_minor + case_events < 3",
        'currency > "E" && currency < "D"',
        "amount_minor != charge_amount_minor",
    ],
)
def test_nothing_is_said_of_what_can_match_or_is_not_understood(condition: str) -> None:
    assert found(rule("one", "review", condition)) == {}


def test_a_condition_that_leaves_nothing_out_always_matches() -> None:
    assert found(rule("one", "review", "amount_minor > 5 || amount_minor <= 5")) == {"one": ("always", ())}
    assert found(rule("one", "review", "true")) == {}, "said plainly it is meant"


def test_a_rule_that_a_stricter_one_always_goes_with_decides_nothing() -> None:
    narrow = rule("narrow", "review", 'amount_minor > 900 && currency == "EUR"')
    wide = rule("wide", "deny", "amount_minor > 500")

    assert found(narrow, wide) == {"narrow": ("shadowed", ("platform/wide",))}


@pytest.mark.parametrize(
    ("when", "covers"),
    [
        ("amount_minor >= 901 || customer_vip", True),
        ("amount_minor > 901", False),
        ('currency in ["EUR", "USD"]', True),
        ('currency in ["GBP", "USD"]', False),
        ('!(currency == "USD")', True),
        ("amount_minor <= 1000 || amount_minor > 950", True),
        ("amount_minor > 500 && abstained", False),
        ("1000 / (case_events - 7) > 0 || amount_minor > 1", True),
        ("1000 / (case_events - 7) > 0 && amount_minor > 1", False),
    ],
)
def test_what_follows_is_worked_out_over_the_values(when: str, *, covers: bool) -> None:
    names = 'amount_minor > 900 && currency == "EUR" && (customer_vip || !customer_vip) && (abstained || !abstained)'
    names += " && case_events > 0"

    told = found(rule("narrow", "review", names), rule("wide", "deny", when))

    assert ("narrow" in told) is covers


def test_a_rule_that_asks_for_more_or_elsewhere_is_not_overshadowed() -> None:
    wide = rule("wide", "review", "amount_minor > 500", approvers=[{"role": "support"}])
    same = "amount_minor > 900"
    double = rule("narrow", "review", same, approvers=[{"role": "support"}], message=wide["message"])

    assert "narrow" in found(double, wide)
    assert "narrow" not in found(double | {"message": "for a reason of its own"}, wide)
    assert "narrow" not in found(double | {"obligations": [{"kind": "notify", "role": "lead"}]}, wide)
    assert "narrow" in found(rule("narrow", "allow", same), rule("wide", "allow", "amount_minor > 500"))
    assert "narrow" not in found(rule("narrow", "review", same, approvers=[{"role": "lead"}]), wide)
    assert "narrow" not in found(rule("narrow", "deny", same), wide)
    assert "narrow" not in found(rule("narrow", "review", same), wide | {"actions": ["add_tags"]})
    assert "narrow" not in found(rule("narrow", "allow", same), rule("wide", "notify", "amount_minor > 500"))


def test_only_a_rule_that_counts_in_full_overshadows() -> None:
    narrow = rule("narrow", "review", "amount_minor > 900")

    assert found(narrow, rule("wide", "deny", "amount_minor > 500", canary=50.0)) == {}
    assert found(narrow, rule("wide", "deny", "amount_minor > 500", enforcement="warn")) == {}


def test_of_two_rules_that_say_the_same_one_is_told_of() -> None:
    told = found(
        rule("first", "deny", "amount_minor > 5", message="too much"),
        rule("second", "deny", "!(amount_minor <= 5)", message="too much"),
    )

    assert told == {"second": ("shadowed", ("platform/first",))}


def test_what_was_seen_says_so_and_only_after_enough_was_seen() -> None:
    made = policy(
        bundle(
            "platform",
            rule("never", "deny", "amount_minor + case_events < 0"),
            rule("beside", "review", "amount_minor * 2 > 1000"),
            rule("wide", "deny", "amount_minor * 3 > 100"),
        )
    )
    records = [decide(made, amount_minor=600 + place) for place in range(120)]

    told = {one.rule: one for one in analysis.findings(made, records)}

    assert told["platform/never"].what is What.DEAD
    assert told["platform/never"].how is How.SEEN
    assert "120 recorded decisions" in told["platform/never"].message
    assert told["platform/beside"].by == ("platform/wide",)
    assert analysis.findings(made, records[:50]) == ()


def test_one_decision_is_enough_to_clear_a_rule() -> None:
    made = policy(
        bundle("platform", rule("a", "review", "amount_minor * 2 > 10"), rule("b", "deny", "amount_minor * 3 > 99"))
    )
    records = [decide(made, amount_minor=amount) for amount in [*[600] * 200, 20]]

    assert analysis.findings(made, records) == ()


def test_the_shipped_policies_have_no_rule_that_does_nothing() -> None:
    assert analysis.proved(loader.load(loader.SHIPPED, run_tests=False)) == ()


PIECES = (
    "amount_minor > 5", "amount_minor <= 9", "amount_minor == 7", "amount_minor != 7", "abstained", "!customer_vip",
    'currency == "EUR"', 'currency in ["EUR", "USD"]', '"x" in risk_flags', "1 / amount_minor > 0",
)  # fmt: skip


def _conditions() -> list[str]:
    pairs = itertools.product(PIECES, PIECES, ("&&", "||"))
    simple = [f"({one}) {how} !({other})" for one, other, how in pairs]
    return [f"({one}) && ({other})" for one, other in itertools.pairwise(simple)] + simple


def test_what_is_proved_holds_for_every_combination_of_values() -> None:
    """Of some 400 conditions: whatever is said to be impossible is not met by any of the values that matter."""
    values = [
        facts(amount_minor=amount, abstained=one, customer_vip=two, currency=currency, risk_flags=flags)
        for amount in (0, 1, 5, 6, 7, 8, 9, 10)
        for one in (True, False)
        for two in (True, False)
        for currency in ("EUR", "USD", "GBP")
        for flags in ([], ["x"])
    ]
    bound = [ENVIRONMENT.bind(vars(value)) for value in values]
    for condition in _conditions():
        program = ENVIRONMENT.compile(condition)
        assert program.tree is not None
        answers = {answer if isinstance(answer, bool) else None for answer in map(program.evaluate, bound)}
        assert (True in answers) <= bool(regions.true(program.tree)), condition
        if "1 /" not in condition:
            assert (True in answers) == bool(regions.true(program.tree)), condition
        assert bool(answers - {True}) <= bool(regions.untrue(program.tree)), condition


def test_a_policy_of_the_other_engine_proves_nothing_and_is_none_the_worse() -> None:
    made = loader.load(loader.SHIPPED, engine="rust", run_tests=False)

    assert analysis.proved(made) == ()
    assert analysis.findings(made, [engine.decide(made, facts(), at=facts().occurred_at)]) == ()


def test_a_check_of_the_files_tells_of_it_with_its_place_and_is_no_failure(tmp_path: Path) -> None:
    made = files(
        bundle("platform", rule("never", "deny", "amount_minor > 5 && amount_minor < 3"), rule("all", "allow"))
    )
    (tmp_path / "platform.yaml").write_text(next(iter(made.values())))

    report = testing.run(tmp_path)

    assert [(warning.path, warning.message) for warning in report.warnings] == [
        ("rules[0].when", "the rule 'never' can never match: its conditions contradict each other")
    ]
    assert not any("contradict" in problem.message for problem in report.problems)

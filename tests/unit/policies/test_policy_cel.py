"""The condition engine behind its adapter: what is refused before use, and that nothing but True is a match."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from policy_making import raw

from policies.cel import MAX_LENGTH, Environment, Fault, Refused
from policies.types import Facts

ENVIRONMENT = Environment(Facts)


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ("amont > 5", "undeclared reference to 'amont'"),
        ('amount_minor > "5"', "no matching overload"),
        ("amount_minor > 5.0", "no matching overload"),
        ("triage_confidence > 1", "no matching overload"),
        ("amount_minor == null", "no matching overload"),
        ("amount_minor + 1", "must be true or false, is INT"),
        ("amount_minor >", "Syntax error"),
        ("", "Syntax error"),
        ("(" * 33 + "true" + ")" * 33, "recursion limit"),
        ("true || " + " " * MAX_LENGTH, "2000 at most"),
        ('currency.matches("(")', "no regular expression"),
        ('matches(currency, "(")', "as a method"),
        ('currency.matches("\\\\d")', "all engines read alike"),
        ('currency.matches("[a&&b]")', "all engines read alike"),
        ('currency.matches("a{1001}")', "all engines read alike"),
        ('currency.matches("a(?s).")', "all engines read alike"),
        # Hidden behind a condition that no sample may fulfil: the literal itself is tried.
        ('amount_minor > 123456789 && currency.matches("[")', "no regular expression"),
        ("currency.matches(charge_currency)", "must be a literal"),
        ('currency.matches("a" + "(")', "must be a literal"),
        # What the engines do not mean alike, or what nobody compared.
        ('occurred_at.getHours("Europe/Berlin") > 8', "local_hour"),
        ("size(currency) == 3", "lengths are facts"),
        ("currency.size() == 3", "lengths are facts"),
        ("-amount_minor > 5", "write 0 - x"),
        ("triage_confidence * 2.0 > 1.0", "compared, not computed with"),
        ("0.0 / triage_confidence > 1.0", "compared, not computed with"),
        ('int("x") == 1', "is refused here"),
        ('string(triage_confidence) == "0.1"', "is refused here"),
        ("abstained < customer_vip", "is refused here"),
        ("null == null", "no fact is one"),
        ('b"a" == b"b"', "no fact is one"),
        ("5u == 5u", "no fact is one"),
        ("type(amount_minor) == int", "is refused here"),
        ("int == int", "a type's name"),
        ('{"a": true}.a', "has()"),
        ('has({"a": true}.a)', "has()"),
        ('{"a": true, "a": false}["a"]', "each there once"),
        ('{currency: true}["a"]', "literal"),
        ('{"a": true}.exists(key, key == "a")', "not for maps"),
        ('(risk_flags + signals).exists(f, f == "a")', "each list by itself"),
        ("[1, 2, 3].all(n, n / 0 > 1)", "no arithmetic"),
        ("risk_flags.exists(f, signals[0] == f)", "no index"),
        ("amount_minor > 5 && .domain == currency", "leading dot"),
        ("currency in .risk_flags", "leading dot"),
        ('currency == """E"""', "triple quotes"),
        ('currency == "\\x41"', "escapes"),
        ("triage_confidence > .5", "both sides of the point"),
        (" + ".join(["amount_minor"] * 120) + " > 0", "recursion"),
        (" && ".join(["risk_flags.all(f, f == 'x')"] * 60), "more than 40 list macros"),
        ('occurred_at > timestamp("yesterday")', "no time"),
        ('duration("1 day") > duration("1h")', "no duration"),
        ("risk_flags.exists(amount_minor, true)", "hides the fact"),
        ('amount_minor > 5 && signals.all((currency), currency == "x")', "hides the fact"),
        ("risk_flags.exists(a, signals.exists(b, a == b))", "inside a list macro"),
        ('dyn(amount_minor) > "5"', "dynamic types"),
        ('currency in ["EUR", 1]', "dynamic types"),
        ('"true\x00" == currency', "control characters"),
        ("true \x00 && false", "control characters"),
        ('currency == "EUR\\u0000x"', "control characters"),
        ('currency == "\ud800"', "surrogates"),
        ("optional.of(1) == optional.none()", "undeclared reference"),
        ('"A".lowerAscii() == "a"', "undeclared reference"),
    ],
)
def test_a_condition_that_could_not_be_trusted_is_refused(condition: str, why: str) -> None:
    with pytest.raises(Refused) as refused:
        ENVIRONMENT.compile(condition)

    assert why in str(refused.value)


def test_a_refusal_says_where_in_the_condition() -> None:
    with pytest.raises(Refused) as refused:
        ENVIRONMENT.compile("amont > 5\n  || curency == domain")

    assert "'amont' (column 1)" in str(refused.value)
    assert "'curency' (line 2, column 6)" in str(refused.value)


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("true", ()),
        ("amount_minor > 5 && domain == currency", ("amount_minor", "currency", "domain")),
        ("risk_flags.exists(f, f in signals || abstained)", ("abstained", "risk_flags", "signals")),
        ('{"amount_minor": customer_vip}["amount_minor"]', ("customer_vip",)),
        ("[amount_minor, case_events][0] == (reversible ? case_round : 1)", (
            "amount_minor", "case_events", "case_round", "reversible",
        )),
        ("occurred_at.getHours() > 8", ("occurred_at",)),
        ('"amount_minor" in untrusted_arguments // and currency', ("untrusted_arguments",)),
    ],
)  # fmt: skip
def test_a_condition_knows_which_facts_it_names(condition: str, names: tuple[str, ...]) -> None:
    assert ENVIRONMENT.compile(condition).facts == names


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        ("amount_minor == 2000 && currency == 'EUR'", True),
        ("amount_minor < 2000", False),
        ("triage_confidence >= 0.95 && reversible == false", True),
        ("size(risk_flags) == 0 && !('x' in risk_flags)", True),
        ('currency.matches("^E.R$") && !currency.matches("^e")', True),
        ("occurred_at.getHours() == 12 && occurred_at.getDayOfWeek() == 5", True),
        ('{"EUR": 5000, "USD": 6000}[currency] == 5000', True),
        ('currency == "\\u0045UR" && currency.matches("(?i)^[a-f]u(r|s){1,2}$")', True),
        ('occurred_at > timestamp("2026-11-20T11:59:59Z")', True),
        # An error on one side is no error where the other side decides; the language says so.
        ("true || 1 / 0 > 1", True),
        ("1 / 0 > 1 && false", False),
    ],
)
def test_a_condition_answers_yes_or_no(condition: str, answer: bool) -> None:
    result = ENVIRONMENT.compile(condition).evaluate(ENVIRONMENT.bind(raw()))

    assert result is answer


@pytest.mark.parametrize(
    "condition",
    [
        "1 / 0 > 1",
        "amount_minor + 9223372036854775807 > 0",
        'risk_flags[0] == "x"',
        '{"a": true}["b"]',
    ],
)
def test_an_error_is_no_match_although_the_engine_gives_truthy_text(condition: str) -> None:
    result = ENVIRONMENT.compile(condition).evaluate(ENVIRONMENT.bind(raw()))

    assert isinstance(result, Fault)
    assert result.reason


def test_as_many_list_macros_as_are_allowed_stay_within_the_engines_budget() -> None:
    many = raw(risk_flags=["x"] * 200)
    program = ENVIRONMENT.compile(" && ".join(["risk_flags.all(f, f == 'x')"] * 40))

    assert program.evaluate(ENVIRONMENT.bind(many)) is True


BAD_VALUES: list[Any] = [
    None, True, "x", 7.5, float("nan"), float("inf"), 2**63, 2**70, Decimal("1.5"), b"x", {"a": 1}, ("a",), ["a"], [1],
    [None], object(), datetime(2026, 11, 20), "a\x00b", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("name", sorted(Facts.model_fields))
def test_values_forced_past_the_model_fault_or_answer_but_never_pass_for_a_match(name: str) -> None:
    """The condition cannot be true whatever the fact's value: any match would be one by truthiness."""
    kind = Facts.model_fields[name].annotation
    condition = {
        str: f"{name} == 'x' && {name} != 'x'",
        int: f"{name} > 5 && {name} < 5",
        float: f"{name} > 0.5 && {name} < 0.5",
        bool: f"{name} && !{name}",
    }.get(kind, f"{name} == {name} && {name} != {name}")
    program = ENVIRONMENT.compile(condition)

    for value in BAD_VALUES:
        result = program.evaluate(ENVIRONMENT.bind(raw() | {name: value}))
        assert result is False or isinstance(result, Fault), (value, result)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("amount_minor", True),
        ("amount_minor", 7.0),
        ("triage_confidence", True),
        ("triage_confidence", Decimal("0.9")),
        ("reversible", 1),
        ("currency", None),
        ("risk_flags", ("a",)),
        ("occurred_at", "2026-11-20T12:00:00Z"),
    ],
)
def test_a_fact_of_another_type_faults_every_condition_also_those_that_name_it_not(name: str, value: object) -> None:
    bound = ENVIRONMENT.bind(raw() | {name: value})

    assert isinstance(ENVIRONMENT.compile("true").evaluate(bound), Fault)


def test_a_fact_too_few_or_too_many_faults_every_condition() -> None:
    program = ENVIRONMENT.compile("amount_minor == 2000 || customer_vip")
    too_few = {name: value for name, value in raw().items() if name != "customer_vip"}
    too_many = raw() | {"approved": True}

    assert isinstance(program.evaluate(ENVIRONMENT.bind(too_few)), Fault)
    assert isinstance(program.evaluate(ENVIRONMENT.bind(too_many)), Fault)

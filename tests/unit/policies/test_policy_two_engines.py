"""Both engines give the same three-way answer: for every shipped rule, for the page's conditions, for random ones."""

from __future__ import annotations

import multiprocessing
import random
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cel
import pytest
from cel_expr_python import cel as main
from policy_making import raw

from policies import documents, loader
from policies.cel import Environment, Fault, Refused
from policies.types import Facts

GOOGLE, RUST = Environment(Facts, "google"), Environment(Facts, "rust")
PAGE = (Path(loader.__file__).parents[1] / "docs" / "writing-a-policy.md").read_text(encoding="utf-8")
SHIPPED = loader.load(loader.SHIPPED, run_tests=False)

# Each stands for a kind of thing that conditions are made of.
KINDS = (
    "true", "!reversible || abstained", "amount_minor > 2500 && amount_minor <= 20000", "amount_minor in [1, 2500]",
    "amount_minor * 3 + case_events - 7 > charge_amount_minor", "amount_minor / case_events > 5", "amount_minor % 7 == 3",
    "0 - amount_minor < -5", "amount_minor + 9223372036854775807 > 0", "amount_minor - 9223372036854775807 < -10",
    "amount_minor / (case_events - case_events) > 1 || abstained", "amount_minor % (case_round - 1) == 0 && abstained",
    "abstained ? 1 / (case_events - 1) > 0 : customer_vip", "double(amount_minor) > 2500.5", 'string(amount_minor) == "2500"',
    "triage_confidence >= 0.8", "triage_confidence == draft_confidence", "triage_confidence < 1e-3",
    'currency == "EUR"', 'currency < "F"', 'currency + "x" >= domain', 'currency != "\\u0045UR"', "currency == 'it\\'s'",
    'intent.matches("^re(f|p)+.*d$")', 'intent.matches("(?i)^[A-M_]{2,}$")', 'intent.matches("ü|😀|\\\\.")',
    'intent.startsWith("re") && !intent.endsWith("d")', 'intent.contains("é")',
    '"injection" in risk_flags', "size(risk_flags) == 0", "risk_flags.size() > 2", 'risk_flags == ["x"]',
    "risk_flags != signals", 'risk_flags[0] == "x"', 'risk_flags[case_events] < "m"', "risk_flags[0 - 1] == currency",
    'risk_flags.exists(f, f.startsWith("legal"))', "risk_flags.all(f, f in signals)", 'risk_flags.exists_one(f, f == "x")',
    'risk_flags.filter(f, f != "x").size() > 1', 'size(risk_flags.map(f, f == "x", f)) == 1', "size(risk_flags + signals) > 3",
    '(risk_flags + signals)[3] == "x"', "risk_flags.map(f, f > currency)[0]",
    '{"EUR": 2500, "USD": 3000}[currency] > amount_minor', '!(currency in {"EUR": true})', '[currency, domain].exists(c, c == "")',
    "occurred_at.getHours() >= 18 || occurred_at.getDayOfWeek() == 0", "occurred_at.getMonth() == 10 || occurred_at.getDate() == 1",
    "occurred_at.getFullYear() < 2000 || occurred_at.getDayOfYear() > 200 || occurred_at.getDayOfMonth() == 30",
    "occurred_at.getMinutes() > 30 && occurred_at.getSeconds() < 30", 'occurred_at > timestamp("2026-11-20T12:00:00.5+01:00")',
    'occurred_at - timestamp("2026-11-20T12:00:00Z") > duration("90m")', 'occurred_at + duration("3h") < timestamp("2026-12-01T00:00:00Z")',
)  # fmt: skip

WORDS = (
    "",
    "EUR",
    "USD",
    "x",
    "injection",
    "legal_threat",
    "refund",
    "Refund.",
    "reply",
    "é",
    "😀",
    "ü",
    "ſ",
    "K",
    "it's",
    "claim",
    "reppped",
)
NUMBERS = (0, 1, -1, 3, 7, 2499, 2500, 2501, 20000, 2**31, 2**53 + 1, 2**63 - 1, -(2**63))
DECIMALS = (0.0, -0.0, 0.8, 0.7999999999, 1.0, 1e-300, 1.7e308, -1e15)


def inputs(seed: int, count: int) -> list[dict[str, Any]]:
    dice = random.Random(seed)

    def value(annotation: Any) -> Any:
        if annotation is str:
            return dice.choice(WORDS)
        if annotation is bool:
            return dice.random() < 0.5
        if annotation is int:
            return dice.choice(NUMBERS) if dice.random() < 0.7 else dice.randint(-(10**6), 10**6)
        if annotation is float:
            return dice.choice(DECIMALS) if dice.random() < 0.5 else dice.random()
        if annotation is datetime:
            zone = dice.choice([UTC, timezone(timedelta(hours=-11)), timezone(timedelta(hours=5, minutes=30))])
            return datetime(1999, 12, 28, tzinfo=zone) + timedelta(
                seconds=dice.randint(0, 10**9), microseconds=dice.randint(0, 10**6)
            )
        return [dice.choice(WORDS) for _ in range(dice.choice((0, 0, 1, 2, 5)))]

    def kind(name: str, annotation: Any) -> Any:
        return datetime if name == "occurred_at" else annotation

    made = []
    for _ in range(count):
        changed = {n: value(kind(n, i.annotation)) for n, i in Facts.model_fields.items() if dice.random() < 0.7}
        made.append(vars(Facts.model_validate(raw() | changed)))
    return made


@cache
def conditions() -> tuple[str, ...]:
    table = PAGE.split("| write | for |")[1].split("\n\n")[0]
    written = [
        c.replace(r"\|", "|") for row in table.splitlines()[2:] for c in re.findall(r"`([^`]+)`", row.split("|")[1])
    ]
    return (*KINDS, *written, *_examples(), *(rule.when for rule in SHIPPED.rules))


def _examples() -> list[str]:
    """The conditions of the page's examples, whole files and parts of one alike."""
    found = []
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        parsed = documents.parse("page", block)
        data = parsed.data if isinstance(parsed, documents.Document) else []
        rules = [*data.get("rules", ()), *data.get("waivers", ())] if isinstance(data, dict) else data
        found += [said["when"] for said in rules if isinstance(said, dict) and "when" in said]
    return found


def answers(
    environment: Environment, facts: list[dict[str, Any]], only: tuple[str, ...] = ()
) -> list[list[bool | None]]:
    """True, False, or None for a fault: why one engine could not say is its own affair."""
    programs = [environment.compile(text) for text in only or conditions()]
    made = []
    for values in facts:
        bound = environment.bind(values)
        results = [program.evaluate(bound) for program in programs]
        made.append([None if isinstance(result, Fault) else result for result in results])
    return made


def differences(facts: list[dict[str, Any]]) -> list[str]:
    told = []
    for values, ours, theirs in zip(facts, answers(GOOGLE, facts), answers(RUST, facts), strict=True):
        for text, one, other in zip(conditions(), ours, theirs, strict=True):
            if one is not other:
                names = {n: values[n] for n in GOOGLE.compile(text).facts}
                told.append(f"{text}: {one} and {other} with {names}")
    return told


def test_a_thousand_inputs_get_the_same_answers_of_every_rule() -> None:
    assert differences(inputs(5, 1_000)) == []


def test_every_kind_of_condition_is_met_and_not_met_by_some_input() -> None:
    """Else the comparison above would compare nothing."""
    met = list(zip(*answers(GOOGLE, inputs(5, 1_000), KINDS), strict=True))

    assert [text for text, results in zip(KINDS, met, strict=True) if True not in results] == [
        "risk_flags[0 - 1] == currency"
    ]
    assert [text for text, results in zip(KINDS, met, strict=True) if set(results) == {True}] == ["true"]


def _child(connection: Connection, facts: list[dict[str, Any]]) -> None:
    connection.send(answers(RUST, facts))
    connection.close()


def test_the_fallback_answers_alike_in_a_forked_child() -> None:
    facts = inputs(6, 60)
    answers(RUST, facts[:2])
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)

    child = context.Process(target=_child, args=(theirs, facts))
    child.start()
    theirs.close()
    answered = ours.recv()
    child.join(30)

    assert child.exitcode == 0
    assert answered == answers(GOOGLE, facts)


def test_the_fallback_answers_alike_in_eight_threads() -> None:
    facts = inputs(7, 40)
    alone = answers(GOOGLE, facts)

    with ThreadPoolExecutor(8) as pool:
        together = [future.result() for future in [pool.submit(answers, RUST, facts) for _ in range(16)]]

    assert all(result == alone for result in together)


def test_both_answer_alike_whatever_the_processes_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = inputs(8, 60)
    before = answers(GOOGLE, facts)
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "America/New_York")
        time.tzset()
        assert answers(GOOGLE, facts) == before
        assert answers(RUST, facts) == before
    time.tzset()


# Why each is refused by `portable`: the engines differ. Should an upgrade mend one, this says so.
@pytest.mark.parametrize(
    ("condition", "google", "rust"),
    [
        ('size("aé") == 2', True, False),
        ("-s > 0", None, False),
        ("[1, 2, 3].exists(n, n / 0 > 1 || n == 3)", True, None),
        ('matches("a", "a")', True, None),
        ("0.0 / d < 0.5", False, None),
        ('t.getHours("America/New_York") == 7', True, None),
        ('.w == "a"', True, None),
        ("dyn(d) == null", False, False),
    ],
)
def test_what_is_refused_differs_in_the_engines_themselves(
    condition: str, google: bool | None, rust: bool | None
) -> None:
    facts = {"s": -(2**63), "d": 0.0, "w": "a", "t": datetime(2026, 11, 20, 12, tzinfo=UTC)}
    types = {"s": main.Type.INT, "d": main.Type.DOUBLE, "w": main.Type.STRING, "t": main.Type.TIMESTAMP}
    environment = main.NewEnv(variables=types)

    said = environment.compile(condition).eval(environment.Activation(facts)).value()
    try:
        other = cel.compile(condition).execute(cel.Context(variables=facts))
    except (RuntimeError, TypeError, ValueError, ArithmeticError):
        other = None

    assert (said if isinstance(said, bool) else None, other) == (google, rust)


# The traps of either engine, asked through the adapter of both: after an upgrade these are the first to look at.
@pytest.mark.parametrize("environment", [GOOGLE, RUST], ids=["google", "rust"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("amount_minor", True), ("amount_minor", 7.5), ("amount_minor", 2**70), ("amount_minor", "7"), ("amount_minor", -(2**63) - 1),
        ("triage_confidence", float("nan")), ("triage_confidence", float("-inf")),
        ("triage_confidence", True), ("triage_confidence", 1), ("risk_flags", ("x",)), ("risk_flags", {"a": 1}),
        ("occurred_at", datetime(2026, 11, 20)),
        ("currency", None), ("currency", b"EUR"), ("reversible", 1),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_a_fault_to_both(environment: Environment, name: str, value: object) -> None:
    program = environment.compile("true")

    assert isinstance(program.evaluate(environment.bind(raw() | {name: value})), Fault)


@pytest.mark.parametrize("environment", [GOOGLE, RUST], ids=["google", "rust"])
@pytest.mark.parametrize(
    "condition", ["amount_minor >", "amont > 5", "", "(" * 100_000, 'currency == "\ud800"', "true\x00"]
)
def test_what_is_no_condition_is_refused_by_both(environment: Environment, condition: str) -> None:
    with pytest.raises(Refused):
        environment.compile(condition)


def test_the_fallback_breaks_off_a_decision_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policies.cel.environment.SECONDS", -1.0)

    result = RUST.compile("true").evaluate(RUST.bind(raw()))

    assert isinstance(result, Fault)
    assert "too long" in result.reason

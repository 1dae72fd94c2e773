"""Tests beside bundles: a policy loads when they pass and reach every rule, and not otherwise."""

from __future__ import annotations

import json
from typing import Any

import pytest
from policy_making import bundle, outcome, rule

from policies import loader
from policies.errors import PolicyError


def suite(**more: Any) -> dict[str, Any]:
    given = {
        "action_kind": "refund_payment", "domain": "support", "risk": "high", "reversible": False,
        "delivery": "idempotent", "occurred_at": "2026-11-20T12:00:00Z",
    }  # fmt: skip
    return {"bundle": "platform", "given": given, "groups": [{"about": "all", "tests": []}]} | more


def case(name: str, said: str, **more: Any) -> dict[str, Any]:
    facts = {key: more.pop(key) for key in list(more) if key not in {"rules", "approvers", "exclude", "reasons"}}
    return {"name": name, "facts": facts, "expect": {"outcome": said, **more}}


TESTED = bundle(
    "platform",
    rule("small", "allow", "amount_minor <= 100"),
    rule("large", "review", "amount_minor > 100", approvers=[{"role": "lead", "n": 2}], exclude=["editor"]),
)
GOOD = (
    case("small", "allow", amount_minor=100, rules=["small"], approvers={}, exclude=[], reasons=["because of small"]),
    case("large", "review", amount_minor=101, rules=["platform/large"], approvers={"lead": 2}, exclude=["editor"]),
)


def with_tests(*cases: dict[str, Any], made: dict[str, Any] = TESTED, **more: Any) -> dict[str, str]:
    return {
        "platform.yaml": json.dumps(made, indent=1),
        "platform.test.yaml": json.dumps(suite(groups=[{"about": "all", "tests": list(cases)}], **more)),
    }


def test_a_policy_that_passes_its_tests_loads() -> None:
    assert loader.loads(with_tests(*GOOD)).name == "platform@1"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (case("x", "deny", amount_minor=1), "expected deny, got allow (because of small)"),
        (case("x", "allow", amount_minor=1, rules=["large"]), "expected the rules platform/large, got platform/small"),
        (case("x", "allow", amount_minor=1, rules=[]), "expected the rules none, got platform/small"),
        (case("x", "review", amount_minor=500, approvers={"lead": 1}), "expected the approvers {'lead': 1}, got {'lead': 2}"),
        (case("x", "review", amount_minor=500, exclude=[]), "expected none to be excluded, got editor"),
        (case("x", "review", amount_minor=500, reasons=["nice"]), "no reason says 'nice'"),
        (case("x", "allow", amount_minor="1"), "not facts: amount_minor: Input should be a valid integer"),
        (case("x", "allow", amount=1), "not facts: amount: Extra inputs are not permitted"),
    ],
)  # fmt: skip
def test_a_policy_that_fails_one_of_its_tests_is_refused_unless_tests_are_left_out(
    wrong: dict[str, Any], why: str
) -> None:
    made = with_tests(*GOOD, wrong)

    with pytest.raises(PolicyError) as error:
        loader.loads(made)
    assert [problem.path.split(".")[0] for problem in error.value.problems] == ["groups[0]"]
    assert "test 'x': " in error.value.problems[0].message
    assert why in error.value.problems[0].message

    assert loader.loads(made, run_tests=False).name == "platform@1"


@pytest.mark.parametrize(
    ("cases", "why"),
    [
        (GOOD[:1], "'large' is matched by no test of its bundle"),
        (GOOD[1:], "'small' is matched by no test of its bundle"),
    ],
)
def test_a_rule_that_no_test_matches_is_refused_at_its_line(cases: tuple[dict[str, Any], ...], why: str) -> None:
    with pytest.raises(PolicyError) as error:
        loader.loads(with_tests(*cases))

    said = [problem.message for problem in error.value.problems]
    assert any(why in message for message in said)
    assert any("is matched by every test" in message for message in said)
    assert {problem.file for problem in error.value.problems} == {"platform.yaml"}
    assert all(problem.line > 1 for problem in error.value.problems)


def test_a_rule_without_a_condition_needs_no_test_that_it_fails() -> None:
    made = bundle("platform", rule("fine", "allow"))

    assert loader.loads(with_tests(case("x", "allow"), made=made))


def test_a_bundle_without_tests_is_refused() -> None:
    with pytest.raises(PolicyError, match="put them into platform"):
        loader.loads({"platform.yaml": json.dumps(TESTED)})


def test_tests_of_a_bundle_that_is_not_there_are_refused() -> None:
    for more in ({"bundle": "platfrom"}, {"beside": ["org"]}):
        with pytest.raises(PolicyError, match="there is no bundle"):
            loader.loads(with_tests(*GOOD, **more))


def test_a_stricter_bundle_beside_it_does_not_break_a_bundles_tests() -> None:
    org = bundle("org", rule("no", "deny"), layer="org")
    org_suite = suite(bundle="org", groups=[{"about": "all", "tests": [case("x", "deny")]}])

    made = loader.loads({**with_tests(*GOOD), "org.yaml": json.dumps(org), "org.test.yaml": json.dumps(org_suite)})

    assert outcome(made, amount_minor=1) == "deny"


def test_a_bundle_on_trial_is_tested_as_if_enforced() -> None:
    assert loader.loads(with_tests(*GOOD, made=TESTED | {"enforcement": "observe"}))

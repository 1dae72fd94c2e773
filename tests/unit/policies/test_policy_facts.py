"""Facts at the door: what the engine would misread is refused, and refused facts never allow anything."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from policy_making import AT, bundle, policy, raw, rule

from policies import engine, loader, record
from policies.types import Facts, Outcome

SHIPPED = loader.load(loader.SHIPPED, run_tests=False)
EVERYTHING_ALLOWED = policy(bundle("platform", rule("anything", "allow")))

_TEXT = [None, 5, True, b"x", ["x"], "a\x00b", "a\nb", "\ud800", "x" * 501]
_INT = [None, "5", True, False, 7.0, 7.5, float("nan"), float("inf"), 2**63, -(2**63) - 1, 2**70, Decimal(7), [1]]
_DOUBLE = [None, "0.5", True, float("nan"), float("inf"), float("-inf"), Decimal("0.5"), 10**400]
_BOOL = [None, "true", 1, 0, 1.0]
_LIST = [None, "x", ("x",), {"x"}, ["x"] * 201, [1], [None], ["a\x00b"], ["\ud800"], [["x"]]]
_TIME = [None, "2026-11-20T12:00:00Z", 1_795_000_000, datetime(2026, 11, 20, 12, 0)]
_BAD: dict[Any, list[Any]] = {str: _TEXT, int: _INT, float: _DOUBLE, bool: _BOOL}


def bad_values(name: str) -> list[Any]:
    kind = Facts.model_fields[name].annotation
    return _TIME if name == "occurred_at" else _BAD.get(kind, _LIST)


def test_the_facts_that_the_next_tests_spoil_would_be_allowed() -> None:
    assert engine.judge(SHIPPED, raw(), at=AT).verdict.outcome is Outcome.ALLOW
    assert engine.judge(EVERYTHING_ALLOWED, raw(), at=AT).verdict.outcome is Outcome.ALLOW


@pytest.mark.parametrize("name", sorted(Facts.model_fields))
def test_a_bad_value_of_any_fact_is_refused_and_reviewed(name: str) -> None:
    for value in bad_values(name):
        decided = engine.judge(EVERYTHING_ALLOWED, raw(**{name: value}), at=AT)

        assert decided.verdict.outcome >= Outcome.REVIEW, value
        assert decided.answers == ()
        assert name in decided.verdict.reasons[0]


def test_the_address_behind_a_nul_never_reaches_the_engine() -> None:
    made = policy(bundle("platform", rule("ours", "allow", 'target_system == "customer.example.com"')))

    clean = engine.judge(made, raw(target_system="customer.example.com"), at=AT)
    hostile = engine.judge(made, raw(target_system="customer.example.com\x00.evil"), at=AT)

    assert clean.verdict.outcome is Outcome.ALLOW
    assert hostile.verdict.outcome is Outcome.REVIEW
    assert "control characters" in hostile.verdict.reasons[0]


ALLOWED = {
    "refund_payment": {},
    "add_tags": {"action_kind": "add_tags", "risk": "low", "has_amount": False, "amount_minor": 0},
    "close_ticket": {"action_kind": "close_ticket", "has_amount": False, "amount_minor": 0, "sentiment": "positive"},
    "hold_charge": {
        "action_kind": "hold_charge", "domain": "transactions", "has_amount": False, "amount_minor": 0,
        "reversible": True, "signal_score": 90, "watch_list_hits": 1,
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", ALLOWED)
def test_no_fact_that_a_shipped_rule_reads_can_be_left_out_and_the_action_still_run(kind: str) -> None:
    stated = raw(**ALLOWED[kind])
    route = SHIPPED.route(stated["domain"], kind)
    read = {name for rule in route.rules for name in rule.program.facts}
    assert engine.judge(SHIPPED, stated, at=AT).verdict.outcome is Outcome.ALLOW

    # An amount that is not there is no amount: its default is refused where it matters, and harmless elsewhere.
    for name in read - ({"amount_minor"} if not stated["has_amount"] else set()):
        left_out = {key: value for key, value in stated.items() if key != name}
        assert engine.judge(SHIPPED, left_out, at=AT).verdict.outcome >= Outcome.REVIEW, name


def test_a_fact_that_nobody_declared_is_refused() -> None:
    decided = engine.judge(EVERYTHING_ALLOWED, raw(approved=True), at=AT)

    assert decided.verdict.outcome is Outcome.REVIEW
    assert "approved is no fact" in decided.verdict.reasons[0]


def test_refused_facts_are_for_the_people_whom_the_policy_names() -> None:
    decided = engine.judge(SHIPPED, raw(currency=None), at=AT)

    assert [(r.role, r.n) for r in decided.verdict.requirements] == [("lead", 1)]
    assert decided.verdict.reasons == (
        "The facts about this action cannot be trusted: currency: Input should be a valid string",
    )


def test_refused_facts_do_not_make_an_unknown_action_approvable() -> None:
    decided = engine.judge(SHIPPED, raw(action_kind="delete_customer", currency=None), at=AT)

    assert decided.verdict.outcome is Outcome.DENY
    assert decided.verdict.requirements == ()


def test_a_policy_may_deny_what_has_no_facts() -> None:
    made = policy(bundle("platform", rule("anything", "allow"), defaults={"rule_error": "deny"}))

    assert engine.judge(made, raw(currency=None), at=AT).verdict.outcome is Outcome.DENY


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("never call me")


def deep() -> list[Any]:
    nested: list[Any] = []
    for _ in range(20_000):
        nested = [nested]
    return nested


def cyclic() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    "value",
    [Hostile(), deep(), cyclic(), {"a": cyclic()}, 10**6000, "x" * 10**6, b"\xff", ["x"] * 10**5, Decimal("NaN"), "\ud800\x00"],
    ids=["hostile", "deep", "cyclic", "cyclic map", "huge", "long", "bytes", "many", "NaN", "text"],
)  # fmt: skip
def test_whatever_was_refused_can_be_written_down(value: object) -> None:
    decided = engine.judge(SHIPPED, raw(currency=value), at=AT)

    written = json.dumps(record.to_json(decided), allow_nan=False, ensure_ascii=False)
    assert "\\u0000" not in written  # PostgreSQL refuses it in JSON
    assert written.encode()
    assert len(written) < 10_000
    assert decided.verdict.outcome is Outcome.REVIEW


def test_keys_that_are_no_text_are_refused_like_any_other() -> None:
    decided = engine.judge(SHIPPED, raw() | {5: 1, "\ud800": 2}, at=AT)  # type: ignore[dict-item]

    assert "5 is no fact; \\ud800 is no fact" in decided.verdict.reasons[0]


def test_times_at_the_edge_of_the_calendar_are_a_rule_error_at_most() -> None:
    made = policy(bundle("platform", rule("late", "allow", 'occurred_at > timestamp("2000-01-01T00:00:00Z")')))
    edge = datetime.fromisoformat("0001-01-01T00:00:00+14:00")

    decided = engine.judge(made, raw(occurred_at=edge), at=datetime(2026, 1, 1, tzinfo=UTC))

    assert decided.verdict.outcome is Outcome.REVIEW
    assert decided.answers[0].matched is None


def test_who_does_not_say_which_switches_are_thrown_has_not_looked() -> None:
    stated = raw()
    assert engine.judge(EVERYTHING_ALLOWED, {**stated, "thrown_switches": []}, at=AT).verdict.outcome is Outcome.ALLOW
    del stated["thrown_switches"]

    decided = engine.judge(EVERYTHING_ALLOWED, stated, at=AT)

    assert decided.verdict.outcome is Outcome.REVIEW
    assert "thrown_switches is not stated" in decided.verdict.reasons[0]


LOOSENS = policy(
    bundle(
        "platform",
        rule("looser", "deny", "policy_loosens"),
        rule("anything", "allow"),
        actions=["change_policy", "add_tags"],
    )
)


@pytest.mark.parametrize(
    ("kind", "said", "outcome"),
    [
        ("change_policy", {}, Outcome.DENY),
        ("change_policy", {"policy_loosens": False}, Outcome.ALLOW),
        ("change_policy", {"policy_loosens": True}, Outcome.DENY),
        ("add_tags", {}, Outcome.ALLOW),
    ],
)
def test_a_change_of_the_policy_that_does_not_say_whether_it_loosens_counts_as_one_that_does(
    kind: str, said: dict[str, Any], outcome: Outcome
) -> None:
    stated = {name: value for name, value in raw(action_kind=kind).items() if name != "policy_loosens"}

    assert engine.judge(LOOSENS, {**stated, **said}, at=AT).verdict.outcome is outcome

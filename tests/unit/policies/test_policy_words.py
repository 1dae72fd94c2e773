"""What people read: reasons with values, decisions explained, reports of checks."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from policy_making import AT, FAILING, FAILS, bundle, decide, policy, raw, rule

from policies import engine, loader, testing
from policies.explain import around, explain, terms
from policies.messages import Message, money, plain


@pytest.mark.parametrize(
    ("minor", "currency", "written"),
    [
        (4000, "EUR", "40.00 EUR"),
        (5, "USD", "0.05 USD"),
        (-500, "EUR", "-5.00 EUR"),
        (123456789, "EUR", "1,234,567.89 EUR"),
        (500, "JPY", "500 JPY"),
        (1500, "KWD", "1.500 KWD"),
        (2**63 - 1, "EUR", "92,233,720,368,547,758.07 EUR"),
        (4000, "", "4000 minor units"),
    ],
)
def test_money_is_written_in_its_currencys_digits(minor: int, currency: str, written: str) -> None:
    assert money(minor, currency) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (True, "yes"),
        (False, "no"),
        ([], "none"),
        (["a", "b"], "a, b"),
        ("", "none"),
        (0.8, "0.8"),
        (1.0, "1"),
        (0.79999, "0.799"),
        (-0.5, "-0.5"),
        (1e300, "1e+300"),
        (7, "7"),
    ],
)
def test_a_value_is_written_so_that_it_never_looks_like_more_than_it_is(value: object, written: str) -> None:
    assert plain(value) == written


@pytest.mark.parametrize(
    "template", ["{", "}", "{}", "{0}", "{nobody}", "{amount!r}", "{amount:5}", "{amount[0]}", "{amount.x}"]
)
def test_a_message_that_could_not_be_filled_in_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"is no fact|brace|'[{}]'"):
        Message.parse(template)


def test_a_decision_is_explained_with_what_each_rule_saw() -> None:
    made = policy(
        bundle(
            "platform",
            rule("large", "review", "amount_minor > 1000", approvers=[{"role": "lead", "n": 2}], exclude=["editor"]),
            rule("fine", "allow", "customer_vip &&\n  reversible"),
            rule("broken", "deny", FAILS),
        ),
        bundle("trial", rule("maybe", "deny"), layer="org", enforcement="warn"),
    )

    assert explain(decide(made, **FAILING)) == [
        "review: refund_payment of 20.00 EUR in support",
        "needs: 2 x lead, not whoever edited it",
        "because: because of large",
        "because: The rule platform/broken could not be evaluated",
        "because: Warning: because of maybe",
        "  + platform/large (review): because of large",
        "      when amount_minor > 1000",
        "      with amount_minor = 2000",
        "  o trial/maybe (deny, warn only): because of maybe",
        "      when true",
        "  ! platform/broken (deny): because of broken",
        "      when 1000 / (case_events - 7) > 0",
        "      with case_events = 7",
        "      failed: no answer: INVALID_ARGUMENT: divide by zero",
        "  - platform/fine (allow): because of fine",
        "      when customer_vip && reversible",
        "      with customer_vip = no, reversible = no",
        f"policy platform@1 trial@1 ({made.hash[:12]}), cel-expr-python 0.1.3, 2026-11-20T12:00:00+00:00",
    ]


def test_refused_facts_are_explained_too() -> None:
    made = policy(bundle("platform", rule("fine", "allow")))

    lines = explain(engine.judge(made, raw(amount_minor="20"), at=AT))

    assert lines[:3] == [
        "review: refund_payment in support",
        "needs: 1 x anybody who may decide",
        "because: The facts about this action cannot be trusted: amount_minor: Input should be a valid integer",
    ]


def test_a_check_of_the_shipped_policy_reports_every_test() -> None:
    report = testing.run(loader.SHIPPED)

    assert report.ok
    assert {result.bundle for result in report.results} == {
        "platform",
        "support",
        "transactions",
        "content",
        "governance",
    }
    told = testing.lines(report)
    assert "ok   support: small and clean runs by itself" in told
    assert told[-1].endswith(f"{len(report.results)} of {len(report.results)} tests passed")


def test_a_check_tells_failed_tests_and_problems_and_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / "platform.yaml").write_text(json.dumps(bundle("platform", rule("fine", "allow"))))
    given = {key: raw()[key] for key in ("action_kind", "domain", "risk", "reversible", "delivery")}
    test = {"name": "no", "facts": given | {"occurred_at": "2026-11-20T12:00:00Z"}, "expect": {"outcome": "deny"}}
    suite = {"bundle": "platform", "groups": [{"about": "all", "tests": [test]}]}
    (tmp_path / "platform.test.yaml").write_text(json.dumps(suite))

    report = testing.run(tmp_path)

    assert not report.ok
    told = testing.lines(report)
    assert told[0] == "FAIL platform: no"
    assert "platform.test.yaml:1: groups[0].tests[0].expect: test 'no': expected deny, got allow" in "\n".join(told)
    assert told[1:3] == ["rule           matched  not matched", "platform/fine        1            -"]
    assert told[-1].endswith("1 rules, 0 of 1 tests passed")


def test_a_check_of_what_is_no_policy_tells_why(tmp_path: Path) -> None:
    empty = testing.run(tmp_path)
    (tmp_path / "platform.yaml").write_text("bundle: platform")
    broken = testing.run(tmp_path)

    assert not empty.ok
    assert "no policy files" in testing.lines(empty)[0]
    assert not broken.ok
    assert "platform.yaml:1: version: Field required" in "\n".join(testing.lines(broken))


def test_every_word_of_the_language_is_explained() -> None:
    ladder = [{"after_minutes": 60, "role": "finance"}]
    look = rule(
        "look",
        "review",
        "amount_minor > 1000",
        stages=[[{"role": "lead", "ladder": ladder}], [{"role": "finance", "n": 2}]],
        exclude=["initiator"],
        deadline_minutes=240,
        obligations=[{"kind": "delay", "minutes": 30}, {"kind": "notify", "role": "finance"}],
    )
    daily = {"id": "daily", "actions": "*", "per": ["customer"], "window_minutes": 1440, "over": "deny"}
    waiver = {"id": "known", "rule": "waived", "when": "true", "until": "2027-01-01T00:00:00Z"}
    made = policy(
        bundle(
            "platform",
            look,
            rule("waived", "review"),
            rule("rolled-out", "review", canary=0),
            authority=[{"role": "lead", "up_to": {"EUR": 5000}}],
            limits=[daily | {"max_count": 3, "max_minor": 10000, "currency": "EUR", "trips": True}],
            waivers=[waiver | {"owner": "Ana", "reason": "known"}],
            never_automatic=["refund_payment"],
        )
    )

    told = explain(decide(made, draw="case_1"))

    assert told[1:10] == [
        "needs: 1 x lead (or finance after 1 hour), then 2 x finance, not whoever brought the case about",
        "authority over so much: lead",
        "within: 4 hours, else it counts as refused",
        "obliges: wait 30 minutes after the last yes",
        "obliges: tell finance once it is done",
        "because: because of look",
        "waived by platform/known",
        "limit: platform/daily: 3 times and 100.00 EUR in 24 hours for the same customer, else deny, and the kind is stopped",
        "  + platform/look (review): because of look",
    ]
    assert "  o platform/rolled-out (review, observe only, not rolled out to this case): because of rolled-out" in told
    assert "  o platform/waived (review, waived by platform/known): because of waived" in told
    assert [terms(read) for read in made.rules if read.id == "look"] == [
        (
            "1 x lead (or finance after 1 hour), then 2 x finance; not whoever brought the case about; within 4 hours; "
            "wait 30 minutes after the last yes; tell finance once it is done"
        )
    ]
    assert around(made.route("support", "refund_payment")) == [
        "never done without a person",
        "authority: lead up to 50.00 EUR",
        "limit: platform/daily: 3 times and 100.00 EUR in 24 hours for the same customer, else deny, and the kind is stopped",
        "waiver: platform/known of platform/waived until 2027-01-01T00:00:00+00:00, by Ana: known; when true",
    ]


def test_a_check_warns_of_waivers_that_have_run_out(tmp_path: Path) -> None:
    waiver = {"id": "known", "rule": "look", "when": "customer_vip", "until": "2026-12-01T00:00:00Z"}
    made = bundle("platform", rule("look", "review"), waivers=[waiver | {"owner": "Ana", "reason": "known"}])
    (tmp_path / "platform.yaml").write_text(json.dumps(made))

    before = testing.run(tmp_path, at=datetime(2026, 11, 30, tzinfo=UTC))
    after = testing.run(tmp_path, at=datetime(2026, 12, 1, tzinfo=UTC))

    assert before.warnings == ()
    [warning] = after.warnings
    assert warning.path == "waivers[0].until"
    assert "ran out on 2026-12-01" in warning.message
    assert any(line.startswith("warning: ") for line in testing.lines(after))

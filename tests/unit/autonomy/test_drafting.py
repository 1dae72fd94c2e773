"""A proposal is a whole policy with tests of its own; it touches no file that people wrote and loosens only what it says."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from autonomy_history import FACTS, NOW, POLICY, found, good

from policies import engine, loader, record
from policies.loader import SHIPPED
from policies.types import Outcome
from workers.autonomy.drafting import FIRST_SAMPLE, LASTS, draft, widen

FILES = {path.name: path.read_text() for path in SHIPPED.glob("*.yaml")}
RULE = "earned-support/close-ticket-1"
SENTENCE = "320 of 320 proposals: lower bound 99 %. {Let} it?"


@pytest.fixture(scope="module")
def drafted():
    return draft(POLICY, FILES, found(good()), SENTENCE, "person:ana@firm.example", NOW)


def says(policy, **facts):
    stated = {**FACTS, "occurred_at": NOW.isoformat(), "vendor": "house", **facts}
    return engine.decide(policy, record.facts_from_json(stated), at=NOW).verdict


def passing(policy):
    """A draw that no sample takes."""
    return next(f"case-{n}" for n in range(500) if says(policy, draw=f"case-{n}").outcome is Outcome.ALLOW)


def test_it_is_a_sound_policy_and_leaves_what_people_wrote_as_it_is(drafted):
    assert loader.loads(drafted.files).hash == drafted.policy.hash != POLICY.hash
    assert {name for name in drafted.files if drafted.files[name] != FILES.get(name)} == {
        "earned-support.yaml",
        "earned-support.test.yaml",
    }
    assert all(not line.startswith("-") or line.startswith("---") for line in drafted.diff.splitlines())


def test_it_lets_a_few_run_and_has_the_rest_looked_at_by_whoever_was_asked_before(drafted):
    verdicts = [says(drafted.policy, draw=f"case-{number}") for number in range(400)]

    ran = sum(verdict.outcome is Outcome.ALLOW for verdict in verdicts)
    assert abs(ran - 400 * (1 - FIRST_SAMPLE / 100)) < 25
    for verdict in verdicts:
        if verdict.outcome is Outcome.REVIEW:
            assert [(one.role, one.n) for one in verdict.requirements] == [("support", 1)]


def test_nothing_else_is_let_through(drafted):
    """Every part of the condition holds, one broken at a time."""
    draw = passing(drafted.policy)
    for facts in (
        {"risk_flags": ["press"]},
        {"untrusted_arguments": ["tags"]},
        {"abstained": True},
        {"target_is_record": False},
        {"triage_confidence": 0.9},
        {"draft_confidence": 0.89},
        {"sentiment": "furious"},
        {"missing_context": ["customer"]},
        {"edited_by_person": True},
        {"repeats_earlier_action": True},
        {"text_has_others_data": True},
    ):
        assert says(drafted.policy, draw=draw, **facts).outcome >= Outcome.REVIEW, facts


def test_it_never_makes_a_verdict_on_anything_else_milder(drafted):
    draw = passing(drafted.policy)
    for kind in ("reply_to_customer", "refund_payment", "add_tags", "escalate_ticket"):
        for flags in ([], ["injection"]):
            facts = {"draw": draw, "action_kind": kind, "risk_flags": flags, "asks_for_something": True}
            assert says(drafted.policy, **facts).outcome == says(POLICY, **facts).outcome


def test_while_its_permission_is_suspended_everything_is_as_before(drafted):
    draw = passing(drafted.policy)

    suspended = says(drafted.policy, draw=draw, thrown_switches=[f"rule:{RULE}"])

    before = says(POLICY, draw=draw)
    assert (suspended.outcome, suspended.rules, suspended.requirements) == (
        before.outcome,
        before.rules,
        before.requirements,
    )


def test_what_was_earned_runs_out(drafted):
    draw = passing(drafted.policy)
    later = (NOW + LASTS + timedelta(days=1)).isoformat()

    assert says(drafted.policy, draw=draw).outcome is Outcome.ALLOW
    assert says(drafted.policy, draw=draw, occurred_at=later).rules == ("support/close-unsettled",)


def test_it_says_who_answers_for_it_and_how_much_may_run_in_a_day(drafted):
    (bundle,) = [bundle for bundle in drafted.policy.bundles if bundle.name == "earned-support"]

    assert {waiver.owner for waiver in bundle.waivers} == {"person:ana@firm.example"}
    assert [limit.max_count for limit in bundle.limits] == [16]
    assert bundle.layer.value == "agent"


def test_nobody_is_named_in_its_tests(drafted):
    assert "example.com" not in drafted.files["earned-support.test.yaml"]


def test_a_rule_that_does_well_is_looked_at_less_and_less_but_never_not(drafted):
    files, policy, seen = drafted.files, drafted.policy, []
    while (wider := widen(policy, files, RULE, NOW)) is not None:
        made, before, after = wider
        files, policy = made.files, made.policy
        seen.append((before, after))
        assert loader.loads(files).hash == policy.hash

    assert seen == [(90.0, 50.0), (50.0, 20.0), (20.0, 5.0)]
    assert [bundle.version for bundle in policy.bundles if bundle.name == "earned-support"] == [4]


def test_a_second_thing_earned_stands_beside_the_first(drafted):
    both = draft(drafted.policy, drafted.files, found(good()), SENTENCE, "person:ben@firm.example", NOW)

    rules = [rule.ref for rule in both.policy.rules if rule.bundle == "earned-support"]
    assert rules == [RULE, "earned-support/close-ticket-2"]
    assert json.dumps(both.files)

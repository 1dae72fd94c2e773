"""Records of before the policy knew stages, obligations, limits and waivers are read as they were meant."""

from __future__ import annotations

import json

from policy_making import bundle, decide, policy, rule

from policies import record
from policies.types import Enforcement, Outcome, Requirement

OLD = {
    "outcome": "review",
    "requirements": [{"role": "lead", "n": 2}],
    "reasons": ["because of large"],
    "rules": ["platform/large"],
    "exclude": ["editor"],
    "answers": [
        {
            "rule": "large",
            "bundle": "platform",
            "layer": "platform",
            "matched": True,
            "outcome": "review",
            "enforcement": "enforce",
            "message": "because of large",
            "when": "amount_minor > 1000",
            "names": ["amount_minor"],
            "error": None,
        }
    ],
    "facts": {"action_kind": "refund_payment", "domain": "support", "amount_minor": 2000},
    "policy": "platform@1",
    "policy_hash": "0" * 64,
    "engine": "cel-expr-python 0.1.3",
    "decided_at": "2026-11-20T12:00:00+00:00",
}


def test_an_old_record_is_read_and_written_again_as_it_was() -> None:
    read = record.from_json(OLD)

    assert read.verdict.outcome is Outcome.REVIEW
    assert read.verdict.requirements == (Requirement("lead", 2),)
    assert (read.verdict.authorised, read.verdict.obligations, read.verdict.deadline_minutes) == (None, (), None)
    assert (read.uses, read.reserved, read.unmet) == ((), (), ())
    assert (read.answers[0].set_aside, read.answers[0].enforcement) == (None, Enforcement.ENFORCE)
    assert record.to_json(read) == OLD


def test_an_old_verdict_beside_an_action_is_read_too() -> None:
    stored = {key: OLD[key] for key in ("outcome", "requirements", "reasons", "rules", "exclude")} | {
        "policy": "platform@1"
    }

    assert record.verdict_of(stored) == record.from_json(OLD).verdict


def test_a_plain_verdict_is_stored_without_any_of_the_new_words() -> None:
    decided = decide(policy(bundle("platform", rule("look", "review", approvers=[{"role": "lead"}]))))

    assert set(record.verdict_json(decided.verdict)) == {"outcome", "requirements", "reasons", "rules", "exclude"}
    assert set(record.to_json(decided)) == {*OLD, "usual_left_out"}
    assert json.dumps(record.verdict_json(decided.verdict)["requirements"]) == '[{"role": "lead", "n": 1}]'


def test_everything_that_a_verdict_can_say_comes_back() -> None:
    said = rule(
        "look",
        "review",
        stages=[
            [{"role": "lead", "ladder": [{"after_minutes": 60, "role": "finance"}]}],
            [{"role": "finance", "n": 2}],
        ],
        exclude=["initiator"],
        deadline_minutes=90,
        obligations=[
            {"kind": "delay", "minutes": 5},
            {"kind": "mask", "what": ["iban", "card"]},
            {"kind": "disclose", "text": "Written with the help of a machine"},
            {"kind": "notify", "role": "finance"},
        ],
    )
    authority = [{"role": "lead", "up_to": {"EUR": 5000}}, {"role": "finance", "up_to": {"EUR": 9000}}]
    verdict = decide(policy(bundle("platform", said, authority=authority))).verdict

    stored = json.loads(json.dumps(record.verdict_json(verdict)))

    assert record.verdict_of(stored) == verdict
    assert stored["requirements"] == [
        {"role": "lead", "n": 1, "ladder": [{"after_minutes": 60, "role": "finance"}]},
        {"role": "finance", "n": 2, "stage": 1},
    ]
    assert stored["authorised"] == ["finance", "lead"]

"""Limits: which an action falls under, what it uses up of them, and what a verdict becomes where they are reached."""

from __future__ import annotations

import json
from typing import Any

import pytest
from policy_making import AT, approvers, bundle, decide, policy, raw, rule

from policies import engine, record
from policies.limits import Reserved, tightened, window
from policies.rules import Policy
from policies.types import DecisionRecord, Outcome

DAILY: dict[str, Any] = {
    "id": "daily",
    "actions": ["refund_payment"],
    "window_minutes": 1440,
    "max_count": 3,
    "over": "review",
}


def limited(*limits: dict[str, Any], **more: Any) -> Policy:
    rules = more.pop("rules", [rule("fine", "allow")])
    return policy(bundle("platform", *rules, limits=list(limits), defaults={"approvers": [{"role": "lead"}]}, **more))


def uses(made: Policy, **facts: Any) -> list[tuple[str, int]]:
    return [(use.key, use.amount_minor) for use in decide(made, **facts).uses]


def tried(decided: DecisionRecord, *, held: bool, count: int = 3, minor: int = 0) -> DecisionRecord:
    return tightened(decided, [Reserved(u.limit.ref, u.key, count, minor, held) for u in decided.uses])


def test_an_action_falls_under_the_limits_of_its_kind() -> None:
    every = DAILY | {"id": "every", "actions": "*"}
    made = limited(DAILY, every)

    assert uses(made) == [("platform/daily", 0), ("platform/every", 0)]
    assert uses(made, action_kind="add_tags") == [("platform/every", 0)]


@pytest.mark.parametrize(
    ("per", "key"),
    [
        ([], "platform/daily"),
        (["customer"], "platform/daily|customer:cus_7"),
        (["vendor", "domain", "kind"], "platform/daily|domain:support|kind:refund_payment|vendor:stripe"),
    ],
)
def test_a_counter_is_named_by_what_the_limit_counts_apart(per: list[str], key: str) -> None:
    made = limited(DAILY | {"per": per})

    assert uses(made, customer_id="cus_7", vendor="stripe") == [(key, 0)]


def test_money_is_counted_in_the_limits_currency_only() -> None:
    both = DAILY | {"max_minor": 10000, "currency": "EUR"}
    money = {key: value for key, value in both.items() if key != "max_count"} | {"id": "money"}
    made = limited(both, money)

    assert uses(made, amount_minor=700) == [("platform/daily", 700), ("platform/money", 700)]
    # How many there are is counted all the same.
    assert uses(made, amount_minor=700, currency="USD") == [("platform/daily", 0)]


def test_what_is_denied_uses_nothing_up_and_what_people_decide_does() -> None:
    rules = [rule("no", "deny", "customer_vip"), rule("look", "review", "edited_by_person"), rule("fine", "allow")]
    made = limited(DAILY, rules=rules)

    assert uses(made, customer_vip=True) == []
    assert len(uses(made, edited_by_person=True)) == 1


def test_facts_that_cannot_be_trusted_are_counted_too() -> None:
    decided = engine.judge(limited(DAILY), raw(currency=None), at=AT)

    assert [use.key for use in decided.uses] == ["platform/daily"]


def test_a_bundle_on_trial_limits_nothing() -> None:
    trial = bundle("trial", rule("never", "deny", "false"), layer="org", enforcement="observe", limits=[DAILY])

    assert decide(policy(bundle("platform", rule("fine", "allow")), trial)).uses == ()


def test_a_domains_limit_is_for_its_domain() -> None:
    support = bundle("support", rule("never", "deny", "false"), layer="domain", limits=[DAILY])
    made = policy(bundle("platform", rule("fine", "allow")), support)

    assert uses(made) == [("support/daily", 0)]
    assert uses(made, domain="content") == []


def test_what_could_be_reserved_changes_nothing_but_the_record() -> None:
    decided = decide(limited(DAILY))

    after = tried(decided, held=True)

    assert after.verdict == decided.verdict
    assert after.reserved[0].held
    assert after.uses == decided.uses


def test_a_limit_that_is_reached_asks_its_people() -> None:
    decided = decide(limited(DAILY | {"approvers": [{"role": "finance", "n": 2}]}))

    verdict = tried(decided, held=False).verdict

    assert verdict.outcome is Outcome.REVIEW
    assert [(r.role, r.n) for r in verdict.requirements] == [("finance", 2)]
    assert verdict.reasons == (
        "because of fine",
        "The limit platform/daily is reached: 3 of 3 used in 24 hours",
    )
    assert verdict.rules == ()


def test_a_limit_that_names_nobody_asks_those_of_the_defaults() -> None:
    after = tried(decide(limited(DAILY)), held=False)

    assert approvers(after) == {"lead": 1}


def test_a_limit_joins_whoever_is_asked_anyway() -> None:
    look = rule("look", "review", approvers=[{"role": "support"}])

    after = tried(decide(limited(DAILY, rules=[look])), held=False)

    assert approvers(after) == {"lead": 1, "support": 1}
    assert after.verdict.rules == ("platform/look",)


def test_the_people_of_a_limit_need_the_authority_too() -> None:
    authority = [{"role": "support", "up_to": {"EUR": 100}}, {"role": "lead", "up_to": {"EUR": 9000}}]
    made = limited(DAILY | {"approvers": [{"role": "support"}]}, authority=authority)

    after = tried(decide(made), held=False)

    assert approvers(after) == {"": 1}
    assert after.verdict.authorised == ("lead",)


def test_a_limit_can_deny() -> None:
    money = DAILY | {"max_minor": 10000, "currency": "EUR", "over": "deny", "per": ["customer"]}
    decided = decide(limited(money, rules=[rule("look", "review", exclude=["editor"], deadline_minutes=5)]))

    after = tried(decided, held=False, count=2, minor=9000)

    assert after.verdict.outcome is Outcome.DENY
    assert (after.verdict.requirements, after.verdict.exclude, after.verdict.deadline_minutes) == ((), (), None)
    assert after.verdict.reasons[-1] == (
        "The limit platform/daily is reached: 2 of 3 used, 90.00 EUR of 100.00 EUR used, 20.00 EUR more asked for"
        " in 24 hours for the same customer"
    )
    assert after.uses == ()


def test_of_several_that_are_reached_the_strictest_counts() -> None:
    decided = decide(limited(DAILY, DAILY | {"id": "hard", "over": "deny"}, DAILY | {"id": "soft"}))
    results = [Reserved(u.limit.ref, u.key, 3, 0, held=u.limit.id == "soft") for u in decided.uses]

    after = tightened(decided, results)

    assert after.verdict.outcome is Outcome.DENY
    assert len(after.verdict.reasons) == 3
    assert after.reserved == tuple(results)


def test_what_was_tried_is_stored_so_that_the_verdict_is_reached_again_without_the_store() -> None:
    made = limited(DAILY | {"per": ["customer"], "trips": True, "max_minor": 10000, "currency": "EUR"})
    decided = tried(decide(made, customer_id="cus_7"), held=False)

    stored = json.loads(json.dumps(record.to_json(decided)))
    again = record.from_json(stored)
    anew = engine.decide(made, record.facts_from_json(again.facts), at=again.decided_at)

    assert again == decided
    assert tightened(anew, again.reserved) == decided
    assert record.uses_of(stored) == decided.uses


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(10, "10 minutes"), (60, "1 hour"), (1440, "24 hours"), (90, "90 minutes"), (2880, "2 days"), (1500, "25 hours")],
)
def test_windows_in_words(minutes: int, said: str) -> None:
    assert window(minutes) == said

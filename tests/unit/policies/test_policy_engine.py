"""How answers become a verdict: the strictest wins, requirements add up, silence and failure never allow."""

from __future__ import annotations

import pytest
from policy_making import FAILING, FAILS, approvers, bundle, decide, outcome, policy, rule

from policies.types import Outcome

LEAD = {"approvers": [{"role": "lead"}]}
TWO_LEADS = {"approvers": [{"role": "lead", "n": 2}]}
FINANCE = {"approvers": [{"role": "finance"}]}


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ([], "review"),
        (["allow"], "allow"),
        (["allow", "allow"], "allow"),
        (["notify"], "review"),
        (["allow", "notify"], "notify"),
        (["review"], "review"),
        (["allow", "review"], "review"),
        (["allow", "notify", "review"], "review"),
        (["deny"], "deny"),
        (["allow", "deny"], "deny"),
        (["review", "deny", "allow", "notify"], "deny"),
    ],
)
def test_the_strictest_matching_rule_wins_and_only_allow_permits(outcomes: list[str], verdict: str) -> None:
    rules = [rule(f"{said}-{place}", said) for place, said in enumerate(outcomes)]
    never = rule("never", "deny", "customer_vip")

    assert outcome(policy(bundle("platform", never, *rules))) == verdict


def test_requirements_add_up_and_the_larger_number_wins() -> None:
    made = policy(
        bundle(
            "platform",
            rule("one", "review", **LEAD),
            rule("both", "review", **TWO_LEADS),
            rule("three", "review", **FINANCE),
            rule("four", "review"),
            rule("unmatched", "review", "customer_vip", approvers=[{"role": "support", "n": 5}]),
        )
    )

    decided = decide(made)

    assert approvers(decided) == {"lead": 2, "finance": 1}
    assert decided.verdict.rules == ("platform/both", "platform/four", "platform/one", "platform/three")


def test_a_review_that_names_nobody_is_for_anybody() -> None:
    assert approvers(decide(policy(bundle("platform", rule("look", "review"))))) == {"": 1}


def test_a_denial_asks_nobody_and_gives_its_own_reasons_only() -> None:
    made = policy(
        bundle(
            "platform", rule("no", "deny"), rule("look", "review", exclude=["editor"], **LEAD), rule("fine", "allow")
        )
    )

    verdict = decide(made).verdict

    assert (verdict.requirements, verdict.exclude) == ((), ())
    assert (verdict.reasons, verdict.rules) == (("because of no",), ("platform/no",))


def test_nothing_matched_is_for_the_people_of_the_defaults() -> None:
    made = policy(bundle("platform", rule("never", "allow", "customer_vip"), defaults=dict(LEAD)))

    decided = decide(made)

    assert decided.verdict.outcome is Outcome.REVIEW
    assert approvers(decided) == {"lead": 1}
    assert decided.verdict.rules == ()
    assert decided.verdict.reasons == ("No rule allows this by itself",)


@pytest.mark.parametrize(
    ("said", "verdict"), [({}, "deny"), ({"unknown_action": "deny"}, "deny"), ({"unknown_action": "review"}, "review")]
)
def test_an_unknown_action_is_denied_unless_the_policy_sends_it_to_people(said: dict[str, str], verdict: str) -> None:
    made = policy(bundle("platform", rule("anything", "allow"), defaults=said))

    assert outcome(made, action_kind="delete_customer") == verdict


def test_rules_for_every_action_hold_for_unknown_ones_too() -> None:
    made = policy(
        bundle("platform", rule("ceiling", "deny", "amount_minor > 100"), defaults={"unknown_action": "review"})
    )

    assert outcome(made, action_kind="delete_customer", amount_minor=101) == "deny"
    assert outcome(made, action_kind="delete_customer", amount_minor=100) == "review"


def test_a_domains_rules_for_every_action_hold_for_unknown_ones_too() -> None:
    platform = bundle("platform", rule("fine", "allow"), defaults={"unknown_action": "review"})
    support = bundle("support", rule("no", "deny"), layer="domain")

    assert outcome(policy(platform, support), action_kind="delete_customer") == "deny"
    assert outcome(policy(platform, support), action_kind="delete_customer", domain="content") == "review"


@pytest.mark.parametrize("key", ["unknown_action", "no_match"])
@pytest.mark.parametrize("said", [("review", "deny"), ("deny", "review")])
def test_of_two_bundles_that_say_a_default_the_strictest_counts(key: str, said: tuple[str, str]) -> None:
    never = rule("never", "allow", "customer_vip")
    made = policy(
        bundle("platform", never, defaults={key: said[0]}), bundle("org", never, layer="org", defaults={key: said[1]})
    )

    assert outcome(made, action_kind="delete_customer" if key == "unknown_action" else "add_tags") == "deny"


def test_of_several_defaults_the_strictest_counts() -> None:
    lenient = bundle("platform", rule("never", "allow", "customer_vip"), defaults={"unknown_action": "review"})
    strict = bundle("org", rule("never", "allow", "customer_vip"), layer="org", defaults={"no_match": "deny"})
    both = policy(lenient, strict)

    assert outcome(both) == "deny"
    assert outcome(both, action_kind="delete_customer") == "review"


@pytest.mark.parametrize("said", ["allow", "notify", "review", "deny"])
def test_a_rule_that_fails_means_review_at_least(said: str) -> None:
    made = policy(bundle("platform", rule("broken", said, FAILS), rule("fine", "allow"), defaults=dict(LEAD)))

    decided = decide(made, **FAILING)

    assert decided.verdict.outcome is Outcome.REVIEW
    assert approvers(decided) == {"lead": 1}
    assert decided.verdict.reasons == ("The rule platform/broken could not be evaluated",)
    broken = decided.answers[0]
    assert (broken.rule, broken.matched, decided.seen(broken)) == ("broken", None, {"case_events": 7})
    assert broken.error is not None
    assert "divide by zero" in broken.error


def test_a_failing_allow_rule_alone_means_review() -> None:
    made = policy(bundle("platform", rule("broken", "allow", FAILS)))

    assert outcome(made, **FAILING) == "review"
    assert outcome(made, case_events=8) == "allow"


def test_a_failing_rule_takes_nothing_away_from_the_others() -> None:
    made = policy(
        bundle("platform", rule("broken", "review", FAILS), rule("no", "deny"), rule("look", "review", **FINANCE))
    )

    decided = decide(made, **FAILING)

    assert decided.verdict.outcome is Outcome.DENY
    assert decided.verdict.reasons == ("because of no", "The rule platform/broken could not be evaluated")


def test_the_people_of_the_defaults_join_those_of_the_rules_when_a_rule_fails() -> None:
    made = policy(
        bundle("platform", rule("broken", "deny", FAILS), rule("look", "review", **FINANCE), defaults=dict(LEAD))
    )

    assert approvers(decide(made, **FAILING)) == {"finance": 1, "lead": 1}


def test_a_failing_rule_can_be_made_to_deny() -> None:
    made = policy(bundle("platform", rule("broken", "allow", FAILS), defaults={"rule_error": "deny"}))

    assert outcome(made, **FAILING) == "deny"


LAYERS = ("platform", "org", "domain", "agent")


@pytest.mark.parametrize("higher", LAYERS)
@pytest.mark.parametrize("lower", LAYERS)
def test_no_layer_loosens_another(higher: str, lower: str) -> None:
    strict = bundle("strict", rule("look", "review"), layer=higher)
    loose = bundle("loose", rule("fine", "allow"), layer=lower)

    assert outcome(policy(strict, loose)) == "review"


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_that_says_nothing_does_not_object(layer: str) -> None:
    silent = bundle("silent", rule("never", "deny", "customer_vip"))

    assert outcome(policy(silent, bundle("loose", rule("fine", "allow"), layer=layer))) == "allow"


def test_a_domains_bundle_is_for_its_domain_only() -> None:
    platform = bundle("platform", rule("fine", "allow"))
    support = bundle("support", rule("no", "deny"), layer="domain", domain="support")
    content = bundle("content", rule("look", "review"), layer="domain", domain="content")
    made = policy(platform, support, content)

    assert outcome(made, domain="support") == "deny"
    assert outcome(made, domain="content") == "review"
    assert outcome(made, domain="supply") == "allow"


def test_an_action_is_known_only_where_a_bundle_declares_it() -> None:
    platform = bundle("platform", rule("fine", "allow"), actions=[])
    support = bundle("support", rule("tags", "allow"), layer="domain", domain="support", actions=["add_tags"])
    content = bundle("content", rule("draft", "allow"), layer="domain", domain="content", actions=["create_post_draft"])
    made = policy(platform, support, content)

    assert outcome(made, domain="support", action_kind="add_tags") == "allow"
    assert outcome(made, domain="content", action_kind="create_post_draft") == "allow"
    assert outcome(made, domain="content", action_kind="add_tags") == "deny"
    assert outcome(made, domain="supply", action_kind="add_tags") == "deny"


def test_a_rule_is_asked_about_its_own_actions_only() -> None:
    made = policy(
        bundle(
            "platform", rule("refunds", "deny", actions=["refund_payment"]), rule("tags", "allow", actions=["add_tags"])
        )
    )

    assert outcome(made, action_kind="refund_payment") == "deny"
    assert outcome(made, action_kind="add_tags") == "allow"


@pytest.mark.parametrize(
    ("level", "said", "verdict", "reasons"),
    [
        ("enforce", "deny", "deny", ("because of trial",)),
        ("warn", "deny", "allow", ("because of fine", "Warning: because of trial")),
        ("observe", "deny", "allow", ("because of fine",)),
        ("warn", "review", "allow", ("because of fine", "Warning: because of trial")),
        ("observe", "review", "allow", ("because of fine",)),
    ],
)
def test_a_bundle_on_trial_is_recorded_and_changes_nothing(
    level: str, said: str, verdict: str, reasons: tuple[str, ...]
) -> None:
    trial = bundle("trial", rule("trial", said), layer="org", enforcement=level)

    decided = decide(policy(bundle("platform", rule("fine", "allow")), trial))

    assert decided.verdict.outcome.name.lower() == verdict
    assert decided.verdict.reasons == reasons
    assert ("trial", True) in {(answer.rule, answer.matched) for answer in decided.answers}


@pytest.mark.parametrize("level", ["observe", "warn"])
def test_a_bundle_on_trial_permits_nothing_and_excludes_nobody(level: str) -> None:
    trial = bundle(
        "trial",
        rule("fine", "allow"),
        rule("look", "review", exclude=["editor"], **FINANCE),
        layer="domain",
        enforcement=level,
        defaults={"no_match": "deny", "approvers": [{"role": "finance"}]},
    )

    decided = decide(policy(bundle("platform", rule("never", "deny", "customer_vip")), trial))

    assert decided.verdict.outcome is Outcome.REVIEW
    assert decided.verdict.exclude == ()
    assert approvers(decided) == {"": 1}


@pytest.mark.parametrize(
    ("level", "reasons"),
    [
        ("observe", ("because of fine",)),
        ("warn", ("because of fine", "Warning: the rule trial/broken could not be evaluated")),
    ],
)
def test_a_failing_rule_on_trial_is_recorded_and_changes_nothing(level: str, reasons: tuple[str, ...]) -> None:
    trial = bundle("trial", rule("broken", "deny", FAILS), layer="org", enforcement=level)

    decided = decide(policy(bundle("platform", rule("fine", "allow")), trial), **FAILING)

    assert decided.verdict.outcome is Outcome.ALLOW
    assert decided.verdict.reasons == reasons
    assert decided.answers[1].error is not None


def test_who_may_not_approve_is_gathered_from_all_matching_rules() -> None:
    made = policy(bundle("platform", rule("four-eyes", "review", exclude=["editor"]), rule("look", "review", **LEAD)))

    decided = decide(made)

    assert decided.verdict.exclude == ("editor",)
    assert approvers(decided) == {"lead": 1}


def test_a_reason_holds_the_values_that_mattered() -> None:
    said = rule(
        "look",
        "review",
        "amount_minor > 1000 && case_events > 0",
        message="{amount} ({amount_minor}) of {charge_refundable}, sure: {draft_confidence}, flags: {risk_flags}, {{x}}",
    )

    decided = decide(policy(bundle("platform", said)), amount_minor=123456, risk_flags=["a", "b"])

    assert decided.verdict.reasons == ("1,234.56 EUR (123456) of 40.00 EUR, sure: 0.9, flags: a, b, {x}",)
    assert decided.seen(decided.answers[0]) == {"amount_minor": 123456, "case_events": 1}


def test_the_record_explains_the_verdict_and_a_trace_shows_every_rule() -> None:
    made = policy(
        bundle(
            "platform",
            rule("look", "review"),
            rule("fine", "allow", "customer_vip"),
            rule("no", "deny", "customer_vip"),
            rule("broken", "review", FAILS),
        )
    )

    decided = decide(made, **FAILING)

    assert [(a.rule, a.matched) for a in decided.answers] == [("broken", None), ("fine", False), ("look", True)]
    assert decided.policy == "platform@1"
    assert decided.policy_hash == made.hash
    assert decided.engine == "cel-expr-python 0.1.3"

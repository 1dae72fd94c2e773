"""What stands around a condition: whether a match counts, what is drawn, what is obliged to, what is switched off."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from policy_making import AT, approvers, bundle, decide, outcome, policy, raw, rule

from policies import engine
from policies.conditions import drawn
from policies.obligations import Cap, Delay, Mask, Notify, Sample
from policies.types import Enforcement, Outcome

LEAD = {"approvers": [{"role": "lead"}]}
FINE = rule("fine", "allow")


@pytest.mark.parametrize(
    ("of_bundle", "of_rule", "verdict"),
    [
        ("enforce", "enforce", "deny"),
        ("enforce", "warn", "allow"),
        ("enforce", "observe", "allow"),
        ("observe", "enforce", "allow"),
        ("warn", "observe", "allow"),
    ],
)
def test_the_weaker_of_a_rules_level_and_its_bundles_counts(of_bundle: str, of_rule: str, verdict: str) -> None:
    trial = bundle("trial", rule("no", "deny", enforcement=of_rule), layer="org", enforcement=of_bundle)

    assert outcome(policy(bundle("platform", FINE), trial)) == verdict


def test_a_canary_counts_for_its_share_of_cases_and_is_observed_elsewhere() -> None:
    made = policy(bundle("platform", FINE, rule("careful", "review", canary=30)))

    records = [decide(made, draw=f"case_{number}") for number in range(400)]

    counted = [record for record in records if record.verdict.outcome is Outcome.REVIEW]
    assert 80 < len(counted) < 160
    elsewhere = next(record for record in records if record.verdict.outcome is Outcome.ALLOW)
    [answer] = [answer for answer in elsewhere.answers if answer.rule == "careful"]
    assert (answer.matched, answer.enforcement, answer.set_aside) == (True, Enforcement.OBSERVE, "canary")


def test_a_canary_draws_the_same_for_the_same_case_and_another_for_another_rule() -> None:
    made = policy(bundle("platform", FINE, rule("a", "review", canary=50), rule("b", "review", canary=50)))

    first = [decide(made, draw=f"case_{number}").verdict.rules for number in range(60)]

    assert first == [decide(made, draw=f"case_{number}").verdict.rules for number in range(60)]
    assert {("platform/a",), ("platform/b",)} <= set(first)


@pytest.mark.parametrize(("percent", "verdict"), [(0, "allow"), (100, "review")])
def test_a_canary_of_nothing_and_of_everything(percent: float, verdict: str) -> None:
    made = policy(bundle("platform", FINE, rule("careful", "review", canary=percent)))

    assert {outcome(made, draw=f"case_{number}") for number in range(50)} == {verdict}


def test_a_larger_share_holds_all_cases_of_a_smaller_one() -> None:
    cases = [f"case_{number}" for number in range(300)]

    assert {c for c in cases if drawn("a/b", c, 10)} < {c for c in cases if drawn("a/b", c, 40)}


def test_without_a_draw_a_canary_forbids_and_does_not_permit() -> None:
    careful = policy(bundle("platform", FINE, rule("careful", "review", canary=0)))
    bold = policy(bundle("platform", rule("bold", "allow", canary=100)))

    assert outcome(careful, draw="") == "review"
    assert outcome(bold, draw="") == "review"
    assert outcome(bold, draw="case_1") == "allow"


def test_a_failing_rule_that_is_not_rolled_out_changes_nothing() -> None:
    made = policy(bundle("platform", FINE, rule("broken", "deny", "1000 / (case_events - 7) > 0", canary=0)))

    assert outcome(made, case_events=7, draw="case_1") == "allow"


def test_a_suspended_rule_permits_nothing_and_its_match_is_shown() -> None:
    made = policy(bundle("platform", FINE, rule("no", "deny", "customer_vip")))

    decided = decide(made, thrown_switches=["rule:platform/fine"])

    assert decided.verdict.outcome is Outcome.REVIEW
    assert decided.verdict.reasons == ("No rule allows this by itself",)
    assert [(a.matched, a.set_aside) for a in decided.answers if a.rule == "fine"] == [(True, "suspended")]
    assert outcome(made, thrown_switches=["rule:platform/no"], customer_vip=True) == "deny"


@pytest.mark.parametrize("by", ["allow", "notify"])
def test_a_switch_on_a_rule_makes_nothing_milder(by: str) -> None:
    """Another rule allows it too: what the suspended one masks, holds back and makes heard is masked, held back and heard."""
    obliged = [{"kind": "mask", "what": ["card"]}, {"kind": "delay", "minutes": 60}, {"kind": "notify", "role": "lead"}]
    made = policy(bundle("platform", FINE, rule("careful", by, obligations=obliged)))

    before, suspended = decide(made).verdict, decide(made, thrown_switches=["rule:platform/careful"]).verdict

    assert suspended.obligations == before.obligations
    assert (before.outcome, suspended.outcome) == (Outcome[by.upper()], Outcome[by.upper()])


def test_a_suspended_rule_still_says_how_much_may_move() -> None:
    capped = rule("capped", "allow", obligations=[{"kind": "cap", "amount_minor": 1, "currency": "EUR"}])
    made = policy(bundle("platform", FINE, capped))

    assert (
        outcome(made, has_amount=True, amount_minor=2, currency="EUR", thrown_switches=["rule:platform/capped"])
        == "deny"
    )


@pytest.mark.parametrize("scope", ["all", "domain:support", "action:refund_payment", "vendor:payments"])
def test_a_thrown_switch_lets_nothing_run_by_itself(scope: str) -> None:
    decided = decide(policy(bundle("platform", FINE, defaults=LEAD)), thrown_switches=[scope])

    assert decided.verdict.outcome is Outcome.REVIEW
    assert approvers(decided) == {"lead": 1}
    assert decided.verdict.reasons == (f"The kill switch {scope!r} is thrown",)


def test_a_thrown_switch_asks_nobody_else_where_people_are_asked_anyway() -> None:
    support = {"approvers": [{"role": "support"}]}
    made = policy(bundle("platform", rule("look", "review", **support), defaults=LEAD))

    decided = decide(made, thrown_switches=["all"])

    assert approvers(decided) == {"support": 1}
    assert decided.verdict.reasons == ("because of look", "The kill switch 'all' is thrown")


@pytest.mark.parametrize("layer", ["platform", "org", "domain", "agent"])
@pytest.mark.parametrize("said", ["allow", "notify"])
def test_what_never_runs_by_itself_does_so_for_no_layer(layer: str, said: str) -> None:
    platform = bundle("platform", rule("never", "deny", "customer_vip"), never_automatic=["refund_payment"])
    made = policy(platform, bundle("loose", FINE, rule("too", said), layer=layer))

    decided = decide(made)

    assert decided.verdict.outcome is Outcome.REVIEW
    assert decided.verdict.reasons == ("refund_payment is never done without a person",)
    assert outcome(made, action_kind="add_tags") == ("allow" if said == "allow" else "notify")
    assert made.never_automatic == {"refund_payment"}


COUNTING = rule("often", "review", "customer_kind_count_24h > 2")


def test_a_counter_that_was_not_read_is_no_zero() -> None:
    made = policy(bundle("platform", FINE, COUNTING))

    unread = decide(made)

    assert unread.verdict.outcome is Outcome.REVIEW
    assert unread.verdict.reasons == ("The rule platform/often could not be evaluated",)
    assert outcome(made, has_counters=True) == "allow"
    assert outcome(made, has_counters=True, customer_kind_count_24h=3) == "review"


def test_a_clock_that_nobody_stated_is_not_midnight() -> None:
    made = policy(bundle("platform", FINE, rule("night", "review", "local_hour >= 22")))

    assert decide(made).verdict.reasons == ("The rule platform/night could not be evaluated",)
    assert outcome(made, local_hour=9, local_date="2026-11-20") == "allow"


def test_a_policy_says_which_facts_its_rules_look_at() -> None:
    told = rule(
        "tags", "allow", "size(unknown_tags) == 0", actions=["add_tags"], message="{kind_count_24h} today, {amount}"
    )
    waived = {"id": "w", "rule": "tags", "when": "customer_vip", "owner": "Ana", "reason": "known"}
    platform = bundle("platform", told, COUNTING | {"actions": ["refund_payment"]})
    made = policy(platform | {"waivers": [waived | {"until": "2027-01-01T00:00:00Z"}]})

    assert made.names("support", "refund_payment") == {"customer_kind_count_24h"}
    assert made.names("support", "add_tags") == {
        *("unknown_tags", "kind_count_24h", "amount_minor", "currency", "customer_vip")
    }


# ── obligations ──────────────────────────────────────────────────────────────────────────────────────────────────────


def obliged(name: str, said: str, *obligations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return rule(name, said, obligations=list(obligations), **more)


def test_obligations_of_all_matching_rules_add_up() -> None:
    made = policy(
        bundle(
            "platform",
            obliged("a", "allow", {"kind": "delay", "minutes": 30}, {"kind": "mask", "what": ["iban"]}),
            obliged("b", "review", {"kind": "delay", "minutes": 60}, {"kind": "mask", "what": ["card", "iban"]}),
            obliged("c", "allow", {"kind": "notify", "role": "finance"}),
            obliged("d", "allow", {"kind": "delay", "minutes": 999}, when="customer_vip"),
        )
    )

    assert decide(made).verdict.obligations == (
        Delay(minutes=60),
        Mask(what=("card", "iban")),
        Notify(role="finance"),
    )


def test_a_denial_obliges_to_nothing() -> None:
    made = policy(bundle("platform", obliged("a", "allow", {"kind": "delay", "minutes": 30}), rule("no", "deny")))

    assert decide(made).verdict.obligations == ()


@pytest.mark.parametrize(
    ("amount", "currency", "verdict"),
    [(5000, "EUR", "allow"), (5001, "EUR", "deny"), (-5001, "EUR", "deny"), (10, "USD", "deny")],
)
def test_what_is_above_a_cap_is_denied(amount: int, currency: str, verdict: str) -> None:
    made = policy(bundle("platform", obliged("a", "allow", {"kind": "cap", "amount_minor": 5000, "currency": "EUR"})))

    assert outcome(made, amount_minor=amount, currency=currency) == verdict


def test_a_cap_says_what_it_is_and_means_nothing_where_no_money_moves() -> None:
    made = policy(bundle("platform", obliged("a", "allow", {"kind": "cap", "amount_minor": 5000, "currency": "EUR"})))

    verdict = decide(made, amount_minor=5001).verdict

    assert verdict.reasons == ("50.01 EUR is not within the 50.00 EUR that may move",)
    assert decide(made, has_amount=False, amount_minor=0, currency="").verdict.obligations == (
        Cap(amount_minor=5000, currency="EUR"),
    )


def test_a_cap_on_an_amount_that_cannot_be_read_is_not_kept() -> None:
    made = policy(bundle("platform", obliged("a", "allow", {"kind": "cap", "amount_minor": 5000, "currency": "EUR"})))

    assert engine.judge(made, raw(currency=None), at=AT).verdict.outcome is Outcome.DENY


def test_a_sample_sends_its_share_to_people() -> None:
    made = policy(bundle("platform", obliged("a", "allow", {"kind": "sample", "percent": 20, "role": "lead"})))

    records = [decide(made, draw=f"case_{number}") for number in range(400)]

    drawn_ = [record for record in records if record.verdict.outcome is Outcome.REVIEW]
    assert 45 < len(drawn_) < 115
    assert {tuple(approvers(record).items()) for record in drawn_} == {(("lead", 1),)}
    assert drawn_[0].verdict.reasons == ("Drawn for a second look, as 20 % of these are",)
    assert {record.verdict.obligations for record in records} == {(Sample(percent=20, role="lead"),)}


def test_without_a_draw_everything_is_sampled() -> None:
    made = policy(bundle("platform", obliged("a", "allow", {"kind": "sample", "percent": 1}), defaults=LEAD))

    assert approvers(decide(made, draw="")) == {"lead": 1}


# ── waivers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def waived(**changes: Any) -> Any:
    waiver = {
        "id": "known",
        "rule": "platform/look",
        "when": "customer_vip",
        "until": "2026-12-01T00:00:00Z",
        "owner": "Ana, head of support",
        "reason": "They are audited by hand every month",
    }
    return policy(
        bundle("platform", FINE, rule("look", "review", **LEAD)),
        bundle("exceptions", rule("never", "deny", "false"), layer="org", waivers=[waiver | changes]),
    )


def test_a_waived_match_is_shown_and_does_not_count() -> None:
    decided = decide(waived(), customer_vip=True)

    assert decided.verdict.outcome is Outcome.ALLOW
    assert decided.verdict.waivers == ("exceptions/known",)
    assert {a.rule: a.set_aside for a in decided.answers} == {"fine": None, "look": "waiver:exceptions/known"}


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({}, {"customer_vip": False}),
        ({}, {"occurred_at": datetime(2026, 12, 1, tzinfo=UTC)}),
        ({"when": "customer_vip && 1000 / (case_events - 7) > 0"}, {"case_events": 7}),
        ({"when": "customer_vip && kind_count_24h < 3"}, {}),
        ({"rule": "platform/fine"}, {}),
    ],
)
def test_a_waiver_holds_under_its_condition_until_its_time_for_its_rule_only(
    changes: dict[str, Any], facts: dict[str, Any]
) -> None:
    decided = decide(waived(**changes), **({"customer_vip": True} | facts))

    assert decided.verdict.outcome is Outcome.REVIEW


def test_a_waiver_of_a_bundle_on_trial_waives_nothing() -> None:
    made = policy(
        bundle("platform", FINE, rule("look", "review", **LEAD)),
        bundle(
            "exceptions",
            rule("never", "deny", "false"),
            layer="org",
            enforcement="observe",
            waivers=[
                {"id": "known", "rule": "platform/look", "when": "true", "until": "2026-12-01T00:00:00Z"}
                | {"owner": "Ana", "reason": "known"}
            ],
        ),
    )

    assert outcome(made) == "review"


def test_the_thresholds_of_autonomy_are_the_strictest_of_those_that_are_said() -> None:
    one = bundle("one", FINE, autonomy={"lower_bound": 0.9, "min_decisions": 300, "alpha": 0.01})
    two = bundle("two", FINE, autonomy={"lower_bound": 0.99, "max_reversal_rate": 0.01})

    said = policy(one, two).autonomy

    assert (said.lower_bound, said.min_decisions, said.max_reversal_rate, said.alpha) == (0.99, 300, 0.01, 0.05)
    assert policy(bundle("one", FINE)).autonomy.min_decisions == 100

"""Whom a verdict asks: stages, ladders, exclusions, deadlines and authority, put together from several rules."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_making import AT, approvers, bundle, decide, policy, raw, rule

from policies import engine
from policies.approvals import Approval, Asked, tally
from policies.requirements import ANYBODY, union
from policies.types import DecisionRecord, Outcome, Requirement, Rung

SUPPORT, LEAD, FINANCE = Requirement("support"), Requirement("lead"), Requirement("finance")


def staged(*stages: tuple[Requirement, ...]) -> tuple[Requirement, ...]:
    return tuple(Requirement(r.role, r.n, place, r.ladder) for place, stage in enumerate(stages) for r in stage)


def stages(record: DecisionRecord) -> list[dict[str, int]]:
    asked = record.verdict.requirements
    return [{r.role: r.n for r in asked if r.stage == stage} for stage in sorted({r.stage for r in asked})]


def test_stages_stay_in_their_order() -> None:
    made = policy(
        bundle("platform", rule("large", "review", stages=[[{"role": "lead"}], [{"role": "finance", "n": 2}]]))
    )

    assert stages(decide(made)) == [{"lead": 1}, {"finance": 2}]


def test_an_unstaged_demand_is_met_by_whatever_stage_asks_for_the_role() -> None:
    """Otherwise a second rule that asks for a lead would need a second lead."""
    made = policy(
        bundle(
            "platform",
            rule("large", "review", stages=[[{"role": "support"}], [{"role": "lead"}]]),
            rule("look", "review", approvers=[{"role": "lead"}]),
        )
    )

    assert stages(decide(made)) == [{"support": 1}, {"lead": 1}]


def test_what_no_stage_asks_for_joins_the_first() -> None:
    made = policy(
        bundle(
            "platform",
            rule("large", "review", stages=[[{"role": "support"}], [{"role": "lead"}]]),
            rule("look", "review", approvers=[{"role": "lead", "n": 3}, {"role": "finance"}]),
        )
    )

    assert stages(decide(made)) == [{"support": 1, "lead": 2, "finance": 1}, {"lead": 1}]


def test_two_orders_of_the_same_roles_are_both_kept() -> None:
    """Neither order can be given up, so each role is asked twice: more people, never fewer."""
    assert union([staged((LEAD,), (FINANCE,)), staged((FINANCE,), (LEAD,))]) == (
        *(Requirement("finance", 1, 0), Requirement("lead", 1, 0)),
        *(Requirement("finance", 1, 1), Requirement("lead", 1, 1)),
    )


def test_a_rung_counts_only_where_every_rule_has_it_and_at_the_later_time() -> None:
    patient = Requirement("lead", 1, 0, (Rung(60, "finance"), Rung(120, "support")))
    hasty = Requirement("lead", 1, 0, (Rung(30, "finance"),))

    assert union([[patient], [hasty]]) == (Requirement("lead", 1, 0, (Rung(60, "finance"),)),)
    assert union([[patient], [LEAD]]) == (LEAD,)


def test_a_demand_without_a_ladder_takes_it_from_the_stage_that_meets_it() -> None:
    climbing = staged((SUPPORT,), (Requirement("lead", 1, 0, (Rung(60, "finance"),)),))

    assert union([climbing, [LEAD]]) == staged((SUPPORT,), (LEAD,))


def test_anybody_is_met_by_whoever_is_asked_anyway() -> None:
    assert union([ANYBODY, [LEAD]]) == (LEAD,)
    assert union([ANYBODY, staged((SUPPORT,), (LEAD,))]) == staged((SUPPORT,), (LEAD,))
    assert union([ANYBODY]) == ANYBODY


ROLES = ("support", "lead", "finance")
ladders = st.lists(st.sampled_from(ROLES), max_size=2, unique=True).map(
    lambda roles: tuple(Rung(60 * (place + 1), role) for place, role in enumerate(roles))
)
some = st.dictionaries(st.sampled_from(ROLES), st.tuples(st.integers(1, 2), ladders), min_size=1, max_size=2)
parts = st.lists(some, min_size=1, max_size=3).map(
    lambda said: tuple(
        Requirement(role, n, stage, ladder) for stage, asked in enumerate(said) for role, (n, ladder) in asked.items()
    )
)
people = st.lists(st.frozensets(st.sampled_from(ROLES), min_size=1), max_size=9)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(parts, min_size=1, max_size=3), people)
def test_whoever_fills_the_whole_has_filled_each_part(asked: list[tuple[Requirement, ...]], who: list[Any]) -> None:
    """So a rule more never lets fewer people suffice."""
    given_yes = [Approval(f"p{place}", groups, at=AT) for place, groups in enumerate(who)]
    whole = tally(Asked(union(asked), since=AT), given_yes)

    if not whole.missing:
        for part in asked:
            assert not tally(Asked(part, since=AT), whole.approvals).missing


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(parts, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_the_parts_means_nothing(asked: list[tuple[Requirement, ...]], random: Any) -> None:
    shuffled = random.sample(asked, len(asked))

    assert union(shuffled) == union(asked)


def test_who_may_not_say_yes_and_how_long_there_is_adds_up() -> None:
    made = policy(
        bundle(
            "platform",
            rule("one", "review", exclude=["editor"], deadline_minutes=240),
            rule("two", "review", exclude=["initiator", "last_approver"], deadline_minutes=60),
            rule("three", "review"),
            rule("unmatched", "review", "customer_vip", deadline_minutes=5),
        )
    )

    verdict = decide(made).verdict

    assert verdict.exclude == ("editor", "initiator", "last_approver")
    assert verdict.deadline_minutes == 60


AUTHORITY = [
    {"role": "support", "up_to": {"EUR": 20000}},
    {"role": "lead", "up_to": {"EUR": 100000, "*": 5000}},
]


def firm(*rules: dict[str, Any], authority: Any = AUTHORITY, **more: Any) -> Any:
    return policy(
        bundle("platform", *rules, authority=authority, roles=["support", "lead", "finance", "legal"], **more)
    )


@pytest.mark.parametrize(
    ("amount", "currency", "authorised"),
    [
        (20000, "EUR", ("lead", "support")),
        (20001, "EUR", ("lead",)),
        (100000, "EUR", ("lead",)),
        (5000, "JPY", ("lead",)),
        (-20001, "EUR", ("lead",)),
    ],
)
def test_only_those_with_the_authority_may_approve_so_much(
    amount: int, currency: str, authorised: tuple[str, ...]
) -> None:
    made = firm(rule("look", "review"))

    assert decide(made, amount_minor=amount, currency=currency).verdict.authorised == authorised


@pytest.mark.parametrize(("amount", "currency"), [(100001, "EUR"), (5001, "JPY")])
@pytest.mark.parametrize("said", ["allow", "review"])
def test_what_nobody_may_approve_is_denied(said: str, amount: int, currency: str) -> None:
    verdict = decide(firm(rule("fine", said)), amount_minor=amount, currency=currency).verdict

    assert verdict.outcome is Outcome.DENY
    assert verdict.reasons == ("Nobody has the authority to approve so much",)
    assert verdict.authorised is None


def test_where_no_money_moves_nobody_needs_authority() -> None:
    verdict = decide(firm(rule("look", "review")), has_amount=False, amount_minor=0).verdict

    assert (verdict.outcome, verdict.authorised) == (Outcome.REVIEW, None)


def test_the_place_of_a_role_without_enough_authority_goes_to_anybody_who_has_it() -> None:
    look = rule("look", "review", approvers=[{"role": "support"}])
    grave = rule("grave", "review", approvers=[{"role": "lead"}])

    assert approvers(decide(firm(look), amount_minor=20000)) == {"support": 1}
    assert approvers(decide(firm(look), amount_minor=20001)) == {"": 1}
    assert approvers(decide(firm(look, grave), amount_minor=20001)) == {"lead": 1}


def test_handed_on_places_are_still_for_as_many_people() -> None:
    authority = [*AUTHORITY, {"role": "finance", "up_to": {"EUR": 100}}]
    both = rule("look", "review", approvers=[{"role": "support"}, {"role": "finance"}])

    assert approvers(decide(firm(both, authority=authority), amount_minor=20001)) == {"": 2}


def test_a_role_that_is_asked_for_something_else_than_money_keeps_its_place() -> None:
    made = firm(rule("look", "review", approvers=[{"role": "legal"}]))

    assert approvers(decide(made, amount_minor=20001)) == {"legal": 1}


def test_several_tables_of_authority_hold_together() -> None:
    made = policy(
        bundle("one", rule("look", "review"), authority=AUTHORITY),
        bundle("two", rule("look", "review"), authority=[{"role": "lead", "up_to": {"*": 50000}}]),
    )

    assert decide(made, amount_minor=20000).verdict.authorised == ("lead",)
    assert decide(made, amount_minor=50001).verdict.outcome is Outcome.DENY


@pytest.mark.parametrize(
    ("changes", "authorised"),
    [
        ({"currency": None, "amount_minor": 5000}, ("lead", "support")),
        ({"currency": None, "amount_minor": 5001}, ("support",)),
        ({"amount_minor": None}, ("lead",)),
        ({"has_amount": None}, ("lead", "support")),
    ],
)
def test_what_is_not_known_of_an_amount_counts_as_the_worst_it_could_be(
    changes: dict[str, Any], authorised: tuple[str, ...]
) -> None:
    decided = engine.judge(firm(rule("look", "review")), raw(**changes), at=AT)

    assert decided.verdict.outcome is Outcome.REVIEW
    assert decided.verdict.authorised == authorised

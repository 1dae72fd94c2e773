"""Facts that cannot be trusted allow nothing; and rules that look at sound ones alone still say who must decide."""

from __future__ import annotations

import pytest
from policy_making import AT, approvers, raw

from policies import engine
from policies.loader import load
from policies.types import Outcome
from workers.settings import SHIPPED_POLICY

SHIPPED = load(SHIPPED_POLICY)


def test_an_amount_above_the_ceiling_stays_above_it() -> None:
    """Nobody may approve it, however unreadable the rest is."""
    decided = engine.judge(
        SHIPPED, raw(currency=None, amount_minor=1_000_001, charge_refundable_minor=2_000_000), at=AT
    )

    assert decided.verdict.outcome is Outcome.DENY
    assert decided.verdict.rules == ("platform/amount-ceiling",)
    assert decided.verdict.requirements == ()


def test_a_large_amount_asks_for_everybody_whom_it_asks_for_otherwise() -> None:
    """A lead alone would be fewer than the sound facts ask for."""
    decided = engine.judge(SHIPPED, raw(currency=None, amount_minor=150_000, charge_refundable_minor=2_000_000), at=AT)

    assert decided.verdict.outcome is Outcome.REVIEW
    assert approvers(decided) == {"lead": 1, "finance": 1}
    assert decided.verdict.exclude == ("editor",)
    assert "currency" in decided.verdict.reasons[0]


@pytest.mark.parametrize("name", ["has_charge", "target_is_record", "charge_disputed"])
def test_a_fact_that_was_refused_decides_nothing(name: str) -> None:
    """Its default is not what is so: a charge is not called somebody else's because a value could not be read."""
    decided = engine.judge(SHIPPED, raw(**{name: "yes"}), at=AT)

    assert decided.verdict.outcome is Outcome.REVIEW
    assert decided.verdict.rules == ()


def test_a_fact_that_nobody_declared_takes_nothing_away() -> None:
    decided = engine.judge(SHIPPED, raw(approved=True, text_has_secret=True), at=AT)

    assert decided.verdict.outcome is Outcome.DENY
    assert decided.verdict.rules == ("platform/secret-in-text",)


def test_without_a_domain_no_rule_is_asked() -> None:
    decided = engine.judge(SHIPPED, raw(domain=None), at=AT)

    assert decided.verdict.outcome is Outcome.DENY
    assert decided.verdict.rules == ()

"""Samples and canaries are drawn by the case: the share is right, the same case is drawn alike, and two rules draw apart."""

from __future__ import annotations

from math import sqrt

import pytest

from policies.conditions import drawn

CASES = [f"case_{number:05}" for number in range(10_000)]


@pytest.mark.parametrize("percent", [0.5, 1, 5, 10, 33.3, 50, 90, 100])
@pytest.mark.parametrize("rule", ["support/refund-small", "platform/everything"])
def test_the_share_is_what_was_asked_for(rule, percent):
    share = sum(drawn(rule, case, percent) for case in CASES)

    expected = len(CASES) * percent / 100
    # Four standard deviations of so many independent draws; the ids are fixed, so it never differs.
    assert abs(share - expected) <= 4 * sqrt(expected * (1 - percent / 100))


def test_raising_the_share_keeps_those_who_were_drawn_before():
    few = {case for case in CASES if drawn("support/refund-small", case, 5)}
    more = {case for case in CASES if drawn("support/refund-small", case, 20)}

    assert few < more


def test_two_rules_draw_apart():
    one = {case for case in CASES if drawn("support/one", case, 20)}
    other = {case for case in CASES if drawn("support/other", case, 20)}

    expected = len(CASES) * 0.04
    assert abs(len(one & other) - expected) <= 4 * sqrt(expected)

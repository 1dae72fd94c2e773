"""What a count of outcomes proves: exact where it can be checked, and honest however often it is looked at."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from policies.evidence import first_alarm, lasting_bound, lower_bound, suspicion


@pytest.mark.parametrize("seen", [1, 2, 5, 20, 100, 320, 5_000, 1_000_000])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.999])
def test_the_bound_is_that_of_clopper_and_pearson(seen, confidence):
    for noes in {0, 1, 2, seen // 50, seen // 2, seen - 1}:
        if noes < seen:
            exact = beta.ppf(1 - confidence, seen - noes, noes + 1)
            assert lower_bound(seen - noes, seen, confidence) == pytest.approx(exact, abs=1e-10)


def test_318_of_320_may_be_relied_on_to_98_per_cent():
    assert round(lower_bound(318, 320), 2) == 0.98


def test_nothing_agreed_proves_nothing():
    assert lower_bound(0, 50) == 0.0
    assert lower_bound(0, 0) == 0.0
    assert lasting_bound(0, 0) == 0.0
    assert lasting_bound(0, 50) < 0.05


@pytest.mark.parametrize(("agreed", "seen"), [(-1, 3), (4, 3)])
def test_what_is_no_count_is_refused(agreed, seen):
    for bound in (lower_bound, lasting_bound):
        with pytest.raises(ValueError, match="no count"):
            bound(agreed, seen)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 2000), st.data())
def test_looking_as_often_as_one_likes_costs_something(seen, data):
    """The bound that holds for all looks is never above the one for a single look, and more noes never raise it."""
    agreed = data.draw(st.integers(0, seen))

    assert lasting_bound(agreed, seen) <= lower_bound(agreed, seen) + 1e-9
    if agreed:
        assert lasting_bound(agreed - 1, seen) <= lasting_bound(agreed, seen) + 1e-9


def test_the_lasting_bound_holds_at_every_look():
    """Looked at again and again over 400 decisions, it is above the truth in no more of the worlds than it says."""
    random_numbers, truth, broken = random.Random(7), 0.95, 0
    for _ in range(60):
        agreed = 0
        for seen in range(1, 401):
            agreed += random_numbers.random() < truth
            if seen % 10 == 0 and lasting_bound(agreed, seen) > truth:
                broken += 1
                break
    assert broken <= 0.05 * 60


def test_one_look_at_a_time_would_not_hold():
    """Why the exact bound must not decide: who looks again and again sees it above the truth far more often."""
    random_numbers, truth, broken = random.Random(7), 0.95, 0
    for _ in range(40):
        agreed = 0
        for seen in range(1, 401):
            agreed += random_numbers.random() < truth
            if seen % 20 == 0 and lower_bound(agreed, seen) > truth:
                broken += 1
                break
    assert broken > 0.05 * 40


@pytest.mark.parametrize("tolerated", [0.02, 0.05, 0.1])
def test_a_rule_that_is_as_good_as_tolerated_is_seldom_suspected(tolerated):
    """With the worst rate that is still tolerated, at most alpha of the worlds ever raise an alarm."""
    random_numbers = random.Random(11)

    alarms = sum(
        first_alarm(suspicion([random_numbers.random() < tolerated for _ in range(1000)], tolerated), 0.05) is not None
        for _ in range(100)
    )

    assert alarms <= 0.05 * 100


def test_a_rule_that_went_bad_after_years_is_caught_about_as_fast_as_a_new_one():
    random_numbers = random.Random(3)
    delays = {before: [] for before in (0, 2000)}
    for before, found in delays.items():
        for _ in range(30):
            past = [random_numbers.random() < 0.01 for _ in range(before)]
            path = suspicion([*past, *(random_numbers.random() < 0.4 for _ in range(300))], 0.05)
            alarm = first_alarm(path, 0.05)
            assert alarm is not None
            found.append(alarm - before)

    assert sorted(delays[0])[15] <= 12
    assert sorted(delays[2000])[15] <= 45


@settings(deadline=None, max_examples=60)
@given(st.lists(st.booleans(), min_size=1, max_size=200), st.data())
def test_what_turns_out_wrong_later_can_only_raise_suspicion(outcomes, data):
    place = data.draw(st.integers(0, len(outcomes) - 1))
    worse = [*outcomes[:place], True, *outcomes[place + 1 :]]

    assert all(
        after >= before - 1e-9 * before
        for before, after in zip(suspicion(outcomes, 0.05), suspicion(worse, 0.05), strict=True)
    )


def test_a_rule_that_always_errs_makes_no_number_too_large():
    path = suspicion([True] * 5000, 0.05)

    assert path[-1] < float("inf")
    assert first_alarm(path, 0.05) < 6


def test_nothing_can_be_tolerated_always_or_never():
    for tolerated in (0.0, 1.0):
        with pytest.raises(ValueError, match="share"):
            suspicion([True], tolerated)

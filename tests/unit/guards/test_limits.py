"""Limits as they are written, and the arithmetic of the bucket."""

from __future__ import annotations

import pytest

from workers.guards.limits import PATIENCE, Limit, parse, turn


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("zendesk=10/s", {"zendesk": Limit(10, 1)}),
        (" zendesk = 10/s , stripe=2.5/min,", {"zendesk": Limit(10, 1), "stripe": Limit(2.5, 60)}),
        ("github=5000/h", {"github": Limit(5000, 3600)}),
        ("zendesk=0/s", {}),
    ],
)
def test_limits_are_read_as_written(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["zendesk", "zendesk=10", "zendesk=10/day", "Zendesk=10/s", "=1/s"])
def test_what_is_no_limit_is_refused(text):
    with pytest.raises(ValueError, match="no limit"):
        parse(text)


def test_a_full_bucket_gives_a_burst_then_spaces_the_calls_evenly_then_refuses():
    limit, tokens, waits = Limit(10, 1), 10.0, []
    while True:
        tokens, answer = turn(limit, tokens, 0.0)
        if not answer.granted:
            break
        waits.append(round(answer.wait, 6))

    assert waits == [0.0] * 10 + [0.1, 0.2]
    assert max(waits) <= PATIENCE
    assert answer.wait == pytest.approx(0.3)


def test_a_refusal_takes_nothing():
    limit = Limit(10, 1)
    tokens, answer = turn(limit, -2.0, 0.0)

    assert not answer.granted
    assert tokens == -2.0


def test_over_a_long_time_exactly_the_rate_is_granted():
    limit, tokens, granted = Limit(10, 1), 10.0, 0
    for _ in range(60_000):
        tokens, answer = turn(limit, tokens, 0.01)
        granted += answer.granted

    assert granted == pytest.approx(600 * 10, abs=13)


def test_time_that_goes_backwards_gives_nothing():
    tokens, _ = turn(Limit(10, 1), 5.0, -100.0)

    assert tokens == 4.0


def test_a_rate_below_one_a_second_still_lets_one_through():
    tokens, first = turn(Limit(2, 60), 1.0, 0.0)
    _, second = turn(Limit(2, 60), tokens, 0.0)

    assert first.granted
    assert not second.granted
    assert second.wait == pytest.approx(30)

"""The circuit breaker: closed, open, half-open with one probe; the time is passed in."""

from __future__ import annotations

import threading

import pytest

from workers.guards.breaker import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, WHILE_PROBED, Breaker


def opened(at=100.0):
    breaker = Breaker()
    for _ in range(FAILURES):
        breaker.failed(at)
    return breaker


def test_it_opens_at_the_fifth_failure_in_a_row_and_says_when_to_come_back():
    breaker = Breaker()
    for _ in range(FAILURES - 1):
        breaker.failed(100.0)
    assert breaker.refuses(100.0) == 0

    breaker.failed(100.0)

    assert breaker.state == "open"
    assert breaker.refuses(101.0) == FIRST_PAUSE - 1


def test_an_answer_in_between_begins_the_count_anew():
    breaker = Breaker()
    for _ in range(FAILURES * 3):
        for _ in range(FAILURES - 1):
            breaker.failed(100.0)
        breaker.answered()

    assert breaker.refuses(100.0) == 0


def test_after_the_pause_exactly_one_may_try():
    breaker = opened()
    later = 100.0 + FIRST_PAUSE
    together = threading.Barrier(8)
    allowed = []

    def ask():
        together.wait(60)
        allowed.append(breaker.refuses(later) == 0)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert allowed.count(True) == 1
    assert breaker.state == "half-open"


def test_a_probe_that_is_answered_closes_it_for_all():
    breaker = opened()
    assert breaker.refuses(105.0) == 0

    breaker.answered()

    assert breaker.state == "closed"
    assert [breaker.refuses(105.0) for _ in range(3)] == [0, 0, 0]


def test_each_probe_that_fails_doubles_the_pause_up_to_a_minute():
    breaker, now, pauses = opened(0.0), 0.0, []
    for _ in range(7):
        pause = breaker.refuses(now)
        pauses.append(pause)
        now += pause
        assert breaker.refuses(now) == 0
        breaker.failed(now)

    assert pauses == [5, 10, 20, 40, 60, 60, 60]
    assert pauses[-1] == LONGEST_PAUSE


def test_a_probe_that_says_nothing_of_the_vendor_lets_another_try():
    breaker = opened()
    assert breaker.refuses(105.0) == 0
    assert breaker.refuses(105.0) > 0

    breaker.given_up()

    assert breaker.refuses(105.0) == 0


def test_calls_that_were_under_way_when_it_opened_change_nothing():
    breaker = opened()
    for _ in range(100):
        breaker.failed(101.0)

    assert breaker.refuses(101.0) == FIRST_PAUSE - 1


@pytest.mark.parametrize("ends", [lambda breaker: breaker.failed(106.0), Breaker.given_up], ids=["failed", "given up"])
def test_calls_that_were_under_way_when_it_opened_end_no_probe(ends):
    """As those of a vendor that hangs, which end one by one: else a second would try beside the first."""
    breaker = opened()
    assert breaker.refuses(105.0) == 0

    late = threading.Thread(target=ends, args=[breaker])
    late.start()
    late.join(60)

    assert breaker.state == "half-open"
    assert breaker.refuses(120.0) == WHILE_PROBED
    breaker.failed(120.0)
    assert breaker.refuses(120.0) == 2 * FIRST_PAUSE

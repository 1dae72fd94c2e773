"""For an urgent case somebody else is asked as well when the first takes long; whoever answers first is taken."""

from __future__ import annotations

import threading

import pytest

from integrations.errors import LeftAlone, Temporary
from integrations.models.base import Refused
from integrations.models.failures import Unavailable
from tests.unit.models.routed import Scripted, request, router, seat, usage

LONG = 20.0


@pytest.fixture
def held():
    """Something to wait for, let go at the end of the test at the latest."""
    event = threading.Event()
    yield event
    event.set()


def waits(event):
    return lambda: event.wait(LONG) and None


def hedged(first, second, **more):
    return router(seat(first, hedge_after=0.02), seat(second), **more)


def test_an_urgent_case_does_not_wait_for_one_that_takes_long(held):
    first, second = Scripted("alpha", script=[waits(held)]), Scripted("beta")

    found = hedged(first, second).answer(request(urgent=True))

    assert found.output.by == "beta"
    assert found.remarks == ("alpha took longer than 0.02 s for an urgent case. beta/m answered instead.",)


def test_what_comes_too_late_is_billed_and_not_used(held):
    late, told = [], threading.Event()
    first, second = Scripted("alpha", script=[waits(held)]), Scripted("beta")

    def bill(asked, usages):
        late.append((asked.about.case_id, [used.provider for used in usages]))
        told.set()

    found = hedged(first, second, late=bill).answer(request(urgent=True, case_id="case_1"))
    assert late == []
    held.set()

    assert told.wait(LONG)
    assert late == [("case_1", ["alpha"])]
    assert [used.provider for used in (*found.earlier, found.usage)] == ["beta"]


def test_the_first_may_still_win_after_the_second_was_asked(held):
    begun, answered = threading.Event(), threading.Event()
    first = Scripted("alpha", script=[waits(begun)])
    second = Scripted("beta", script=[lambda: (begun.set(), held.wait(LONG))])

    def bill(_asked, usages):
        assert [used.provider for used in usages] == ["beta"]
        answered.set()

    found = hedged(first, second, late=bill).answer(request(urgent=True))
    held.set()

    assert (found.output.by, found.remarks) == ("alpha", ())
    assert answered.wait(LONG)


def test_one_that_is_not_urgent_waits(held):
    first, second = Scripted("alpha", script=[held.set]), Scripted("beta")

    assert hedged(first, second).answer(request(urgent=False)).output.by == "alpha"
    assert second.asked == []


def test_a_quick_failure_goes_on_to_the_next_as_ever():
    first, second = Scripted("alpha", script=[LeftAlone("Away.")]), Scripted("beta")

    found = hedged(first, second).answer(request(urgent=True))

    assert found.remarks == ("alpha was not asked (Away); beta/m answered instead.",)
    assert len(second.asked) == 1


def test_where_both_fail_the_rest_is_asked_and_nobody_twice(held):
    first = Scripted("alpha", script=[lambda: (held.wait(LONG), fail())])
    second = Scripted("beta", script=[lambda: (held.set(), fail())])
    third = Scripted("gamma")

    def fail():
        raise LeftAlone("Away.")

    found = router(seat(first, hedge_after=0.02), seat(second), seat(third)).answer(request(urgent=True))

    assert found.output.by == "gamma"
    assert len(found.remarks) == 2
    assert (len(first.asked), len(second.asked)) == (1, 1)


def test_what_the_first_declines_is_left_to_a_person_though_the_second_fails_after_it(held):
    """No route is asked behind the back of one that says so, whoever was asked beside it."""
    second_asked = threading.Event()

    def decline():
        second_asked.wait(LONG)
        raise Refused("No.", usage=usage("alpha"))

    def fail():
        second_asked.set()
        held.wait(0.2)
        raise Temporary("Down.", retry_after=30.0)

    third = Scripted("gamma")
    asked = router(
        seat(Scripted("alpha", script=[decline]), hedge_after=0.02), seat(Scripted("beta", script=[fail])), seat(third)
    )

    with pytest.raises(Refused, match="alpha declined"):
        asked.answer(request(urgent=True))
    assert third.asked == []


def test_without_another_the_same_is_asked_again_and_never_a_last_resort(held):
    first, local = Scripted("alpha", script=[waits(held)]), Scripted("local")

    found = router(seat(first, hedge_after=0.02), seat(local, last_resort=True)).answer(request(urgent=True))

    assert found.output.by == "alpha"
    assert (len(first.asked), len(local.asked)) == (2, 0)


def test_what_is_no_failure_of_a_model_is_raised_where_it_was_asked_for():
    first = Scripted("alpha", script=[ZeroDivisionError()])

    with pytest.raises(ZeroDivisionError):
        hedged(first, Scripted("beta")).answer(request(urgent=True))


def test_where_both_fail_and_nobody_is_left_it_says_so(held):
    first = Scripted("alpha", script=[lambda: (held.wait(LONG), fail())])
    second = Scripted("beta", script=[lambda: (held.set(), fail())])

    def fail():
        raise LeftAlone("Away.", retry_after=4.0)

    with pytest.raises(Unavailable, match=r"alpha was not asked.*beta was not asked|beta was not asked.*alpha was"):
        hedged(first, second).answer(request(urgent=True))

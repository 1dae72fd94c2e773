"""A model behind its guard, asked by the router: what the guard says in the vendor's place counts as what the vendor said."""

from __future__ import annotations

import pytest

from integrations.errors import Postponed, Temporary
from tests.unit.guards.test_guard import Time
from tests.unit.models.routed import Scripted, request, router, seat
from workers.guards import Guards


def asked_to_wait(seconds):
    """A router over a model that asks for so long a wait, and a last resort."""
    time, local = Time(), Scripted("local")
    model = Scripted("alpha", script=[Temporary("Slow down.", retry_after=seconds)])
    guards = Guards(monotonic=time, sleep=time.sleep)
    return router(seat(guards.wrap("alpha", model)), seat(local, last_resort=True), clock=time), local


def test_a_minutes_wait_is_waited_for_by_all_and_not_only_by_whoever_was_told():
    routes, local = asked_to_wait(60)
    with pytest.raises(Temporary, match="Slow down"):
        routes.answer(request())

    for _ in range(20):
        with pytest.raises(Postponed, match="Alpha asked us to wait"):
            routes.answer(request())

    assert local.asked == []


def test_for_a_longer_one_the_last_resort_serves_all():
    routes, local = asked_to_wait(70)

    assert [routes.answer(request()).output.by for _ in range(5)] == ["local"] * 5
    assert len(local.asked) == 5

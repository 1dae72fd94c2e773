"""``caseworker inbox stop``: what was approved and has not gone out is stopped from the command line, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.kit.engine import make_engine
from workers.store.records import ActionState


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request, folder, monkeypatch):
    url = f"sqlite:///{folder / 'caseworker.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("on_postgresql")
        monkeypatch.setenv("CASEWORKER_DATABASE_URL", url)
    made = make_engine(folder, url=url)
    made.clock.now = datetime.now(UTC)
    yield made
    made.system.close()


def test_an_approved_action_is_stopped_and_never_goes_out(caseworker, waiting):
    action = waiting.decide(waiting.action("refund_payment"))

    ran = caseworker("inbox", "stop", action.id, "--reason", "The goods came back")

    assert ran.status == 0, ran.err
    assert "now rejected" in ran.out
    stopped = waiting.action("refund_payment")
    assert (stopped.state, stopped.reason) == (ActionState.REJECTED, "The goods came back")
    waiting.drain()
    assert waiting.house.effects == []


def test_what_waits_for_a_decision_is_not_stopped(caseworker, waiting):
    ran = caseworker("inbox", "stop", waiting.action("refund_payment").id, "--reason", "no")

    assert ran.status != 0
    assert "reject it instead" in ran.err
    assert waiting.action("refund_payment").state == ActionState.PENDING

"""What can be seen of a case from outside: how its actions ended, counted, and its ids on every line that is about it."""

from __future__ import annotations

import pytest
import structlog

from tests.kit.engine import refund
from workers.inbox.words import Word
from workers.store import events
from workers.telemetry import metrics


@pytest.fixture
def pending(engine):
    engine.model.drafts = [[refund()]]
    engine.event()
    engine.drain()
    return engine.action("refund_payment")


def ended(outcome):
    labels = {"kind": "refund_payment", "outcome": outcome}
    return metrics.REGISTRY.get_sample_value("caseworker_actions_total", labels) or 0.0


def reject(engine, action):
    engine.decide(action, Word.REJECT, reason="no")


def take_over(engine, action):
    engine.decide(action, Word.TAKE_OVER, reason="by hand")


def approve(engine, action):
    engine.decide(action)
    engine.drain()


def expire(engine, _action):
    engine.clock.on(days=8)
    engine.sweep()


@pytest.mark.parametrize(
    ("how", "outcome"),
    [(reject, "rejected"), (take_over, "cancelled"), (approve, "done"), (expire, "expired")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_however_an_action_ends_it_is_counted_once(engine, pending, how, outcome):
    before = ended(outcome)

    how(engine, pending)

    assert engine.action("refund_payment").state == outcome
    assert ended(outcome) == before + 1


def test_what_is_written_down_meanwhile_names_case_event_and_action(engine, monkeypatch):
    engine.model.drafts = [[refund(1200)]]
    seen = {}

    def look(at):
        inner = getattr(engine.house, at)

        def looking(*arguments, **options):
            seen[at] = structlog.contextvars.get_contextvars()
            return inner(*arguments, **options)

        monkeypatch.setattr(engine.house, at, looking)

    look("customer")
    look("refund")
    engine.event()
    engine.drain()

    case, action = engine.case(), engine.action("refund_payment")
    with engine.system.db.read() as tx:
        (event,) = events.of_case(tx, case.id)
    assert (seen["customer"]["case_id"], seen["customer"]["event_id"]) == (case.id, event.id)
    assert (seen["refund"]["case_id"], seen["refund"]["action_id"]) == (case.id, action.id)
    assert structlog.contextvars.get_contextvars() == {}

"""What an installation's own sources and kinds may do wrong: a person is asked with the reason, and no answer is paid for twice."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from integrations.base import Record
from tests.kit.engine import AGENT
from workers import drafting
from workers.actions.catalogue import CATALOGUE
from workers.agents.base import Source
from workers.store import steps
from workers.store.records import CaseState


def broken(*_):
    raise KeyError("etag")


def record(**data):
    return Record("house:thing:1", "thing", "A thing", data, "", trusted=True)


def with_source(engine, read):
    engine.system = replace(
        engine.system, agents={"support": replace(AGENT, sources=(*AGENT.sources, Source("mine", read)))}
    )


def work(engine, times=12):
    """As the task's edge does: what broke is tried again when the lease is over, not for ever."""
    engine.event()
    for _ in range(times):
        with suppress(KeyError):
            engine.sweep()
        engine.clock.on(hours=3)


def test_a_source_that_breaks_asks_a_person_and_says_what_broke(engine):
    with_source(engine, broken)

    work(engine)

    case = engine.case()
    assert case.state == CaseState.INBOX
    assert "KeyError" in case.attention
    assert "etag" not in case.attention
    assert engine.model.tasks() == ["triage"]


UNFIT = {
    "a date": record(at=datetime(2026, 1, 1, tzinfo=UTC)),
    "a decimal": record(much=[Decimal("1.5")]),
    "no number": record(much=math.nan),
    "no record": {"ref": "house:thing:1"},
}


@pytest.mark.parametrize("read", UNFIT.values(), ids=UNFIT)
def test_what_cannot_be_kept_is_told_before_a_model_is_paid_to_draw_on_it(engine, read):
    with_source(engine, lambda _inquiry: [read])

    work(engine, times=1)

    case = engine.case()
    assert case.state == CaseState.INBOX
    assert "“mine”" in case.attention
    assert engine.model.tasks() == ["triage"]


def test_a_draft_that_a_broken_kind_cannot_take_is_paid_for_once_and_on_the_bill(engine, monkeypatch):
    kinds = {**CATALOGUE, "refund_payment": replace(CATALOGUE["refund_payment"], target=broken)}
    monkeypatch.setattr(drafting, "CATALOGUE", kinds)

    work(engine)

    case = engine.case()
    assert (case.state, "KeyError" in case.attention) == (CaseState.INBOX, True)
    assert engine.model.tasks() == ["triage", "draft"]
    with engine.system.db.read() as tx:
        assert [usage.step for usage in steps.usage_of(tx, case.id)] == ["triage", "draft"]

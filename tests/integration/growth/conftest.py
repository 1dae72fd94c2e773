"""Each test runs on SQLite and on PostgreSQL, with cases that were really worked, judged, decided and closed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.kit.engine import Engine, reply
from workers.store import audit

MARCH = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
TODAY = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def engine(engine):
    engine.clock.now = MARCH
    return engine


@pytest.fixture
def worked(engine):
    """Nine cases closed in March, three in April; one of May waits for people. The log is anchored."""
    for moment, numbers in ((MARCH, range(9)), (MARCH.replace(month=4), range(10, 13))):
        engine.clock.now = moment
        for number in numbers:
            close_one(engine, str(number))
    engine.clock.now = MARCH.replace(month=5)
    engine.event(delivery="open", ticket="open")
    engine.drain()
    engine.clock.now = TODAY
    anchor(engine)
    return engine


def close_one(engine: Engine, ticket: str) -> str:
    """Work a ticket through people's approval to its end; the case's id."""
    engine.model.drafts = [[reply(f"Hello, about {ticket}.")]]
    engine.event(delivery=f"d{ticket}", ticket=ticket)
    engine.drain()
    action = engine.actions()[-1]
    if action.settled_at is None:
        engine.decide(action)
        engine.clock.on(hours=1)
        engine.sweep()
    case = engine.case()
    assert case.closed_at is not None, case
    return case.id


def anchor(engine: Engine) -> None:
    with engine.system.db.write() as tx:
        assert audit.anchor(tx, engine.clock()) is not None

"""An action within a limit is begun in the commit that reserves for it, where all of it is to be had and somebody is at hand."""

from __future__ import annotations

import pytest

from tests.integration.engine.test_begun_with_the_decision import MONEY, decided, held
from tests.integration.limits.house import a_day, under, within
from tests.kit.engine import refund
from workers.store import flow, switches
from workers.store.records import ActionState


@pytest.fixture
def url(on_postgresql):
    """The straight way within limits is PostgreSQL's alone."""
    return on_postgresql


@pytest.fixture
def limited(engine):
    under(engine, within(a_day(10_000)))
    engine.begins_at_once()
    return engine


def test_within_a_limit_it_is_one_commit_too(limited, monkeypatch):
    monkeypatch.delattr(flow, "begin")

    assert decided(limited, refund(**MONEY))[0].state == ActionState.EXECUTING
    limited.drain()
    assert limited.house.done("refund") == [4000]


def test_where_the_limit_is_full_nothing_is_begun(limited):
    decided(limited, refund(8000, **MONEY))
    limited.drain()
    limited.event("d2", ticket="8")
    limited.drain()

    assert limited.action("refund_payment").state == ActionState.PENDING
    assert limited.house.done("refund") == [8000]
    assert limited.system.leases.held() == 0


def test_within_a_limit_a_switch_thrown_meanwhile_holds_it_with_what_it_reserved(limited):
    ready = limited.hints.begins_here

    def thrown_meanwhile(snapshot):
        with limited.system.db.write() as tx:
            switches.throw(tx, "all", reason="Something is odd", actor="person:ana", now=limited.clock())
        return ready(snapshot)

    limited.hints.begins_here = thrown_meanwhile
    (action,) = decided(limited, refund(**MONEY))
    assert action.state == ActionState.APPROVED
    assert not held(limited, action)

    with limited.system.db.write() as tx:
        switches.release(tx, "all")
        switches.let_go(tx, "all", limited.clock())
    limited.drain()
    limited.sweep()

    assert limited.house.done("refund") == [4000]

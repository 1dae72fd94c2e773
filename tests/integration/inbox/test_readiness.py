"""Who decides first finds all that a yes needs: connections that are open, and statements that the database knows already."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import func, select

from tests.integration.limits.house import a_day, under, within
from tests.kit.engine import make_engine, refund, reply
from workers import action_start
from workers.inbox import readiness, service
from workers.inbox.words import Choice, Word
from workers.store import actions, asking
from workers.store.database import StoreUnavailable
from workers.store.direct import Statements
from workers.store.records import ActionState
from workers.store.tables import metadata

PEOPLE = {"outcome": "review", "approvers": [{"role": "support"}]}


@pytest.fixture
def engine(tmp_path, on_postgresql):
    """An engine in which each refund waits for one person, within 100.00 EUR a day, and each reply within nothing."""
    made = make_engine(tmp_path, url=on_postgresql)
    yield under(made, within(a_day(10_000, "deny"), **PEOPLE))
    made.system.close()


@pytest.fixture
def again(engine, on_postgresql, tmp_path):
    """Another process on the same database, which has asked it for nothing yet, and what it has to make ready since."""
    made = make_engine(tmp_path / "again", url=on_postgresql)
    made.system = made.system.under(engine.system.policy)
    yield made
    made.system.close()


@pytest.fixture
def made_ready(monkeypatch):
    """What is made ready from now on: connections, and statements on them."""
    seen = []
    opened, prepared = Statements.__init__, Statements._prepared_as

    def opening(self, pooled):
        seen.append("a connection")
        opened(self, pooled)

    def preparing(self, asked):
        if (asked.text, asked.types) not in self._prepared:
            seen.append(asked.text[:200].decode())
        return prepared(self, asked)

    monkeypatch.setattr(Statements, "__init__", opening)
    monkeypatch.setattr(Statements, "_prepared_as", preparing)
    return seen


def waiting(engine, *drafts):
    engine.model.drafts = [list(drafts)]
    engine.event()
    engine.drain()
    return next(action for action in engine.actions() if action.state == ActionState.PENDING)


def approve(engine, action, person):
    """As `straight` does: what is asked, and what is written."""
    db = engine.system.db
    _, snapshot = asking.at_once(db, "none", action.id)
    return service.approve(engine.system, person, snapshot, Choice(Word.APPROVE, action.revision, action.digest))


@pytest.mark.parametrize("draft", [refund(1200), reply()], ids=["within limits", "within none"])
def test_the_first_yes_makes_nothing_ready_any_more(engine, again, made_ready, draft):
    action, person = waiting(engine, draft), engine.person()
    readiness.warm_up(again.system)
    assert "a connection" in made_ready
    made_ready.clear()

    done = approve(again, action, person)

    assert done is not None
    assert done.state == ActionState.APPROVED
    assert made_ready == []


def test_nothing_is_changed_by_it(engine, again):
    action = waiting(engine, refund(1200))
    before = rows(engine)

    readiness.warm_up(again.system)
    action_start.warm_up(again.system)

    assert rows(engine) == before
    assert engine.action("refund_payment") == action


@pytest.mark.parametrize("approving", [False, True], ids=["told after the commit", "told before it"])
def test_what_is_carried_out_first_is_begun_without_making_anything_ready(engine, again, made_ready, approving):
    action = waiting(engine, refund(1200))
    engine.decide(action)
    action_start.warm_up(again.system)
    assert "a connection" in made_ready
    made_ready.clear()

    snapshot, begun, _ = action_start.start(again.system, action.id, approving=approving, prepare=lambda _: None)

    assert snapshot is not None
    assert made_ready == []
    with engine.system.db.read() as tx:
        state = actions.get(tx, action.id).state
    assert (begun is not None) == (state == ActionState.EXECUTING)


@pytest.mark.parametrize(
    "error", [StoreUnavailable("away"), psycopg.ProgrammingError("not allowed")], ids=["away", "not allowed"]
)
@pytest.mark.parametrize("warm_up", [readiness.warm_up, action_start.warm_up])
def test_what_cannot_be_made_ready_keeps_nobody_from_starting(again, warm_up, error, monkeypatch):
    def away(*_, **__):
        raise error

    monkeypatch.setattr(again.system.db, "ask", away)
    monkeypatch.setattr(again.system.db, "direct", away)

    warm_up(again.system)


def rows(engine):
    with engine.system.db.read() as tx:
        return {
            table.name: tx.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
        }

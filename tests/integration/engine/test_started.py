"""An approved action that a hint told of is read and begun in one statement, where nothing stands in the way; else it is only read."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from integrations.base import EventType, VersionReader
from integrations.registry import Readers
from tests.integration.limits.house import a_day, under, within
from tests.kit.engine import documents, make_engine, refund, reply, tags
from tests.kit.patience import until, waits_for_a_lock
from workers import execute
from workers.actions.base import Delivery
from workers.actions.catalogue import CATALOGUE
from workers.store import actions, flow, switches
from workers.store.limit_tables import limit_holds
from workers.store.records import ActionState
from workers.store.tables import actions as table


@pytest.fixture
def engine(tmp_path, on_postgresql, monkeypatch):
    """Whose systems tell no versions: where one can be asked for, it is asked for before an attempt is begun."""
    find = Readers.find
    monkeypatch.setattr(
        Readers,
        "find",
        lambda self, system, protocol: None if protocol is VersionReader else find(self, system, protocol),
    )
    made = make_engine(tmp_path, url=on_postgresql)
    yield made
    made.system.close()


def approved(engine, *drafts):
    """The first action of a new case, decided and not begun."""
    engine.model.drafts = [list(drafts or [tags(), reply()])]
    engine.event()
    engine.drain(limit=1)
    return next(action for action in engine.actions() if action.state == ActionState.APPROVED)


def begun(engine, action, *, at=None, versioned=()):
    """What the statement has begun of it."""
    snapshot, started = flow.start(
        engine.system.db,
        action.id,
        worker="w",
        now=at or engine.clock(),
        lease=timedelta(minutes=1),
        policy=engine.system.policy.hash,
        kinds=[name for name, kind in CATALOGUE.items() if kind.delivery is not Delivery.AT_MOST_ONCE],
        unguarded=[name for name, kind in CATALOGUE.items() if not kind.guarded],
        versioned=versioned,
    )
    assert snapshot is not None
    return started


def attempts(engine, action):
    with engine.system.db.read() as tx:
        return actions.attempts_of(tx, action.id)


def test_it_is_carried_out_with_no_second_statement_before_the_call(engine, monkeypatch):
    action = approved(engine)

    def begin(*_, **__):
        raise AssertionError("it was begun by itself")

    monkeypatch.setattr(flow, "begin", begin)
    execute.carry_out(engine.system, engine.writers, action.id)

    assert engine.house.done("tag") == [["refund"]]
    assert engine.action("add_tags").state == ActionState.DONE
    assert [(one.number, one.outcome) for one in attempts(engine, action)] == [(1, "done")]


def test_what_it_gives_is_the_action_as_it_was_and_as_it_is(engine):
    action = approved(engine)
    was = flow.snapshot(engine.system.db, action.id)

    snapshot, started = flow.start(
        engine.system.db,
        action.id,
        worker="w",
        now=engine.clock(),
        lease=timedelta(minutes=1),
        policy=engine.system.policy.hash,
        kinds=[action.kind],
        unguarded=[action.kind],
        versioned=[],
    )

    assert snapshot == was
    assert started is not None
    assert started[0] == engine.action("add_tags")
    assert [started[1]] == attempts(engine, action)


def a_switch(engine, _action):
    with engine.system.db.write() as tx:
        switches.throw(tx, "all", reason="Something is odd", actor="person:ana", now=engine.clock())


def columns(**values):
    def change(engine, action):
        with engine.system.db.write() as tx:
            tx.execute(update(table).where(table.c.id == action.id).values(**values))

    return change


@pytest.mark.parametrize(
    "change",
    [
        a_switch,
        columns(state="pending"),
        columns(state="executing"),
        columns(wake_at=None),
        columns(policy_hash="0" * 64),
        columns(approved_digest="0" * 64),
        columns(approved_digest=None),
        columns(kind="no_kind_of_ours"),
        columns(kind="request_documents"),
    ],
    ids=["switch", "pending", "executing", "not-due", "policy", "digest", "no-yes", "unknown", "at-most-once"],
)
def test_what_stands_in_the_way_leaves_it_as_it_is(engine, change):
    assert CATALOGUE["request_documents"].delivery is Delivery.AT_MOST_ONCE
    action = approved(engine)
    change(engine, action)
    (before,) = [one for one in engine.actions() if one.id == action.id]

    assert begun(engine, action) is None
    assert [one for one in engine.actions() if one.id == action.id] == [before]
    assert attempts(engine, action) == []


def test_a_version_that_can_be_asked_for_is_asked_for_first(engine):
    action = approved(engine)
    assert CATALOGUE[action.kind].guarded
    assert action.target_version
    system = action.target.partition(":")[0]

    assert begun(engine, action, versioned=["another", system]) is None
    columns(kind="file_case")(engine, action)
    assert not CATALOGUE["file_case"].guarded
    assert begun(engine, action, versioned=["another", system]) is not None


def test_what_is_due_later_is_not_begun_before(engine):
    action = approved(engine)

    assert begun(engine, action, at=action.wake_at - timedelta(seconds=1)) is None
    assert begun(engine, action, at=action.wake_at) is not None


@pytest.mark.parametrize("state", ["approved", "executing"])
def test_another_one_under_way_at_the_same_target_goes_by_turns(engine, state):
    action = approved(engine)
    other = next(one for one in engine.actions() if one.id != action.id)
    with engine.system.db.write() as tx:
        tx.execute(update(table).where(table.c.id == other.id).values(target=action.target, state=state))

    assert begun(engine, action) is None


def test_without_its_place_in_a_limit_it_is_not_begun(engine):
    under(engine, within(a_day(10_000)))
    action = approved(engine, refund(), reply())
    assert action.verdict["limits"]
    with engine.system.db.write() as tx:
        kept = tx.execute(delete(limit_holds).where(limit_holds.c.action_id == action.id)).rowcount
    assert kept == 1

    assert begun(engine, action) is None


def test_what_was_changed_by_hand_is_begun_and_not_sent(engine):
    """Only this process can tell, by the digest; what it was told to begin is ended as stale."""
    action = approved(engine)
    columns(arguments={"tags": ["free", "money"]})(engine, action)

    execute.carry_out(engine.system, engine.writers, action.id)

    assert engine.house.effects == []
    assert engine.action("add_tags").state == ActionState.STALE
    assert [one.outcome for one in attempts(engine, action)] == ["stale"]


def test_nor_is_it_sent_by_who_finds_it_after_a_crash(engine):
    action = approved(engine)
    columns(arguments={"tags": ["free", "money"]})(engine, action)
    assert begun(engine, action) is not None
    engine.clock.on(minutes=2)

    execute.carry_out(engine.system, engine.writers, action.id)

    assert engine.house.effects == []
    assert engine.action("add_tags").state == ActionState.UNCERTAIN


def test_what_is_carried_out_at_most_once_is_begun_by_itself(engine):
    engine.model.drafts = [[documents()]]
    engine.event(type=EventType.CHARGE_FLAGGED, delivery="u1", ticket="9")
    engine.drain()
    asked = engine.action("request_documents")

    assert begun(engine, asked) is None


def test_of_two_who_are_told_of_it_one_begins_it(engine):
    action = approved(engine)
    together = threading.Barrier(2)

    def carry_out(_):
        together.wait()
        execute.carry_out(engine.system, engine.writers, action.id)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(carry_out, range(2)))

    assert engine.house.done("tag") == [["refund"]]
    assert len(attempts(engine, action)) == 1


def test_what_changes_while_it_waits_for_the_row_is_not_begun(engine):
    """It was read as it was before."""
    action = approved(engine)
    db = engine.system.db
    with ThreadPoolExecutor(1) as pool:
        with db.write() as tx:
            actions.change(tx, action, now=engine.clock(), waiting_for="something else")
            found = pool.submit(begun, engine, action)
            until(lambda: waits_for_a_lock(db), "nobody waits for the row")
        assert found.result(60) is None

    assert engine.action("add_tags").state == ActionState.APPROVED
    assert attempts(engine, action) == []

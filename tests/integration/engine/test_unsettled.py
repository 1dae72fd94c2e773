"""What is begun with its decision stands in no index of what is open, and is found all the same, wherever one looks for it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update

from integrations.base import VersionReader
from policies.loader import loads
from tests.integration.limits.house import under
from tests.kit.engine import START, escalate, make_engine, refund, reply
from tests.kit.rules import KINDS
from workers.store import actions, cases, due, figures, flow, inbox, processes, schema, switches
from workers.store.flow import Caps
from workers.store.records import ActionState, CaseState
from workers.store.tables import actions as table

LEASE = timedelta(minutes=1)


def beginning(engine):
    """A refund that was begun in the commit that decided it, by a process that has not called anybody yet."""
    rule = {"id": "go", "actions": "*", "when": "true", "outcome": "allow", "message": "Go on"}
    bundle = {"bundle": "house", "version": 1, "layer": "platform", "enforcement": "enforce", "roles": ["lead"]}
    under(engine, loads({"house.yaml": json.dumps({**bundle, "actions": KINDS, "rules": [rule]})}, run_tests=False))
    engine.system.readers._found["house", VersionReader] = None
    engine.begins_at_once()
    engine.model.drafts = [[refund(charge="ch_1b")]]
    engine.event()
    engine.drain(limit=1)
    assert engine.action("refund_payment").state == ActionState.EXECUTING
    return engine


@pytest.fixture
def begun(engine):
    return beginning(engine)


@pytest.fixture
def begun_on_postgresql(on_postgresql, tmp_path):
    made = make_engine(tmp_path, url=on_postgresql)
    yield beginning(made)
    made.system.close()


def stored(engine, *names):
    with engine.system.db.read() as tx:
        return tuple(tx.execute(select(*(table.c[name] for name in names)).order_by(table.c.id)).one())


def forgotten(engine):
    """As if the process had died."""
    engine.hints.waiting.clear()
    engine.hints.known.clear()


def due_after(engine, **time):
    with engine.system.db.read() as tx:
        later = engine.clock() + timedelta(**time)
        plainly, fairly = actions.due(tx, later, 10), [row.id for row in due.due_actions(tx, later, 10)]
        assert plainly == fairly
        assert due.waiting(tx, later).rows.get("", 0) == len(plainly)
        return plainly


def test_it_stands_in_no_index_of_what_is_open_and_its_lease_in_none_of_what_is_due(begun):
    assert stored(begun, "standing", "wake_at", "held_until") == (None, None, begun.clock() + LEASE)
    assert begun.action("refund_payment").wake_at == begun.clock() + LEASE

    begun.drain()

    assert stored(begun, "state", "standing", "wake_at") == (ActionState.DONE, None, None)
    assert begun.case().state == CaseState.CLOSED


def test_its_end_changes_nothing_that_an_index_names(begun_on_postgresql):
    """PostgreSQL would write all of the row's indexes anew for it."""
    begun = begun_on_postgresql
    named = text(
        "SELECT DISTINCT a.attname FROM pg_index i JOIN pg_depend d ON d.objid = i.indexrelid "
        "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = d.refobjsubid "
        "WHERE i.indrelid = 'actions'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid > 0 "
        "UNION SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) "
        "WHERE i.indrelid = 'actions'::regclass"
    )
    with begun.system.db.read() as tx:
        names = sorted(tx.execute(named).scalars())
    before = stored(begun, *names)

    begun.drain()

    assert {"standing", "wake_at", "target", "created_at"} <= set(names)
    assert stored(begun, "state") == (ActionState.DONE,)
    assert stored(begun, *names) == before


def test_everybody_who_asks_what_is_open_hears_of_it(begun):
    action, now, worker = begun.action("refund_payment"), begun.clock(), begun.system.worker
    with begun.system.db.read() as tx:
        assert actions.open_by_state(tx) == {ActionState.EXECUTING: 1}
        assert [one.id for one in inbox.list_actions(tx, states=["executing"])] == [action.id]
        assert [one.id for one in inbox.list_actions(tx, states=["executing", "pending"])] == [action.id]
        assert inbox.list_actions(tx, states=["pending", "approved"]) == []
        assert worker in processes.holders(tx)
        assert processes.claimed_by(tx, worker)["action", action.id] == action.version
        assert [(one.kind, one.count) for one in switches.outgoing(tx)] == [("refund_payment", 1)]
        taken = figures.take(tx, now + 2 * LEASE, since=START, seen_within=LEASE)
        assert [(one.state, one.count, one.due) for one in taken.actions] == [("executing", 1, 1)]


def test_it_is_due_when_its_lease_is_over_and_not_before(begun):
    action = begun.action("refund_payment")

    assert due_after(begun, seconds=59) == []
    assert due_after(begun, seconds=60) == [action.id]

    with begun.system.db.write() as tx:
        actions.renew(tx, {action.id: action.version}, until=begun.clock() + 3 * LEASE)
    assert stored(begun, "standing", "wake_at", "held_until") == (None, None, begun.clock() + 3 * LEASE)
    assert due_after(begun, seconds=179) == []
    assert due_after(begun, seconds=180) == [action.id]


@pytest.mark.parametrize("by", ["free", "let_go", "free_all"])
def test_what_a_process_left_is_due_at_once(begun, by):
    action, now = begun.action("refund_payment"), begun.clock()
    forgotten(begun)

    with begun.system.db.write() as tx:
        if by == "free":
            found = [row.id for row in processes.free(tx, [begun.system.worker], now)]
            assert found == [action.id]
        elif by == "let_go":
            left = {("action", action.id): action.version}
            assert processes.let_go(tx, left, begun.system.worker, now) == 1
        else:
            assert cases.free_all(tx, now) == 1

    assert stored(begun, "standing", "wake_at") == (ActionState.EXECUTING, now)
    assert due_after(begun) == [action.id]
    begun.sweep()
    assert begun.house.done("refund") == [4000]
    assert begun.action("refund_payment").state == ActionState.DONE


def claimed_again(engine):
    engine.event("d2", text="One more thing")
    case = engine.case()
    caps = Caps()
    assert flow.claim(engine.system.db, case.id, worker="w", now=engine.clock(), lease=LEASE, caps=caps) is not None
    with engine.system.db.write() as tx:
        cases.release(tx, engine.case(), state=CaseState.INBOX, wake_at=None, now=engine.clock())


def taken_over(engine):
    with engine.system.db.write() as tx:
        cases.change(tx, engine.case().id, now=engine.clock(), state=CaseState.TAKEN_OVER, wake_at=None)


@pytest.mark.parametrize("parked", [claimed_again, taken_over])
def test_it_is_found_by_itself_as_soon_as_its_case_has_no_timer_any_more(begun, parked):
    action = begun.action("refund_payment")
    forgotten(begun)

    parked(begun)

    assert begun.case().wake_at is None
    assert stored(begun, "standing", "wake_at") == (ActionState.EXECUTING, begun.clock() + LEASE)
    assert due_after(begun, seconds=59) == []
    assert due_after(begun, seconds=60) == [action.id]


def test_who_carries_it_out_ends_it_though_it_was_let_stand_meanwhile(begun):
    claimed_again(begun)

    begun.hints.waiting = [hint for hint in begun.hints.waiting if hint[0] == "action"]
    begun.drain()

    assert begun.house.done("refund") == [4000]
    assert stored(begun, "state", "standing", "wake_at") == (ActionState.DONE, None, None)


def test_what_waits_for_people_stands_as_it_is_until_it_is_over(engine):
    engine.model.drafts = [[refund(), reply()], [escalate()]]
    engine.event()
    engine.drain()

    def standing():
        with engine.system.db.read() as tx:
            return {(row.state, row.standing) for row in tx.execute(select(table.c.state, table.c.standing))}

    assert standing() == {("pending", "pending")}
    for action in engine.actions():
        if action.state == ActionState.PENDING:
            engine.decide(action)
    assert standing() <= {("pending", "pending"), ("approved", "approved"), ("done", None)}
    engine.drain()
    assert standing() == {("done", None)}


def test_whoever_writes_an_action_of_which_it_knows_less_leaves_it_where_it_is_found(begun_on_postgresql):
    """PostgreSQL alone has processes of two versions at once, of which the older knows nothing of where actions are found."""
    begun = begun_on_postgresql
    action = begun.action("refund_payment")

    def write(**values):
        with begun.system.db.write() as tx:
            tx.execute(update(table).where(table.c.id == action.id).values(**values))
        return stored(begun, "standing")[0]

    assert write(updated_at=begun.clock()) is None
    assert write(wake_at=begun.clock()) == "executing"
    assert write(state="uncertain", wake_at=None) == "uncertain"
    assert write(state="failed", settled_at=begun.clock()) is None
    with begun.system.db.write() as tx:
        columns = ", ".join(
            c.name for c in table.columns if c.name not in ("id", "ordinal", "state", "settled_at", "standing")
        )
        tx.execute(
            text(
                f"INSERT INTO actions (id, ordinal, state, {columns}) SELECT id || 'x', 9, 'pending', {columns} FROM actions"
            )
        )
        assert actions.open_by_state(tx) == {"pending": 1}
        assert [one.state for one in actions.waiting_for_people(tx, now=begun.clock())] == ["pending"]


def test_a_database_of_the_version_before_has_all_that_is_open_where_it_is_looked_for(begun):
    action = begun.action("refund_payment")
    begun.model.drafts = [[reply()]]
    begun.hints.begins_here = lambda _snapshot: False
    begun.event("d9", ticket="9")
    case_hint = begun.hints.waiting.pop()
    forgotten(begun)
    begun.hints.waiting.append(case_hint)
    begun.drain(limit=1)
    db = begun.system.db

    schema.downgrade(db, "0021")
    with db.read() as tx:
        rows = dict(tx.execute(text("SELECT id, wake_at FROM actions WHERE settled_at IS NULL")).all())
        assert len(rows) == 2
        assert rows[action.id] is not None
    schema.upgrade(db)

    assert schema.differences(db) == []
    with db.read() as tx:
        assert actions.open_by_state(tx) == {ActionState.EXECUTING: 1, ActionState.APPROVED: 1}
        assert tx.execute(select(func.count()).where(table.c.standing == table.c.state)).scalar() == 2
    assert action.id in due_after(begun, seconds=60)

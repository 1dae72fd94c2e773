"""How an action ended is written with its case, or not at all: where either is no longer as it was read, nothing is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from tests.kit.engine import reply
from workers.store import audit, cases, flow
from workers.store.flow_types import Ending
from workers.store.records import ActionState, CaseState
from workers.store.tables import cases as all_cases


@pytest.fixture
def begun(engine):
    """An action that is under way, with what its end would write."""
    engine.model.drafts = [[reply()]]
    engine.event()
    engine.drain(limit=1)
    (action,) = engine.actions()
    engine.decide(action)
    (action,) = engine.actions()
    now = engine.clock()
    started = flow.begin(engine.system.db, action, worker="w", now=now, lease=engine.system.settings.lease, unless=())
    assert started is not None
    action, _ = started
    snapshot = flow.snapshot(engine.system.db, action.id)
    ending = Ending(
        changes={"state": ActionState.DONE, "settled_at": now, "wake_at": None, "claimed_by": None},
        outcome="done",
        receipt=None,
        error=None,
        case=snapshot.case,
        case_changes={"state": CaseState.CLOSED, "outcome": "done", "closed_at": now, "wake_at": None},
        chain=snapshot.chain,
        notes=[audit.Note("caseworker", "executed", {"action": action.id})],
    )
    return engine, action, ending


def stands(engine, case_id):
    with engine.system.db.read() as tx:
        row = tx.execute(select(all_cases).where(all_cases.c.id == case_id)).one()
        return row, [entry.hash for entry in audit.of_chain(tx, case_id)], engine.actions()


def test_the_end_of_an_action_closes_its_case(begun):
    engine, action, ending = begun

    assert flow.end(engine.system.db, action, ending, now=engine.clock())

    row, _, (after,) = stands(engine, action.case_id)
    assert (row.state, row.outcome, after.state) == (CaseState.CLOSED, "done", ActionState.DONE)


@pytest.mark.parametrize("other", ["version", "state", "digest"])
def test_an_action_that_is_another_by_now_leaves_its_case_as_it_is(begun, other):
    engine, action, ending = begun
    before = stands(engine, action.case_id)
    changed = {"version": action.version - 1, "state": ActionState.APPROVED, "digest": "0" * 64}

    assert not flow.end(engine.system.db, replace(action, **{other: changed[other]}), ending, now=engine.clock())

    assert stands(engine, action.case_id) == before


def test_a_case_that_went_on_leaves_its_action_as_it_is(begun):
    engine, action, ending = begun
    with engine.system.db.write() as tx:
        cases.change(tx, action.case_id, now=engine.clock(), attention="Look at this.")
    before = stands(engine, action.case_id)

    assert not flow.end(engine.system.db, action, ending, now=engine.clock())

    assert stands(engine, action.case_id) == before

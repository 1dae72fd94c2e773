"""However many cases are open and in work, one that is named by its id is found by its id.

A plan is made once and kept for as long as a connection, perhaps of a time when little was open: the database's own figures
of that time say that the index of what is open, or claimed, is nearly empty, and the shortest way to anything in it.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.kit import history
from tests.kit.engine import START, make_engine
from tests.kit.plans import watch
from workers.journal import entry
from workers.store import actions, cases, flow
from workers.store.flow import Caps, Progress

CLOSED, OPEN = 3_000, 600
#: what a statement about one case may look at in one table
A_FEW = 20

#: among them as many claimed ones as a fleet may hold; the figures stay those of before
_REOPEN = """
UPDATE cases SET closed_at = NULL, outcome = NULL, state = 'working', wake_at = :until, claimed_by = 'somebody:1:0'
WHERE id IN (SELECT id FROM cases ORDER BY id LIMIT :open)"""
_UNSETTLE = "UPDATE actions SET settled_at = NULL, state = 'pending' WHERE id IN (SELECT id FROM actions LIMIT :open)"


@pytest.fixture
def engine(on_postgresql, tmp_path):
    made = make_engine(tmp_path, url=on_postgresql)
    db = made.system.db
    history.fill(db, CLOSED, until=START - timedelta(days=40))
    with db.write() as tx:
        tx.execute(text(_REOPEN), {"until": START + timedelta(hours=1), "open": OPEN})
        tx.execute(text(_UNSETTLE), {"open": OPEN})
    yield made
    made.system.close()


def test_claiming_working_on_and_changing_one_case_looks_at_none_of_the_others(engine):
    engine.event()
    now, db, case_id = engine.clock(), engine.system.db, engine.case().id

    with watch(db) as plans:
        claimed = flow.claim(db, case_id, worker="w", now=now, lease=timedelta(minutes=1), caps=Caps(customer=5))
        made = entry(claimed.case, "triage", (now, now), {}, {"intent": "other"})
        progress = Progress({"step": "gather"}, [made.step], notes=[made.note])
        moved, _ = flow.record(db, claimed.case, claimed.chain, progress, now=now)
        with db.write() as tx:
            cases.renew(tx, {case_id: moved.version}, until=now + timedelta(minutes=2))
            moved = cases.move(tx, moved, now=now, step="draft")
            cases.release(tx, moved, state=moved.state, wake_at=None, now=now)
            cases.call_attention(tx, case_id, "Somebody should look.", now=now)
            assert cases.change(tx, case_id, now=now, priority="low") is not None
            assert actions.unsettled(tx, case_id) == []

    assert plans.sequential({"cases", "actions"}) == []
    assert plans.wide(A_FEW) == []
    assert "pk_cases" in plans.indexes()

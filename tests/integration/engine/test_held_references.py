"""What PostgreSQL does not check, the statements keep: no row is ever written without the row that it belongs to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, func, inspect, select

from tests.kit.engine import make_engine, reply
from workers.journal import entry
from workers.store import audit, flow
from workers.store.cases import LostClaim
from workers.store.columns import HELD
from workers.store.flow import Caps, Progress
from workers.store.tables import actions, cases, events, facts, model_usage, revisions, steps


@pytest.fixture
def engine(on_postgresql, tmp_path):
    made = make_engine(tmp_path, url=on_postgresql)
    yield made
    made.system.close()


def declared() -> dict[tuple[str, str], bool]:
    """(table, column) -> whether its reference is left to the statements."""
    return {
        (table.name, key.parent.name): bool(key.info.get(HELD))
        for table in cases.metadata.tables.values()
        for key in table.foreign_keys
    }


def test_only_what_is_marked_goes_unchecked(engine):
    with engine.system.db.read() as tx:
        looked_at = inspect(tx)
        checked = {
            (table, column)
            for table in looked_at.get_table_names()
            for key in looked_at.get_foreign_keys(table)
            for column in key["constrained_columns"]
        }

    assert checked == {name for name, held in declared().items() if not held}
    assert any(declared().values())


def test_a_case_that_was_taken_away_under_its_worker_leaves_no_row_behind(engine):
    engine.event()
    now, db = engine.clock(), engine.system.db
    claimed = flow.claim(db, engine.case().id, worker="w", now=now, lease=timedelta(minutes=1), caps=Caps())
    assert claimed is not None
    with db.write() as tx:
        for table in (events, cases):
            tx.execute(delete(table))
    made = entry(claimed.case, "triage", (now, now), {}, {"intent": "other"})

    with pytest.raises(LostClaim):
        flow.record(
            db, claimed.case, claimed.chain, Progress({"step": "gather"}, [made.step], notes=[made.note]), now=now
        )

    with db.read() as tx:
        counts = {t.name: tx.execute(select(func.count()).select_from(t)).scalar() for t in (steps, facts, actions)}
        entries = [one.verb for one in audit.of_chain(tx, claimed.case.id)].count("triage")
    assert (set(counts.values()), entries) == ({0}, 0)


def test_every_row_of_a_worked_case_names_what_is_there(engine):
    engine.model.drafts = [[reply()]]
    engine.event()
    engine.drain()
    engine.decide(engine.action("reply_to_customer"))
    engine.drain()

    assert engine.case().closed_at is not None
    with engine.system.db.read() as tx:
        lost = {
            child.name: tx.execute(
                select(func.count())
                .select_from(child.outerjoin(parent, child.c[column] == parent.c.id))
                .where(parent.c.id.is_(None))
            ).scalar()
            for child, column, parent in (
                *((table, "case_id", cases) for table in (events, steps, facts, model_usage, actions)),
                (revisions, "action_id", actions),
            )
        }
    assert set(lost.values()) == {0}

"""Records are kept packed on PostgreSQL and plain on SQLite; every reader has the same, also of what was kept before packing."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select, text, update

from tests.integration.rehearsal.stored import known
from workers.rehearsal.replay import Result, replay
from workers.store import actions, decided, judgements, shadow_verdicts
from workers.store.judgements import Standing
from workers.store.tables import revisions


def as_kept(engine) -> list[str]:
    with engine.system.db.read() as tx:
        return list(tx.execute(text("SELECT CAST(record AS TEXT) FROM revisions ORDER BY action_id")).scalars())


def before_packing(engine) -> None:
    """Rows as earlier versions left them."""
    with engine.system.db.write() as tx:
        kept = tx.execute(select(revisions.c.action_id, revisions.c.record)).all()
        plain = text("UPDATE revisions SET record = CAST(:record AS JSONB) WHERE action_id = :action")
        for action_id, record in kept if tx.dialect.name == "postgresql" else ():
            tx.execute(plain, {"record": json.dumps(record), "action": action_id})


def test_a_record_is_short_where_a_log_is_written_ahead_and_legible_where_none_is(made):
    with made.system.db.read() as tx:
        records = tx.execute(select(revisions.c.record).order_by(revisions.c.action_id)).scalars().all()

    for kept, record in zip(as_kept(made), records, strict=True):
        if made.system.db.is_sqlite:
            assert json.loads(kept) == record
        else:
            assert len(kept) < len(json.dumps(record)) / 2


@pytest.mark.parametrize("old", [False, True])
def test_every_reader_has_the_same_record(made, old):
    if old:
        before_packing(made)
        assert {kept[0] for kept in as_kept(made)} == {"{"}
    action = made.action("refund_payment")

    with made.system.db.read() as tx:
        (revision,) = actions.revisions_of(tx, action.id)
        (kept,) = decided.records_of(tx, action.id)
        unseen = shadow_verdicts.drafted(tx, "0" * 64, floor="", limit=10)
        unfitting = list(judgements.unfitting(tx))

    assert revision.record["facts"]["action_kind"] == "refund_payment"
    assert json.loads(kept.record) == revision.record
    assert json.loads(next(one.record for one in unseen if one.action_id == action.id)) == revision.record
    assert unfitting == []


@pytest.mark.parametrize("old", [False, True])
def test_every_decision_is_reached_again_bit_for_bit(made, old):
    if old:
        before_packing(made)

    found = [replay(one, known) for one in decided.records(made.system.db)]

    assert [one.result for one in found] == [Result.SAME] * 4
    assert {one.record for one in found} == {Standing.AS_WRITTEN}


def test_a_record_that_cannot_be_unpacked_any_more_is_told_and_stops_nothing(made):
    """Somebody wrote over it; the others are still looked at."""
    action = made.action("refund_payment")
    with made.system.db.write() as tx:
        where = revisions.c.action_id == action.id
        tx.execute(update(revisions).where(where).values(record="1:AAAA"))

    with made.system.db.read() as tx:
        found = list(judgements.unfitting(tx))

    assert len(found) == 1
    assert action.id in found[0]

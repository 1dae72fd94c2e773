"""Actions and their records are kept packed on PostgreSQL and plain on SQLite; every reader has the same, also of what was kept
before packing.
"""

from __future__ import annotations

import json

import pytest
from sqlalchemy import delete, select, text, update

from tests.integration.rehearsal.stored import known
from tests.kit.revisions import in_rows
from workers.rehearsal.replay import Result, replay
from workers.store import action_rows, actions, archive, decided, judgements, packing, revision_rows, shadow_verdicts
from workers.store.judgements import Standing
from workers.store.tables import actions as action_table
from workers.store.tables import revisions

KEPT_ALONG = ("packed", "standing", "held_until", *action_rows.FIRST_REVISION)
FORMS = ("as it is now", "revisions in rows", "as text in JSON", "as JSON")


def rows(engine, table):
    with engine.system.db.read() as tx:
        return tx.execute(select(table)).mappings().all()


def as_before(engine, form: str) -> None:
    """Rows as earlier versions left them: first revisions apart from their actions; before that all in columns, the record as
    JSON or as a text that was packed."""
    if form == FORMS[0] or engine.system.db.is_sqlite:
        return
    with engine.system.db.write() as tx:
        in_rows(tx)
        assert tx.execute(select(revisions.c.packed)).scalars().all()
        if form == FORMS[1]:
            return
        for row in tx.execute(select(action_table)).mappings().all():
            filled = action_rows.empty_of("actions", row)
            tx.execute(action_table.update().where(action_table.c.id == row["id"]).values(**filled, packed=None))
        for row in tx.execute(select(revisions)).mappings().all():
            filled = action_rows.empty_of("revisions", row)
            record = filled.pop("record")
            this = revisions.c.action_id == row["action_id"]
            tx.execute(revisions.update().where(this).values(**filled, packed=None))
            kept = json.dumps(packing.packed(record, 3) if form == FORMS[2] else record)
            plain = text("UPDATE revisions SET record = CAST(:record AS JSONB) WHERE action_id = :action")
            tx.execute(plain, {"record": kept, "action": row["action_id"]})


def test_what_is_written_once_is_packed_where_a_log_is_written_ahead_and_legible_where_none_is(made):
    acted = rows(made, action_table)
    plain = made.system.db.is_sqlite
    revised = rows(made, revisions) if plain else [revision_rows.first_in(row) for row in acted]
    assert len(revised) == len(acted)
    for table, names, found, gone in (
        (action_table, action_rows.OF_ACTION, acted, KEPT_ALONG),
        (revisions, action_rows.OF_REVISION, revised, ("packed",)),
    ):
        for row in found:
            whole = action_rows.whole(table.name, row)
            if plain:
                assert {row.get(name) for name in ("packed", "first_revision")} == {None}
                assert whole.get("receipt") in (None, {"data": {}, **(row.get("receipt") or {})})
                assert whole.items() >= {n: v for n, v in row.items() if n not in (*gone, "receipt")}.items()
            else:
                assert {row[name] for name in names} == {None}
                assert len(row["packed"]) < len(json.dumps([whole[name] for name in {*names, "digest"}])) / 3


@pytest.mark.parametrize("form", FORMS)
def test_every_reader_has_the_same_record(made, form):
    as_before(made, form)
    action = made.action("refund_payment")

    with made.system.db.read() as tx:
        (revision,) = actions.revisions_of(tx, action.id)
        (kept,) = decided.records_of(tx, action.id)
        unseen = shadow_verdicts.drafted(tx, "0" * 64, floor="", limit=10)
        unfitting = list(judgements.unfitting(tx))

    assert revision.record["facts"]["action_kind"] == "refund_payment"
    assert (revision.arguments, revision.target, revision.digest) == (action.arguments, action.target, action.digest)
    assert json.loads(kept.record) == revision.record
    assert json.loads(next(one.record for one in unseen if one.action_id == action.id)) == revision.record
    assert unfitting == []


@pytest.mark.parametrize("form", FORMS[1:])
def test_an_action_is_the_same_however_it_is_kept(made, form):
    found = made.actions()
    with made.system.db.read() as tx:
        listed = decided.matching(tx, [action.id for action in found])
        (case,) = archive.whole(tx, [made.case().id])
    assert {action.packed for action in found} == {None}
    assert {(one.id, one.sentence) for one in listed} == {(action.id, action.sentence) for action in found}

    as_before(made, form)

    assert made.actions() == found
    with made.system.db.read() as tx:
        assert decided.matching(tx, [action.id for action in found]) == listed
        assert archive.whole(tx, [made.case().id]) == [case]


@pytest.mark.parametrize("form", FORMS)
def test_every_decision_is_reached_again_bit_for_bit(made, form):
    as_before(made, form)

    found = [replay(one, known) for one in decided.records(made.system.db)]

    assert [one.result for one in found] == [Result.SAME] * 4
    assert {one.record for one in found} == {Standing.AS_WRITTEN}


@pytest.mark.parametrize("form", FORMS[:2])
@pytest.mark.parametrize("change", [{"record": "1:AAAA"}, {"packed": b"\x08AAAA"}, {"packed": b""}])
def test_a_record_that_cannot_be_unpacked_any_more_is_told_and_stops_nothing(made, change, form):
    """Somebody wrote over it; the others are still looked at."""
    action = made.action("refund_payment")
    if made.system.db.is_sqlite:
        change = {"record": "1:AAAA"}
    with made.system.db.write() as tx:
        if form == FORMS[1] or "record" in change:
            in_rows(tx)
            tx.execute(update(revisions).where(revisions.c.action_id == action.id).values(**change))
        else:
            inside = {"first_revision": change["packed"]}
            tx.execute(update(action_table).where(action_table.c.id == action.id).values(**inside))

    with made.system.db.read() as tx:
        found = list(judgements.unfitting(tx))

    assert len(found) == 1
    assert action.id in found[0]


@pytest.mark.parametrize("form", FORMS[:2])
def test_a_record_that_was_exchanged_for_another_is_found(made, form):
    as_before(made, form)
    inside = form == FORMS[0] and not made.system.db.is_sqlite
    table, key, name = (
        (action_table, "id", "first_revision")
        if inside
        else (revisions, "action_id", "record" if made.system.db.is_sqlite else "packed")
    )
    first, second = rows(made, table)[:2]
    with made.system.db.write() as tx:
        tx.execute(update(table).where(table.c[key] == first[key]).values({name: second[name]}))

    with made.system.db.read() as tx:
        (found,) = judgements.unfitting(tx)

    assert first[key] in found


def test_a_first_revision_that_was_taken_away_is_missed(made):
    action = made.action("refund_payment")
    out_of_its_action = update(action_table).where(action_table.c.id == action.id)
    with made.system.db.write() as tx:
        tx.execute(out_of_its_action.values(first_revision=None, author=None))
        tx.execute(delete(revisions).where(revisions.c.action_id == action.id))

    with made.system.db.read() as tx:
        (found,) = judgements.unfitting(tx)

    assert f"the record of {action.id}, revision 1, is gone" in found

"""An action's first revision is kept with the action or in a row of its own, and whoever reads revisions sees no difference."""

from __future__ import annotations

import pytest
from sqlalchemy import func, inspect, select

from tests.kit.engine import refund, reply
from tests.kit.revisions import in_rows
from workers.store import action_rows, actions, archive, decided, erasure, inbox, judgements, revision_rows, schema
from workers.store.tables import actions as action_table
from workers.store.tables import revisions as rows


@pytest.fixture
def drafted(engine):
    engine.model.drafts = [[refund(), reply()]]
    engine.event()
    engine.drain()
    return engine


def seen(engine):
    """All that anybody is told of revisions."""
    with engine.system.db.read() as tx:
        (case,) = archive.whole(tx, [engine.case().id])
        return {
            "by action": [actions.revisions_of(tx, action.id) for action in engine.actions()],
            "records": [decided.records_of(tx, action.id) for action in engine.actions()],
            "first": decided.after(tx, "", until=engine.clock(), limit=10),
            "waiting": inbox.waiting(tx, now=engine.clock(), limit=10),
            "archive": case,
            "unfitting": list(judgements.unfitting(tx)),
            "rows": erasure.count(tx, [engine.case().id], "ana@example.com")["revisions"],
        }


def number_of_rows(engine):
    with engine.system.db.read() as tx:
        return tx.execute(select(func.count()).select_from(rows)).scalar_one()


def test_it_has_a_row_of_its_own_only_where_no_log_is_written_ahead(drafted):
    assert number_of_rows(drafted) == (2 if drafted.system.db.is_sqlite else 0)

    with drafted.system.db.read() as tx:
        told = [actions.revisions_of(tx, action.id) for action in drafted.actions()]
    assert [[(one.revision, one.author, one.digest) for one in each] for each in told] == [
        [(1, "agent:support", action.digest)] for action in drafted.actions()
    ]


def test_every_reader_is_told_the_same_of_both_forms(drafted):
    before = seen(drafted)
    with drafted.system.db.write() as tx:
        in_rows(tx)

    assert number_of_rows(drafted) == 2
    assert seen(drafted) == before
    assert (before["unfitting"], before["rows"]) == ([], 2)


def test_what_a_person_changes_follows_the_first_which_stays(drafted):
    (first,) = seen(drafted)["by action"][1]
    action = drafted.action("reply_to_customer")

    drafted.decide(action, arguments={"body": "Hello Ana, here is your money."})

    changed = next(one for one in drafted.actions() if one.id == action.id)
    with drafted.system.db.read() as tx:
        told = actions.revisions_of(tx, action.id)
    assert told[0] == first
    assert (told[1].revision, told[1].digest) == (2, changed.digest)
    assert told[1].author.startswith("person:")
    assert seen(drafted)["unfitting"] == []
    before = seen(drafted)
    with drafted.system.db.write() as tx:
        in_rows(tx)
    assert seen(drafted) == before


def test_only_what_an_agent_drafted_with_its_action_stands_there(drafted):
    """People's revisions are looked for in rows, and no moment but the action's own is kept of the first."""
    action = drafted.actions()[0]
    with drafted.system.db.read() as tx:
        (first,) = actions.revisions_of(tx, action.id)
    of_action = {field: getattr(action, field) for field in (*action.__slots__,) if field != "packed"}
    revised = {field: getattr(first, field) for field in (*first.__slots__,) if field != "packed"}

    def placed(**changes):
        packed, beside = revision_rows.together([of_action], [{**revised, **changes}])
        return "first_revision" in packed[0], len(beside)

    assert placed() == (True, 0)
    assert placed(author="person:ana@firm.example") == (False, 1)
    assert placed(revision=2) == (False, 1)
    assert placed(created_at=drafted.clock.on(minutes=1)) == (False, 1)
    assert placed(action_id="act_other") == (False, 1)


def test_going_back_gives_each_a_row_again(drafted):
    before = seen(drafted)["by action"]

    schema.downgrade(drafted.system.db, "0022")

    with drafted.system.db.read() as tx:
        there = {column["name"] for column in inspect(tx).get_columns(action_table.name)}
        found = tx.execute(select(rows).order_by(rows.c.action_id)).mappings().all()
    assert there.isdisjoint(action_rows.FIRST_REVISION)
    told = sorted((one for each in before for one in each), key=lambda one: one.action_id)
    whole = [action_rows.whole("revisions", row) for row in found]
    assert [(row["action_id"], row["digest"], row["record"], row["author"]) for row in whole] == [
        (one.action_id, one.digest, one.record, one.author) for one in told
    ]

"""What the log says of a case is packed on PostgreSQL and plain on SQLite, and nobody who reads or proves it sees a difference."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta

import pytest
from sqlalchemy import select, text, update

from tests.kit import log
from tests.kit.engine import reply
from workers.inbox import timeline
from workers.store import archive, audit, audit_rows, judgements, proof, schema
from workers.store.audit import Note
from workers.store.audit_tables import audit as audit_table
from workers.store.tables import cases


@pytest.fixture
def worked(engine):
    """A case from its event to its end, and an entry about the house."""
    engine.model.drafts = [[reply()]]
    engine.event()
    engine.drain()
    engine.decide(engine.action("reply_to_customer"))
    engine.drain()
    with engine.system.db.write() as tx:
        audit.append(tx, audit.SYSTEM, engine.clock(), Note("person:ana", "signed_in", {"person": "per_1"}))
    return engine


def read(engine):
    """All that anybody is told of the log."""
    with engine.system.db.read() as tx:
        case_id = engine.case().id
        return (
            audit.of_chain(tx, case_id),
            audit.since(tx, 0),
            log.entries(tx),
            archive.whole(tx, [case_id])[0]["audit"],
            judgements.told_of(tx, [case_id]),
            [asdict(entry) for entry in timeline.load(tx, case_id).entries],
            audit.ends(tx),
        )


def problems(engine):
    with engine.system.db.write() as tx:
        found = proof.verify(tx)
    with engine.system.db.read() as tx:
        return [*found, *judgements.unfitting(tx)]


def rows(engine):
    with engine.system.db.read() as tx:
        return tx.execute(select(audit_table).order_by(audit_table.c.id)).mappings().all()


def into_rows_of_before(engine):
    with engine.system.db.write() as tx:
        for entry in log.entries(tx):
            log.rewrite(tx, entry)


def test_a_case_s_entries_are_packed_on_postgresql_and_all_others_are_plain(worked):
    for row in rows(worked):
        packed = row["chain"] != audit.SYSTEM and not worked.system.db.is_sqlite
        assert (row["packed"] is not None) == packed
        assert all(row[name] == empty for name, empty in audit_rows.EMPTY.items()) == packed


def test_packed_they_take_a_third_of_the_room(worked):
    with worked.system.db.read() as tx:
        for row in tx.execute(select(audit_table).where(audit_table.c.packed.is_not(None))).mappings():
            said = audit_rows.laid_open(row)
            assert len(row["packed"]) - 32 < len(json.dumps([said[name] for name in ("actor", "verb", "data")])) / 2


def test_entries_of_before_say_the_same_and_are_sealed_the_same(worked):
    now, sealed_at = read(worked), worked.clock() + timedelta(minutes=1)
    with worked.system.db.write() as tx:
        assert audit.anchor(tx, sealed_at) is not None
    assert problems(worked) == []

    into_rows_of_before(worked)

    assert all(row["packed"] is None for row in rows(worked))
    assert read(worked) == now
    assert problems(worked) == []


def test_a_seal_over_entries_of_before_and_packed_ones_is_that_over_their_hashes(engine):
    engine.event()
    into_rows_of_before(engine)
    engine.drain()
    with engine.system.db.write() as tx:
        _, digest = audit.anchor(tx, engine.clock() + timedelta(minutes=1))
        hashes = [entry.hash for entry in audit.since(tx, 0)]

    assert len(hashes) > 1
    assert digest == audit._seal(audit.GENESIS, iter(hashes))
    assert problems(engine) == []


def forged(row):
    """The same entry by somebody else, under the hash that it had."""
    said = audit_rows.laid_open(row)
    return audit_rows.packed(said["hash"], json.dumps(["person:mallory", said["verb"], said["data"]]))


CHANGES = {
    "what it says": lambda row: {"packed": forged(row)},
    "its hash": lambda row: {"packed": bytes(32) + row["packed"][32:]},
    "a byte": lambda row: {"packed": row["packed"][:-1] + bytes([row["packed"][-1] ^ 1])},
    "its end": lambda row: {"packed": row["packed"][:-1]},
    "all of it": lambda row: {"packed": b""},
    "its plain half": lambda row: {"verb": "closed"},
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_whatever_is_changed_in_the_bytes_is_found_and_stops_no_reader(worked, name):
    before = rows(worked)
    for row in before:
        if row["packed"] is None:
            continue
        with worked.system.db.write() as tx:
            this = update(audit_table).where(audit_table.c.id == row["id"])
            tx.execute(this.values(**CHANGES[name](row)))

        assert f"{row['chain']}: entry {row['seq']} was changed" in problems(worked)
        assert len(read(worked)[1]) == len(before)

        with worked.system.db.write() as tx:
            tx.execute(this.values({**audit_rows.EMPTY, "packed": row["packed"]}))
    assert problems(worked) == []


def test_going_back_a_version_says_everything_where_it_looks_for_it(worked):
    db, said = worked.system.db, read(worked)

    schema.downgrade(db, "0020")
    with db.read() as tx:
        verbs = tx.execute(text("SELECT verb FROM audit ORDER BY id")).scalars().all()
        hashes = tx.execute(text("SELECT hash FROM audit ORDER BY id")).scalars().all()
    schema.upgrade(db)

    assert (verbs, hashes) == ([one.verb for one in said[1]], [one.hash for one in said[1]])
    assert read(worked) == said
    assert problems(worked) == []


def test_what_waits_in_the_words_of_before_is_told(engine):
    engine.event()
    waiting = (Note("caseworker", "triage", {"input": "0" * 16}),)
    with engine.system.db.write() as tx:
        tx.execute(update(cases).values(untold=audit.untold(waiting, packed=False)))
        assert audit.end_of(tx, engine.case().id).waiting == waiting
        audit.append(tx, engine.case().id, engine.clock(), Note("person:ana", "looked", {}))
        told = audit.of_chain(tx, engine.case().id)

    assert [(one.seq, one.verb) for one in told] == [(1, "opened"), (2, "triage"), (2, "looked")]
    assert problems(engine) == []


@pytest.mark.parametrize("packed", [False, True])
def test_what_waits_is_read_as_it_was_written(packed):
    notes = (Note("caseworker", "triage", {"input": "0" * 16, "said": "“ja”"}), Note("person:ana", "looked", {}))

    kept = audit.untold(notes, packed=packed)

    assert audit.told_later(kept) == notes
    assert kept.startswith("[") != packed

"""Whatever somebody wrote into an entry of the log, the proof says which one it was, and no reader stumbles over it."""

from __future__ import annotations

import pytest
from sqlalchemy import JSON, select, update

from tests.integration.growth.test_archive import archived
from workers.store import audit, judgements, policy_proof, proof
from workers.store.archive_tables import archived_entries
from workers.store.audit_tables import audit as log

CHANGES = {
    "nothing": {"data": {}},
    "a list": {"data": []},
    "null": {"data": JSON.NULL},
    "lists for words": {
        "data": {"archive": [], "hash": [], "record": "x", "action": "y", "revision": "z", "notes": [[]]}
    },
    "several things that are none": {"verb": audit.SEVERAL, "data": {"notes": [1]}},
    "a policy": {"verb": policy_proof.VERB, "data": {"hash": {}}},
}


@pytest.fixture
def numbers(worked, tmp_path):
    """Entries of the chain `system`, and those of a case, kept as earlier versions keep them, as SQLite always does."""
    archived(worked, tmp_path)
    with worked.system.db.write() as tx:
        case_id = tx.execute(select(log.c.chain).where(log.c.chain != audit.SYSTEM).limit(1)).scalar_one()
        for verb in ("noted", "noted_again"):
            audit.append(tx, case_id, worked.clock(), audit.Note("test", verb, {"case": case_id}), plain=True)
        found = tx.execute(select(log.c.id, log.c.chain, log.c.seq, log.c.verb).order_by(log.c.id)).all()
    chosen = [row for row in found if row.verb in ("archived", "noted")]
    assert {row.chain for row in chosen} == {audit.SYSTEM, case_id}
    return chosen


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_an_entry_that_was_changed_into_anything_is_named(worked, numbers, change):
    with worked.system.db.write() as tx:
        tx.execute(update(log).where(log.c.id.in_([row.id for row in numbers])).values(change))

    with worked.system.db.read() as tx:
        told = [*proof.verify(tx), *judgements.unfitting(tx), *policy_proof.unbacked(tx)]

    assert {f"{row.chain}: entry {row.seq} was changed" for row in numbers} <= set(told)
    with worked.system.db.read() as tx:
        assert all(audit.of_chain(tx, row.chain) for row in numbers)


#: what SQLite keeps in a column whatever its type is, and its driver or ours refuses to read
UNFIT = {
    "no JSON": "data = '{'",
    "JSON that is cut off": "data = substr(data, 1, length(data) - 1)",
    "a number for JSON": "data = '7'",
    "JSON too deep": f"data = '{'[' * 20_000}'",
    "no time": "at = 'yesterday'",
    "a number for a time": "at = 7",
    "a time of before time": "at = '0001-01-01T00:00:00+14:00'",
    "bytes that are no text": "actor = CAST(x'ff' AS TEXT)",
    "bytes": "verb = x'ff'",
    "no hash": "hash = x'ff'",
    "no number": "seq = 'x' || id",
    "text for bytes": "packed = 'x'",
}


def proved(worked):
    """As ``caseworker audit verify`` does it."""
    with worked.system.db.read() as tx:
        return [*proof.verify(tx), *judgements.unfitting(tx), *policy_proof.unbacked(tx)]


@pytest.fixture
def damaged(worked, numbers):
    chosen = ", ".join(str(row.id) for row in numbers)

    def damage(change, table="audit", where=f"id IN ({chosen})"):
        with worked.system.db.write() as tx:
            tx.exec_driver_sql(f"UPDATE {table} SET {change} WHERE {where}")

    return damage


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("change", UNFIT.values(), ids=UNFIT)
def test_an_entry_that_no_longer_fits_its_columns_is_named(worked, numbers, damaged, change):
    damaged(change)

    told = proved(worked)

    if change.startswith("seq"):
        # Nobody knows which it was.
        assert {row.chain for row in numbers} <= {problem.partition(":")[0] for problem in told}
        return
    assert {f"{row.chain}: entry {row.seq} was changed" for row in numbers} <= set(told)
    if "AS TEXT" in change:
        return
    with worked.system.db.read() as tx:
        assert all(audit.of_chain(tx, row.chain) for row in numbers)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_what_is_held_against_the_log_may_be_damaged_as_well(worked, numbers, damaged):
    assert proved(worked) == []
    case_id = numbers[-1].chain

    damaged("chain_hash = 'x'", "cases", f"id = '{case_id}'")
    damaged("record = '7'", "revisions", f"action_id IN (SELECT id FROM actions WHERE case_id = '{case_id}')")
    damaged("started_at = 'yesterday'", "archives", "1 = 1")
    told = proved(worked)

    assert any(problem.startswith(f"{case_id}: the chain does not end where it should") for problem in told)
    assert any(problem.startswith(f"{case_id}: the stored record of ") for problem in told)


@pytest.mark.parametrize("kept", [b"", b"x"])
def test_kept_entries_of_an_archive_that_were_cut_off_are_told_of(worked, tmp_path, kept):
    archived(worked, tmp_path)
    with worked.system.db.write() as tx:
        tx.execute(update(archived_entries).values(pairs=archived_entries.c.pairs.concat(kept) if kept else b"x" * 41))

    told = proved(worked)

    assert "archive 2026-03, part 1: what was kept of its entries is not what was sealed" in told

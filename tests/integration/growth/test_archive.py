"""Archiving: what leaves the database is whole in a file first, the log still verifies, and nothing else leaves."""

from __future__ import annotations

import errno
import gzip
import json
import os
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update

from tests.integration.growth.conftest import MARCH, close_one
from workers.archive import file, monthly
from workers.store import archive as store
from workers.store import cases, proof
from workers.store.archive_tables import archived_entries
from workers.store.audit_tables import audit, audit_anchors
from workers.store.revision_rows import WRITTEN, revisions
from workers.store.tables import actions, metadata
from workers.store.tables import cases as case_table

JUNE = MARCH.replace(month=6, day=1, hour=0)


def run(engine, folder) -> monthly.Run:
    return monthly.Run(engine.system.db, folder, "operator:test", engine.clock)


def archived(engine, folder, before=JUNE, **options):
    return list(monthly.archive(run(engine, folder), before=before, **options))


def left(engine) -> list[str]:
    with engine.system.db.read() as tx:
        return sorted(tx.execute(select(case_table.c.id)).scalars())


def breaks(engine) -> list[str]:
    with engine.system.db.read() as tx:
        return proof.verify(tx)


def change(engine, statement, **values) -> None:
    with engine.system.db.write() as tx:
        tx.execute(statement, values)


def held(outcomes) -> list[str]:
    return sorted(one["case"]["id"] for outcome in outcomes for one in file.cases(file.Path(outcome.file)))


def test_each_month_becomes_a_file_and_only_the_open_case_stays(worked, tmp_path):
    before = left(worked)

    outcomes = archived(worked, tmp_path)

    assert [(o.month, o.cases, o.removed, o.changed) for o in outcomes] == [("2026-03", 9, 9, 0), ("2026-04", 3, 3, 0)]
    assert sorted([*held(outcomes), *left(worked)]) == before
    assert len(left(worked)) == 1
    assert [p.name for p in sorted(tmp_path.glob("cases-*"))] == ["cases-2026-03.jsonl.gz", "cases-2026-04.jsonl.gz"]


def test_no_row_of_an_archived_case_stays_behind_and_none_is_missing_from_the_file(worked, tmp_path):
    with worked.system.db.read() as tx:
        before = {name: len(rows) for name, rows in _rows(tx).items()}

    outcomes = archived(worked, tmp_path)

    with worked.system.db.read() as tx:
        after = {name: len(rows) for name, rows in _rows(tx).items()}
    in_files = [one for outcome in outcomes for one in file.cases(file.Path(outcome.file))]
    for name in store.TABLES[1:]:
        gone = before[name] - after[name] + (len(outcomes) if name == "audit" else 0)
        assert sum(len(one[name]) for one in in_files) == gone, name
    assert before["audit_heads"] == 0
    assert after["audit_heads"] == 1  # the log's own chain is new


def test_every_table_that_names_a_case_is_archived_with_it():
    # A question to another agent names its case and refers to it by no key: both go in their own time. A notice names its action.
    reach, found = {"cases", "consultations", "notices"}, set()
    while reach != found:
        found = set(reach)
        reach |= {
            table.name
            for table in metadata.sorted_tables
            for key in table.foreign_keys
            if key.column.table.name in found
        }

    assert found - {"cases"} == {*store.BY_ACTION, *store.BY_CASE}


def test_the_file_holds_the_message_as_it_was_received(worked, tmp_path):
    (march, _) = archived(worked, tmp_path)

    event = next(file.cases(file.Path(march.file)))["events"][0]

    assert event["raw"] == {"base64": "TXkgb3JkZXIgaXMgYnJva2Vu"}
    assert event["data"]["text"] == "My order is broken"


def test_the_log_verifies_before_during_and_after(worked, tmp_path):
    seen = []
    for _ in monthly.archive(run(worked, tmp_path), before=JUNE):
        seen.append(breaks(worked))
        close_one(worked, f"new{len(seen)}")
        worked.clock.on(minutes=5)

    with worked.system.db.write() as tx:
        from_anchor = tx.execute(select(func.count()).select_from(audit_anchors)).scalar_one()

    assert seen == [[], []]
    assert breaks(worked) == []
    assert from_anchor >= 2


@pytest.mark.parametrize(
    ("tampered", "said"),
    [
        ("UPDATE archived_entries SET pairs = pairs_", "kept of its entries"),
        ("DELETE FROM archived_entries", "kept of its entries"),
        ("DELETE FROM archives", "does not know it"),
        ("UPDATE archives SET sha256 = 'x'", "tells of it otherwise"),
        ("DELETE FROM audit WHERE verb = 'archived'", "does not tell of it"),
    ],
)
def test_what_was_done_to_the_traces_of_an_archive_is_found(worked, tmp_path, tampered, said):
    archived(worked, tmp_path)
    if "archives" in tampered and tampered.startswith("DELETE"):
        change(worked, text("DELETE FROM archived_entries"))
    if tampered.endswith("pairs_"):
        change(worked, update(archived_entries).values(pairs=b"\0" * 40))
    else:
        change(worked, text(tampered))

    assert any(said in problem for problem in breaks(worked))


def test_a_case_that_was_taken_away_by_hand_is_missed_though_archives_exist(worked, tmp_path):
    archived(worked, tmp_path)
    (open_case,) = left(worked)
    change(worked, audit.delete().where(audit.c.chain == open_case))
    change(worked, update(case_table).where(case_table.c.id == open_case).values(chain_seq=None, chain_hash=None))

    assert any(problem.startswith("anchor ") for problem in breaks(worked))


def test_a_case_with_an_uncertain_or_open_action_is_never_touched(worked, tmp_path):
    with worked.system.db.read() as tx:
        first, second, *_ = tx.execute(select(actions.c.id).order_by(actions.c.id)).scalars()
    change(worked, update(actions).where(actions.c.id == first).values(state="uncertain"))
    change(worked, update(actions).where(actions.c.id == second).values(settled_at=None))

    (march, _) = archived(worked, tmp_path)

    assert (march.cases, len(left(worked))) == (7, 3)


@pytest.mark.parametrize("what", ["version", "reopened", "log"])
def test_a_case_that_changed_after_its_export_stays_and_is_told(worked, tmp_path, what):
    (case_id, *_) = left(worked)
    moved = {
        "version": update(case_table).where(case_table.c.id == case_id).values(version=case_table.c.version + 1),
        "reopened": update(case_table).where(case_table.c.id == case_id).values(state="inbox", closed_at=None),
        "log": update(case_table).where(case_table.c.id == case_id).values(chain_seq=case_table.c.chain_seq + 1),
    }[what]
    month = monthly.months(worked.system.db, before=JUNE)[0]
    sealed = monthly._write(run(worked, tmp_path), month)
    change(worked, moved)

    outcome = monthly._remove(run(worked, tmp_path), sealed)

    assert (outcome.cases, outcome.removed, outcome.changed) == (9, 8, 1)
    assert case_id in left(worked)


def test_a_second_run_finds_nothing_to_do_and_writes_nothing(worked, tmp_path):
    archived(worked, tmp_path)
    files = {p: p.read_bytes() for p in tmp_path.iterdir()}

    assert archived(worked, tmp_path) == []
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == files


def test_what_closes_late_goes_into_a_second_file_of_its_month(worked, tmp_path):
    archived(worked, tmp_path)
    now, worked.clock.now = worked.clock.now, MARCH + timedelta(days=2)
    close_one(worked, "late")
    worked.clock.now = now

    (late,) = archived(worked, tmp_path)

    assert late.file.endswith("cases-2026-03.2.jsonl.gz")
    assert breaks(worked) == []


def test_a_file_that_is_there_already_is_never_written_over(worked, tmp_path):
    (tmp_path / "cases-2026-03.jsonl.gz").write_bytes(b"somebody's")

    (march, _) = archived(worked, tmp_path)

    assert (tmp_path / "cases-2026-03.jsonl.gz").read_bytes() == b"somebody's"
    assert march.file.endswith("cases-2026-03.2.jsonl.gz")


def test_a_disk_that_is_full_leaves_no_half_file_and_the_next_run_goes_on(worked, tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = left(worked)
    with monkeypatch.context() as patched:
        patched.setattr(file.os, "fsync", full)
        with pytest.raises(OSError, match="No space left") as told:
            archived(worked, tmp_path)

    assert told.value.filename == str(tmp_path / "cases-2026-03.jsonl.gz.partial")
    assert list(tmp_path.glob("cases-*")) == []
    assert left(worked) == before
    assert [outcome.removed for outcome in archived(worked, tmp_path)] == [9, 3]
    assert breaks(worked) == []


def test_a_file_that_stands_where_one_was_begun_is_left_and_keeps_no_run_from_going_on(worked, tmp_path):
    month = monthly.months(worked.system.db, before=JUNE)[0]
    path = file.Path(monthly._begin(run(worked, tmp_path), month).file)
    path.write_bytes(b"somebody's")

    assert [outcome.removed for outcome in archived(worked, tmp_path)] == [9, 3]
    assert path.read_bytes() == b"somebody's"


def test_a_run_that_another_took_for_dead_seals_nothing(worked, tmp_path, monkeypatch):
    seal = store.seal

    def late(tx, begun, **told):
        store.forget_entries(tx, begun.id)
        store.drop(tx, begun.id)
        seal(tx, begun, **told)

    before = left(worked)
    with monkeypatch.context() as patched:
        patched.setattr(store, "seal", late)
        with pytest.raises(monthly.NotNow, match="Another run"):
            archived(worked, tmp_path)

    assert (left(worked), breaks(worked)) == (before, [])


def test_nothing_is_removed_when_the_sealed_file_is_gone_or_another(worked, tmp_path):
    month = monthly.months(worked.system.db, before=JUNE)[0]
    sealed = monthly._write(run(worked, tmp_path), month)
    path = file.Path(sealed.file)
    kept = path.read_bytes()
    count = len(left(worked))

    path.unlink()
    with pytest.raises(monthly.NotNow, match="is missing"):
        archived(worked, tmp_path)
    path.write_bytes(kept + b"x")
    with pytest.raises(monthly.NotNow, match="not the file that was proved"):
        archived(worked, tmp_path)
    assert len(left(worked)) == count

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path.unlink()
    (elsewhere / path.name).write_bytes(kept)
    archived(worked, elsewhere)
    assert len(left(worked)) == 1


def test_what_closed_within_thirty_days_needs_force(worked, tmp_path):
    soon = worked.clock() - timedelta(days=29)

    with pytest.raises(monthly.NotNow, match="--force"):
        archived(worked, tmp_path, before=soon)

    assert len(archived(worked, tmp_path, before=soon, force=True)) == 2


def test_two_runs_at_once_are_refused(worked, tmp_path):
    with store.alone(worked.system.db), pytest.raises(monthly.NotNow, match="Another run"):
        archived(worked, tmp_path)


def test_a_message_on_an_archived_subject_opens_a_new_case(worked, tmp_path):
    archived(worked, tmp_path)

    worked.event(delivery="again", ticket="0")
    worked.drain()

    with worked.system.db.read() as tx:
        assert cases.find_open(tx, "support", "house:ticket:0") is not None
    assert breaks(worked) == []


def test_a_changed_file_does_not_prove_itself(worked, tmp_path):
    (march, _) = archived(worked, tmp_path)
    path = file.Path(march.file)
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    assert file.verify(path).cases == 9

    def broken(changed) -> str:
        path.write_bytes(gzip.compress(b"".join(changed)))
        with pytest.raises(file.Broken) as error:
            file.verify(path)
        return str(error.value)

    case = json.loads(lines[1])
    case["audit"][1]["actor"] = "person:mallory@example.com"
    assert "was changed, removed or added" in broken([lines[0], json.dumps(case).encode() + b"\n", *lines[2:]])
    case = json.loads(lines[1])
    case["events"][0]["data"]["text"] = "Something else"
    assert "sha256_of_lines" in broken([lines[0], json.dumps(case).encode() + b"\n", *lines[2:]])
    for lacking in (
        case | {"case": {"id": case["case"]["id"]}},
        case | {"events": 5},
        case | {"audit": [{}]},
        {"case": []},
    ):
        assert "not whole" in broken([lines[0], json.dumps(lacking).encode() + b"\n", *lines[2:]])
    case["audit"][0]["id"] = "first"
    assert "not whole" in broken([lines[0], json.dumps(case).encode() + b"\n", *lines[2:]])
    assert "does not hold" in broken([*lines[:-1], b'{"foot": 5}\n'])
    assert "cases" in broken([lines[0], *lines[2:]])
    assert "cut off" in broken(lines[:-1])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(file.Broken, match="cannot be read"):
        file.verify(path)


# SQLite gives numbers out in the order of its commits: there, all of them can be anchored at once.
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_an_archive_of_entries_without_anchor_waits(worked, tmp_path):
    month = monthly.months(worked.system.db, before=JUNE)[0]
    close_one(worked, "young")
    with worked.system.db.read() as tx:
        young = tx.execute(select(func.max(audit.c.id))).scalar_one()
    begun = monthly._begin(run(worked, tmp_path), month)
    with worked.system.db.write() as tx:
        store.keep_entries(tx, begun.id, 0, young, young, b"\0" * 40)
        worked.clock.now -= timedelta(hours=1)

        with pytest.raises(store.Unsealed):
            store.seal(
                tx, begun, name="x", sha256="", size=0, count=1, entries=1, digest="", operator="t", now=worked.clock()
            )


def _rows(tx):
    rows = {table.name: tx.execute(select(table)).all() for table in metadata.sorted_tables}
    # Wherever they are kept.
    return rows | {"revisions": tx.execute(select(revisions).where(WRITTEN)).all()}

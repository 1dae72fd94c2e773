"""`kill -9` at every point of archiving, one after the other on the same database: no case is lost, none is there twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

from workers.archive import file, monthly
from workers.store import archive as store
from workers.store import proof
from workers.store.tables import cases

ROOT = Path(__file__).parents[3]
#: as `caseworker archive`, but few cases at a time, so that there is a point between two removals
COMMAND = "from workers.archive import monthly; monthly.BATCH = 2; from workers.cli import main; main()"


def archive(engine, folder, *, crash_at: str = "") -> int:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "CASEWORKER_DATA": str(folder),
        "CASEWORKER_DATABASE_URL": engine.system.db.url,
        "CASEWORKER_CRASH_AT": crash_at,
    }
    command = [sys.executable, "-c", COMMAND, "archive", "--before", "2026-06", "--to", str(folder / "archive")]
    return subprocess.run(command, env=environment, cwd=folder, check=False, timeout=60).returncode


def where_cases_are(engine) -> tuple[Counter[str], Counter[str]]:
    """Cases in the database, and cases in files that the database counts on."""
    with engine.system.db.read() as tx:
        live = Counter(tx.execute(select(cases.c.id)).scalars())
        files = [Path(one.file) for one in store.listing(tx) if one.state != "writing"]
    return live, Counter(held["case"]["id"] for path in files for held in file.cases(path))


def test_killed_at_every_point_it_finishes_and_every_case_is_in_one_place(worked, tmp_path):
    everything = set(where_cases_are(worked)[0])
    removed_in_part = False

    for point in monthly.CRASH_POINTS:
        assert archive(worked, tmp_path, crash_at=point) == -signal.SIGKILL, point

        live, filed = where_cases_are(worked)
        assert live.keys() | filed.keys() == everything, point
        assert set(filed.values()) <= {1}, point
        removed_in_part |= bool(filed.keys() - live.keys() and filed.keys() & live.keys())
        with worked.system.db.read() as tx:
            assert proof.verify(tx) == [], point

    assert archive(worked, tmp_path) == 0
    live, filed = where_cases_are(worked)
    assert removed_in_part
    assert (len(live), len(filed), live.keys() & filed.keys()) == (1, 12, set())
    assert sorted(path.name for path in (tmp_path / "archive").iterdir()) == [
        "cases-2026-03.jsonl.gz",
        "cases-2026-04.jsonl.gz",
    ]
    with worked.system.db.read() as tx:
        assert proof.verify(tx) == []
        assert {one.state for one in store.listing(tx)} == {"done"}


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_the_points_are_passed_in_this_order(worked, tmp_path, monkeypatch):
    passed: list[str] = []
    monkeypatch.setattr("workers.faults.point", passed.append)

    next(
        monthly.archive(
            monthly.Run(worked.system.db, tmp_path, "t", worked.clock), before=worked.clock().replace(day=1, month=6)
        )
    )

    assert tuple(dict.fromkeys(passed)) == monthly.CRASH_POINTS

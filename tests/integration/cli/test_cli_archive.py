"""``caseworker archive`` as people call it: what would go, what went, and what a file holds."""

from __future__ import annotations

import pytest

from tests.integration.growth.conftest import MARCH, close_one
from tests.kit.engine import make_engine


@pytest.fixture
def closed(folder, capsys):
    """Two cases that closed in March; their ids."""
    engine = make_engine(folder, url=f"sqlite:///{folder / 'caseworker.db'}")
    engine.clock.now = MARCH
    ids = [close_one(engine, number) for number in ("1", "2")]
    engine.system.close()
    capsys.readouterr()
    return ids


def test_a_dry_run_says_what_would_go_and_changes_nothing(caseworker, closed, folder):
    told = caseworker("archive", "--before", "2026-06", "--dry-run", "--json").json

    assert told == [{"month": "2026-03", "closed": 2, "to_archive": 2, "stay": 0}]
    assert not (folder / "archive").exists()
    assert caseworker("archive", "list", "--json").json == []


def test_it_archives_and_the_file_can_be_proved_and_read_without_the_database(caseworker, closed, folder):
    ran = caseworker("archive", "--before", "2026-06")
    path = str(folder / "archive" / "cases-2026-03.jsonl.gz")

    assert ran.status == 0
    assert "2026-03: 2 of 2 cases moved to" in ran.out
    assert [a["state"] for a in caseworker("archive", "list", "--json").json] == ["done"]
    assert caseworker("audit", "verify").status == 0
    (folder / "caseworker.db").unlink()
    assert caseworker("archive", "verify", path, "--json").json["cases"] == 2
    assert "2 cases" in caseworker("archive", "verify", path).out
    shown = caseworker("archive", "show", path, closed[1])
    assert "reply_to_customer" in shown.out
    assert "closed 2026-03-10" in shown.out
    assert caseworker("archive", "show", path, closed[0], "--json").json["case"]["id"] == closed[0]
    assert caseworker("archive", "show", path, "case_none").status == 2


def test_a_folder_that_cannot_be_written_is_told_with_what_to_do(caseworker, closed, folder):
    (folder / "taken").write_text("")

    ran = caseworker("archive", "--before", "2026-06", "--to", str(folder / "taken" / "archive"))

    assert ran.status == 2
    assert "taken" in ran.err
    assert "--to" in ran.err
    assert caseworker("archive", "--before", "2026-06").status == 0


def test_a_second_time_there_is_nothing(caseworker, closed):
    caseworker("archive", "--older-than-days", "60")

    assert "No case that closed before" in caseworker("archive", "--older-than-days", "60").out


def test_a_broken_file_is_status_1(caseworker, closed, folder):
    caseworker("archive", "--before", "2026-06")
    path = folder / "archive" / "cases-2026-03.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-30])

    assert caseworker("archive", "verify", str(path)).status == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "either --before"),
        (("--before", "2026-06", "--older-than-days", "60"), "either --before"),
        (("--before", "June"), "no month"),
        (("--older-than-days", "3", "--before", "x"), "either"),
        (("--before", "2999-01"), "--force"),
        (("--before", "2999-01", "--dry-run"), "--force"),
        (("--older-than-days", "1000000"), "36500"),
    ],
)
def test_what_it_refuses_it_explains(caseworker, closed, arguments, said):
    ran = caseworker("archive", *arguments)

    assert ran.status == 2
    assert said in ran.err

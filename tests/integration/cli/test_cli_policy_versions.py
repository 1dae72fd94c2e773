"""``caseworker policy check`` warns where a bundle changed and its version did not."""

from __future__ import annotations

import pytest

from tests.kit.governing import govern, lay, written

UNRAISED = "house@1 is in force and says something else: a changed bundle needs a new version"


@pytest.fixture
def governed(engine, tmp_path, capsys):
    made = govern(engine, lay(tmp_path / "first", written()))
    capsys.readouterr()  # what a process logs as it begins
    return made


def test_what_is_in_force_under_the_same_version_and_says_something_else_is_warned_of_with_its_place(
    caseworker, governed, tmp_path
):
    changed = lay(tmp_path / "changed", written(limit=7000))

    told = caseworker("policy", "check", str(changed), "--json")
    said = caseworker("policy", "check", str(changed))

    assert (told.status, told.json["ok"]) == (0, True), "it is sound all the same"
    (warning,) = told.json["warnings"]
    assert (warning["path"], warning["message"]) == ("version", UNRAISED)
    assert warning["file"].endswith("house.yaml")
    assert "warning:" in said.out
    assert UNRAISED in " ".join(said.out.split())


@pytest.mark.parametrize("files", [written(), written(limit=7000, version=2)], ids=["unchanged", "raised"])
def test_what_did_not_change_or_has_a_new_number_is_not(caseworker, governed, tmp_path, files):
    folder = lay(tmp_path / "next", files)

    assert caseworker("policy", "check", str(folder), "--json").json["warnings"] == []


def test_what_stands_beside_the_files_does_not_count_where_a_policy_is_in_force(caseworker, governed, tmp_path):
    folder = lay(tmp_path / "next", written(limit=7000, version=2))
    caseworker("policy", "check", str(folder), "--lock")
    lay(folder, written(limit=8000, version=2))

    assert caseworker("policy", "check", str(folder), "--json").json["warnings"] == []


def test_without_a_policy_in_force_it_is_what_was_last_checked_for_the_other_engine(caseworker, folder, tmp_path):
    mine = lay(tmp_path / "mine", written())
    caseworker("policy", "check", str(mine), "--lock")
    assert caseworker("policy", "check", str(mine), "--json").json["warnings"] == []

    lay(mine, written(limit=7000))
    (warning,) = caseworker("policy", "check", str(mine), "--lock", "--json").json["warnings"]

    assert "house@1 was checked as something else (checked.lock)" in warning["message"]
    # The file now says what was just checked.
    assert caseworker("policy", "check", str(mine), "--json").json["warnings"] == []


def test_a_database_that_cannot_be_reached_keeps_no_check_from_telling_what_it_can(caseworker, folder, monkeypatch):
    monkeypatch.setenv("CASEWORKER_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")

    ran = caseworker("policy", "check", "--json")

    assert (ran.status, ran.json["warnings"]) == (0, [])

"""The doctor names each thing that is wrong, with what to do, and shows no secret."""

import errno
import json
import os
import pathlib
import platform
import shutil
import sys
import sysconfig
from datetime import timedelta

import pytest
from sqlalchemy import text

from integrations.registry import sources


@pytest.fixture
def findings(caseworker):
    def look():
        ran = caseworker("doctor", "--json")
        return ran, {(f["about"], f["level"]): f for f in ran.json["findings"]}

    return look


def test_a_sound_installation_is_called_so(findings, engine):
    ran, found = findings()

    assert ran.status == 0
    assert ran.json["ok"]
    assert ("database", "ok") in found
    assert {level for _, level in found} <= {"ok", "note"}


def test_before_the_first_start_it_says_what_makes_the_database_and_makes_nothing(findings, folder):
    ran, found = findings()

    assert ran.status == 0
    assert "caseworker up" in found["database", "note"]["remedy"]
    assert list(folder.iterdir()) == []


def test_a_database_that_does_not_answer_is_a_problem(findings, monkeypatch):
    monkeypatch.setenv("CASEWORKER_DATABASE_URL", "postgresql://u:hidden@127.0.0.1:1/x")

    ran, found = findings()

    assert ran.status == 1
    assert "doctor" not in found["database", "problem"]["told"]
    assert "hidden" not in ran.out


@pytest.mark.parametrize(
    ("revision", "floor", "remedy"),
    [("0002", "0001", "Run `caseworker migrate`."), ("1000", "0999", "Start the newer version.")],
    ids=["an older version's", "a newer version's"],
)
def test_a_database_of_another_version_is_a_problem_with_a_remedy_that_helps(findings, engine, revision, floor, remedy):
    with engine.system.db.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        tx.execute(text("UPDATE schema_floor SET revision = :floor"), {"floor": floor})

    ran, found = findings()

    assert ran.status == 1
    assert found["database", "problem"]["remedy"] == remedy


def test_a_broker_that_does_not_answer_is_a_problem(findings, engine, monkeypatch):
    monkeypatch.setenv("CASEWORKER_BROKER_URL", "redis://:hidden@127.0.0.1:1/0")

    ran, found = findings()

    assert ran.status == 1
    assert "CASEWORKER_BROKER_URL" in found["broker", "problem"]["remedy"]
    assert "hidden" not in ran.out


def test_a_broken_policy_is_a_problem_and_hides_nothing_else(findings, engine, monkeypatch, tmp_path):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("CASEWORKER_POLICY_DIR", str(tmp_path / "empty"))

    ran, found = findings()

    assert ran.status == 1
    assert "policy check" in found["policy", "problem"]["remedy"]
    assert ("model", "ok") in found


def test_work_that_nobody_does_is_a_problem(findings, engine):
    engine.clock.on(minutes=-10)
    engine.event()

    ran, found = findings()

    assert ran.status == 1
    assert found["work", "problem"]["told"].startswith("1 cases and actions")


def test_a_clock_behind_the_log_is_a_problem(findings, engine):
    engine.clock.now += timedelta(hours=1)
    engine.event()

    _, found = findings()

    assert "NTP" in found["clock", "problem"]["remedy"]


def test_thrown_switches_and_uncertain_actions_are_mentioned(findings, caseworker, engine):
    caseworker("switch", "throw", "all", "--reason", "looking into it")

    ran, found = findings()

    assert ran.status == 0
    assert "looking into it" in found["switch", "note"]["told"]


def test_every_source_is_either_on_or_off(findings, engine, monkeypatch):
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "whsec_hidden_but_long_enough_1234")

    ran, _ = findings()

    told = " ".join(f["told"] for f in ran.json["findings"] if f["about"] == "sources")
    assert "from sample, stripe" in told
    assert all(source in told for source in sources())
    assert "hidden" not in ran.out


def test_settings_are_shown_without_what_is_secret_in_them(caseworker, engine, monkeypatch):
    monkeypatch.setenv("CASEWORKER_SECRET_KEY", "hidden-key")
    monkeypatch.setenv("CASEWORKER_BROKER_URL", "amqp://u:hidden@127.0.0.1:1/v")

    shown = json.loads(caseworker("doctor", "--json").out)["settings"]

    assert shown["CASEWORKER_BROKER_URL"] == "amqp://u:…@127.0.0.1:1/v"
    assert "hidden" not in json.dumps(shown)


@pytest.mark.parametrize(
    "url",
    [
        # SQLAlchemy takes these characters as they stand.
        "postgresql://u:hid#hidden@127.0.0.1:1/x",
        "postgresql://u:hid/hidden@127.0.0.1:1/x",
        "postgresql://u:hid?hidden@127.0.0.1:1/x",
        "postgresql://u@127.0.0.1:1/x?connect_timeout=1&password=hidden",
    ],
)
def test_no_password_of_the_database_is_shown_however_it_is_written(caseworker, monkeypatch, url):
    monkeypatch.setenv("CASEWORKER_DATABASE_URL", url)

    ran = caseworker("doctor", "--json")

    assert ran.json["settings"]["CASEWORKER_DATABASE_URL"].startswith("postgresql://u")
    assert "127.0.0.1:1/x" in ran.json["settings"]["CASEWORKER_DATABASE_URL"]
    assert "hidden" not in ran.out


def test_a_data_folder_that_cannot_be_is_a_problem(findings, folder, monkeypatch):
    (folder / "file").touch()
    monkeypatch.setenv("CASEWORKER_DATA", str(folder / "file" / "data"))

    ran, found = findings()

    assert ran.status == 1
    assert "CASEWORKER_DATA" in found["data folder", "problem"]["remedy"]


def test_a_data_folder_that_will_be_made_with_those_above_it_is_none(findings, folder, monkeypatch):
    monkeypatch.setenv("CASEWORKER_DATA", str(folder / "new" / "data"))

    _, found = findings()

    assert ("data folder", "ok") in found


def test_a_data_folder_of_somebody_else_is_a_problem_and_hides_nothing_else(findings, folder, monkeypatch):
    def refusing(*_given, **_more):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))

    monkeypatch.setattr(pathlib.Path, "exists", refusing)
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.F_OK and folder not in pathlib.Path(path).parents)

    ran, found = findings()

    assert ran.status == 1
    assert ("data folder", "problem") in found
    assert "Permission denied" in found["database", "problem"]["told"]
    assert ("model", "ok") in found


@pytest.mark.parametrize("value", ["zendesk:personal", "zendesk=secrets"])
def test_classes_of_data_with_which_nothing_starts_are_a_problem(findings, engine, monkeypatch, value):
    monkeypatch.setenv("CASEWORKER_DATA_CLASSES", value)

    ran, found = findings()

    assert ran.status == 1
    assert "CASEWORKER_DATA_CLASSES" in found["privacy", "problem"]["told"]


def test_a_shadow_policy_that_is_not_asked_is_mentioned(findings, engine, monkeypatch, tmp_path):
    monkeypatch.setenv("CASEWORKER_POLICY_SHADOW_DIR", str(tmp_path / "none"))

    ran, found = findings()

    assert ran.status == 0
    assert "CASEWORKER_POLICY_SHADOW_DIR" in found["policy shadow", "note"]["remedy"]


def test_a_setting_that_is_left_empty_is_not_set(caseworker, folder, monkeypatch):
    """Its folder is not the one of the moment, and its numbers are not shown to all the world."""
    before = caseworker("doctor", "--json").json["settings"]
    for variable in before.keys() - {"CASEWORKER_DATA", "CASEWORKER_DATABASE_URL"}:
        monkeypatch.setenv(variable, "")

    assert caseworker("doctor", "--json").json["settings"] == before


@pytest.mark.parametrize(
    ("variable", "value", "wrong", "meant"),
    [
        (
            "CASEWORKER_LEASE_SECOND",
            "5",
            "CASEWORKER_LEASE_SECOND is no setting",
            "CASEWORKER_LEASE_SECONDS may be meant",
        ),
        ("CASEWORKER_VENDOR_LIMITS", "zendesk=5/s,strpe=2/s", "'strpe' is no vendor", "stripe may be meant"),
        ("CASEWORKER_BUDGET_DOMAIN_USD", "support=5,qwertz=2", "'qwertz' is no domain", "docs/settings.md"),
    ],
)
def test_a_name_that_names_nothing_is_noted(findings, engine, monkeypatch, variable, value, wrong, meant):
    monkeypatch.setenv(variable, value)

    ran, found = findings()

    assert ran.status == 0
    assert wrong in found["settings", "note"]["told"]
    assert meant in found["settings", "note"]["remedy"]


def test_names_that_name_something_are_not(findings, engine, monkeypatch):
    monkeypatch.setenv("CASEWORKER_VENDOR_LIMITS", "zendesk=5/s,anthropic=300/min")
    monkeypatch.setenv("CASEWORKER_BUDGET_DOMAIN_USD", "support=5,transactions=2,content=1,supply=1")
    monkeypatch.setenv("CASEWORKER_PORT", "8000")

    assert ("settings", "note") not in findings()[1]


def test_a_file_that_is_no_database_is_a_problem(findings, folder):
    (folder / "caseworker.db").write_text("not a database, and longer than the header of one " * 10)

    ran, found = findings()

    assert ran.status == 1
    assert "file is not a database" in found["database", "problem"]["told"]


@pytest.mark.parametrize(
    ("configured", "prefix", "level"),
    [
        ("'--prefix=/home/me/.pyenv/versions/3.11.7' '--enable-shared'", "/home/me/.pyenv/versions/3.11.7", "note"),
        ("'--build=x86_64-linux-gnu' '--enable-optimizations' '--with-lto'", "/usr/local", "ok"),
        # Debian's tells of its shared build, and is optimised.
        ("'--enable-shared' '--prefix=/usr'", "/usr", "ok"),
        # Windows has no such thing.
        (None, "C:\\Python311", "ok"),
    ],
)
def test_an_interpreter_that_was_built_without_optimisations_is_named(findings, monkeypatch, configured, prefix, level):
    monkeypatch.setattr(sysconfig, "get_config_var", {"CONFIG_ARGS": configured}.get)
    monkeypatch.setattr(sys, "base_prefix", prefix)

    ran, found = findings()

    assert ran.status == 0
    assert platform.python_version() in found["python", level]["told"]


def test_a_disk_that_is_nearly_full_is_a_problem(findings, engine, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=7 * 2**20))

    ran, found = findings()

    assert ran.status == 1
    assert "7 MiB left" in found["data folder", "problem"]["told"]

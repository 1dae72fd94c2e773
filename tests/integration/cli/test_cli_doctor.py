"""The doctor names each thing that is wrong, with what to do, and shows no secret."""

import json
import platform
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
    assert ("database", "problem") in found
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

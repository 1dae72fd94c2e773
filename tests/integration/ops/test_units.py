"""The systemd units start real commands with little rights, and only one of them may write to other systems."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from tests.architecture.source import ROOT
from tests.integration.ops.deployment import SETTINGS, UNITS, check_command, started_by, unit, variables
from workers.cli.worker import named
from workers.queue import QUEUES, make_app

FOLDER = ROOT / "deploy/systemd"
MIGRATE = "caseworker-migrate.service"
RUNNING = {name: text for name, text in UNITS.items() if name != MIGRATE}
OPERATING = (ROOT / "docs/operating.md").read_text()


@pytest.mark.parametrize("name", UNITS)
def test_each_unit_starts_a_command_with_options_that_it_has(name):
    check_command(started_by(UNITS[name]))


@pytest.mark.parametrize("name", UNITS)
def test_each_unit_may_do_little(name):
    found = unit(UNITS[name])

    assert found["User"] == ["caseworker"]
    assert found["NoNewPrivileges"] == ["yes"]
    assert found["ProtectSystem"] == ["strict"]
    assert found["CapabilityBoundingSet"] == [""]
    assert found["ReadWritePaths"] == found["WorkingDirectory"] == [f"/var/lib/{found['StateDirectory'][0]}"]
    assert found["MemoryMax"]


@pytest.mark.parametrize("name", RUNNING)
def test_each_running_unit_comes_back_whenever_it_ends(name):
    assert unit(UNITS[name])["Restart"] == ["always"]
    assert unit(UNITS[name])["StartLimitIntervalSec"] == ["0"]


@pytest.mark.parametrize("name", RUNNING)
def test_each_running_unit_starts_though_the_first_try_to_migrate_failed(name):
    """With Requires= it would stay away for good; on an unmigrated database it ends, and comes back until it is migrated."""
    found = unit(UNITS[name])

    assert "Requires" not in found
    assert "BindsTo" not in found
    assert MIGRATE in found["Wants"][0].split()
    assert MIGRATE in found["After"][0].split()


@pytest.mark.parametrize("away", [False, True], ids=["not migrated", "away"])
@pytest.mark.parametrize("name", RUNNING)
def test_who_starts_before_the_migration_ends_at_once_with_an_error(name, away, postgres, tmp_path):
    words = ["support" if word == "${QUEUES}" else word for word in started_by(UNITS[name])]
    url = "postgresql://nobody@127.0.0.1:1/nothing" if away else postgres.database("empty")
    given = {"DATABASE_URL": url, "BROKER_URL": "redis://127.0.0.1:1/0", "DATA": str(tmp_path / "data")}

    ran = subprocess.run(
        [sys.executable, "-m", "workers.cli", *["0" if word == "8000" else word for word in words]],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT),
            **{f"CASEWORKER_{variable}": value for variable, value in given.items()},
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert ran.returncode not in (0, None)
    assert ("caseworker migrate" in ran.stderr) is not away
    assert "Traceback" not in ran.stderr


def test_the_migration_is_tried_until_it_succeeds():
    found = unit(UNITS[MIGRATE])

    assert found["Type"] == ["oneshot"]
    assert found["Restart"] == ["on-failure"]
    assert found["StartLimitIntervalSec"] == ["0"]


@pytest.mark.parametrize("name", UNITS)
def test_settings_for_all_are_read_by_all_and_before_what_is_for_one(name):
    assert unit(UNITS[name])["EnvironmentFile"][0] == "/etc/caseworker/caseworker.env"


def test_a_file_that_a_unit_reads_has_an_example_or_is_told_of():
    read = {file.lstrip("-") for text in UNITS.values() for file in unit(text)["EnvironmentFile"]}
    examples = {f"/etc/caseworker/{path.name.removesuffix('.example')}" for path in FOLDER.glob("*.env.example")}

    assert examples <= read | {f"/etc/caseworker/{name}.env" for name in ("thinking", "events")}
    assert {f"`{file.rpartition('/')[2]}`" for file in read - examples if "%i" not in file} == {
        "`web.env`",
        "`actions.env`",
    }
    assert {"`web.env`", "`actions.env`", "`sweep.env`"} <= set(re.findall(r"`\w+\.env`", OPERATING))


def test_a_command_by_hand_has_the_user_the_folder_and_the_settings_of_a_unit():
    written = re.search(r"sudo (systemd-run .*?)\n```", OPERATING, re.DOTALL)[1]
    words = shlex.split(written.replace("\\\n", " "))
    program = words.index("/opt/caseworker/bin/caseworker")
    given = [words[at + 1].split("=", 1) for at, word in enumerate(words[:program]) if word == "-p"]
    web = unit(UNITS["caseworker-web.service"])

    assert {"--pipe", "--wait"} <= set(words[:program])
    assert [value for name, value in given if name == "EnvironmentFile"] == web["EnvironmentFile"]
    assert dict(given)["User"] == web["User"][0]
    assert dict(given)["WorkingDirectory"] == web["WorkingDirectory"][0]
    assert f"--setenv={web['Environment'][0].split()[0]}" in words
    check_command(words[program + 1 :])


def test_a_worker_has_longer_to_stop_than_it_takes():
    soft = make_app("redis://localhost/").conf.worker_soft_shutdown_timeout
    workers = [text for text in UNITS.values() if "caseworker worker" in text]

    assert len(workers) == 2
    assert all(int(unit(text)["TimeoutStopSec"][0]) > soft for text in workers)


def test_only_the_unit_for_actions_is_given_what_can_write():
    given = {name: unit(text)["EnvironmentFile"] for name, text in UNITS.items()}

    assert [name for name, files in given.items() if any("actions" in file for file in files)] == [
        "caseworker-actions.service"
    ]
    assert check_command(started_by(UNITS["caseworker-actions.service"]))["queues"] == ["actions"]


def test_the_examples_serve_every_other_queue():
    served = [
        queue
        for path in FOLDER.glob("*.env.example")
        for line in re.findall(r"^QUEUES=(.+)$", path.read_text(), re.MULTILINE)
        for queue in named(line)
    ]

    assert sorted([*served, "actions"]) == sorted(QUEUES)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.env.example")), ids=lambda path: path.name)
def test_the_examples_name_settings_that_exist(path):
    assert {name for name in variables(path) if name.startswith("CASEWORKER_")} <= SETTINGS


def test_no_two_processes_of_a_machine_show_their_metrics_on_one_port():
    units = re.findall(r"CASEWORKER_METRICS_PORT=(\d+)", "".join(t for n, t in UNITS.items() if "@" not in n))
    examples = [
        port
        for path in FOLDER.glob("*.env.example")
        for port in re.findall(r"^CASEWORKER_METRICS_PORT=(\d+)", path.read_text(), re.MULTILINE)
    ]

    assert len(units + examples) == len(set(units + examples)) == 5


def test_the_target_starts_what_there_is():
    wanted = " ".join(unit((FOLDER / "caseworker.target").read_text())["Wants"]).split()

    assert {re.sub(r"@\w+", "@", name) for name in wanted} == set(UNITS)


# It comes with systemd, which a container need not have.
if shutil.which("systemd-analyze") is not None:

    def test_systemd_understands_every_unit(tmp_path):
        for name, text in UNITS.items():
            # The program is not installed where tests run.
            (tmp_path / name.replace("@", "@thinking")).write_text(
                text.replace("/opt/caseworker/bin/caseworker", "/bin/true")
            )

        ran = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *sorted(map(str, tmp_path.iterdir()))],
            capture_output=True,
            text=True,
            check=False,
        )

        assert "caseworker" not in ran.stderr, ran.stderr
        assert ran.returncode == 0, ran.stderr

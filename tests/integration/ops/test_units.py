"""The systemd units start real commands with little rights, and only one of them may write to other systems."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.architecture.source import ROOT
from tests.integration.ops.deployment import SETTINGS, UNITS, check_command, started_by, unit, variables
from workers.cli.worker import named
from workers.queue import QUEUES, make_app

FOLDER = ROOT / "deploy/systemd"
RUNNING = {name: text for name, text in UNITS.items() if "migrate" not in name}


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

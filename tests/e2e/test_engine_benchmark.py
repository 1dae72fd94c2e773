"""The comparison of engines works at all: a small run on real servers, Caseworker alone, with counts that must be exact."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from tests.architecture.source import ROOT
from tests.servers.postgres import binaries
from tests.servers.redis import installed

CASES = 20


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    if binaries() is None or not installed():
        pytest.skip("PostgreSQL or Redis is not installed: `make test` installs them where it may")
    folder = tmp_path_factory.mktemp("bench")
    folder.chmod(0o755)
    command = [sys.executable, "benchmarks/engine.py", "--quick", "--systems", "caseworker", "--phases", "fast"]
    wanted = ["--cases", str(CASES), "--json", folder / "run.json", "--svg", folder / "run.svg"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, *wanted], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=560, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout, json.loads((folder / "run.json").read_text()), (folder / "run.svg").read_text()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_everything_sent_is_accepted_worked_once_and_approved(run):
    _, found, _ = run

    fast = found["medians"]["caseworker"]["fast"]

    assert found["sizes"]["cases"] == CASES
    assert fast["webhooks_refused"] == 0
    assert fast["doubled_posts"] == 0
    assert fast["repeated_calls"] == 0
    assert fast["approvals_without_effect"] == 0
    assert 0 < fast["commits"] <= 6  # cases of one burst share commits: fewer than one each is right
    assert fast["python_cpu_ms"] > 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_table_and_the_picture_show_the_figures(run):
    table, found, picture = run

    shown = f"{found['medians']['caseworker']['fast']['cases_per_second']:,.0f}"

    assert "cases a second, model at 0 ms" in table
    assert shown in table
    assert shown in "".join(ET.fromstring(picture).itertext())

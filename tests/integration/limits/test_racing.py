"""Whoever reserves at the same moment, and from however many processes: no window ever holds a cent more than its limit."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.architecture.source import ROOT
from tests.integration.limits.spending import overspent, spend


@pytest.mark.parametrize("seed", range(4))
def test_sixteen_who_reserve_at_once_never_overspend(url, seed):
    spend(url, seed=seed, threads=16, each=6)

    faults, uses = overspent(url)

    assert faults == []
    assert uses > 10, "nothing was reserved, so nothing was shown"


def test_processes_that_reserve_at_once_never_overspend(url):
    told = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.integration.limits.spending", url, str(100 + number), "4", "6"],
            cwd=ROOT,
            stderr=subprocess.PIPE,
        )
        for number in range(4)
    ]
    ended = [(process.communicate(timeout=120)[1], process.returncode) for process in told]

    assert [(code, said.decode()[-2000:]) for said, code in ended if code] == []
    faults, uses = overspent(url)
    assert faults == []
    assert uses > 10

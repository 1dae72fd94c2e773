"""A sweeper that is told to stop ends in the time that is promised, whatever it waits for."""

from __future__ import annotations

import subprocess
import sys

from tests.architecture.source import ROOT

HANGS = """
import time
from workers.cli import sweep

class Hanging:
    def stop(self):
        time.sleep(600)

sweep.STOP_SECONDS = 0.2
sweep.end(Hanging())
"""


def test_what_hangs_does_not_keep_it():
    ran = subprocess.run(
        [sys.executable, "-c", HANGS], timeout=100, check=False, capture_output=True, text=True, cwd=ROOT
    )

    assert ran.returncode == 0
    assert "stopped_while_working" in ran.stdout + ran.stderr

"""Processes of Caseworker for tests that start many: forked from a process that has the code loaded already.

They are processes as `python -m workers.cli` makes them, with an environment, a folder and a log of their own, and die as
such; only the two seconds in which each would import the same code are saved. What tests the starting itself
(`tests/integration/ops`, `tests/integration/cli`) starts them as a person would.
"""

from __future__ import annotations

import importlib
import os
import runpy
import signal
import subprocess
import sys
import warnings
from collections.abc import Mapping
from multiprocessing import get_context
from pathlib import Path

from workers import faults

_SERVER = get_context("forkserver")
_SERVER.set_forkserver_preload(
    ["workers.cli.up", "workers.cli.worker", "workers.cli.sweep", "integrations.models.anthropic.client"]
)


class Forked:
    """`python -m <program> <words>`, with what of `subprocess.Popen` tests use."""

    def __init__(self, program: str, words: tuple[str, ...], *, env: Mapping[str, str], cwd: Path, log: Path) -> None:
        self.words = words
        log.touch()
        # Who is left at the end of the tests is ended with them.
        self._process = _SERVER.Process(target=_run, args=(program, words, dict(env), cwd, log), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        """Raise `subprocess.TimeoutExpired` where it has not ended after so many seconds."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self.words, timeout)
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _run(program: str, words: tuple[str, ...], env: dict[str, str], cwd: Path, log: Path) -> None:
    """In the new process: what the interpreter and the shell would have done, and then the program."""
    with log.open("ab", buffering=0) as written:
        for stream in (1, 2):
            os.dup2(written.fileno(), stream)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    if "PYTHONWARNINGS" in env:
        warnings.simplefilter(env["PYTHONWARNINGS"])  # type: ignore[arg-type]  # one word, as the tests set it
    sys.argv = [program, *words]
    importlib.reload(faults)  # it reads the environment once
    runpy.run_module(program, run_name="__main__", alter_sys=True)

"""The command line as people call it, on a data folder of the test's own and with none of this machine's settings."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from tests.kit.engine import make_engine
from workers.cli import main


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data folder, made known by the environment; no `.env` is in reach."""
    monkeypatch.chdir(tmp_path)
    for variable in list(os.environ):
        if variable.startswith(("CASEWORKER_", "ANTHROPIC_")) or variable.endswith("_WEBHOOK_SECRET"):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("CASEWORKER_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def caseworker(folder, monkeypatch, capsys) -> Callable[..., Ran]:
    """Call the command line in this process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def call(*arguments: str, stdin: str = "") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        printed = capsys.readouterr()
        return Ran(int(ended.value.code or 0), printed.out, printed.err)

    yield call
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def engine(folder):
    """A system on the same database, with a scripted model, to make cases with."""
    made = make_engine(folder, url=f"sqlite:///{folder / 'caseworker.db'}")
    # Commands go by the clock of this machine.
    made.clock.now = datetime.now(UTC)
    yield made
    made.system.close()


@pytest.fixture
def waiting(engine):
    """A case whose refund and reply wait for people, and somebody who may decide."""
    engine.person("ana")
    engine.event()
    engine.drain()
    return engine

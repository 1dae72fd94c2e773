"""The files for deployment as tests read them, and whether what they name is there."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import typer
import yaml
from sqlalchemy import Engine, QueuePool

from tests.architecture.source import ROOT
from workers.cli import COMMANDS
from workers.cli.worker import named
from workers.settings import Settings
from workers.store.database import Database

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
#: the services that run this project; the rest are databases and brokers
OURS = {name: service for name, service in SERVICES.items() if str(service["image"]).startswith("caseworker")}
UNITS = {path.name: path.read_text() for path in sorted((ROOT / "deploy/systemd").glob("*.service"))}
SETTINGS = {f"CASEWORKER_{field.upper()}" for field in Settings.model_fields}


def check_command(words: list[str]) -> dict[str, Any]:
    """Read a command as the command line would, without running it. What it does not know raises."""
    command = typer.main.get_command(import_module(COMMANDS[words[0]].module).app)
    context = command.make_context(words[0], list(words[1:]))
    given = dict(context.params)
    if words[0] == "worker" and not str(given["queues"]).startswith("${"):
        given["queues"] = named(str(given["queues"]))
    return given


def given(value: str, **set_: str) -> str:
    """A value of the compose file as Compose reads it, with these variables in `.env` and no others."""
    inner = re.compile(r"\$\{(\w+)(?::([-?])([^${}]*))?\}")
    while found := inner.search(value):
        value = value.replace(found[0], set_.get(found[1]) or (found[3] or "" if found[2] == "-" else ""))
    return value


def connections(each: int) -> int:
    """How many a process may open on PostgreSQL that is given so many: all its pools, and the one that its leases have."""
    db = Database("postgresql://nobody@nowhere/nothing", connections=each)
    leases = Database("postgresql://nobody@nowhere/nothing", connections=1)
    pools = {engine.pool for engine in vars(db).values() if isinstance(engine, Engine)}
    return sum(cast("QueuePool", pool).size() for pool in pools) + cast("QueuePool", leases.engine.pool).size()


def unit(text: str) -> dict[str, list[str]]:
    """The settings of a unit by name; a name may stand several times."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if found_pair := re.match(r"([A-Za-z]+)=(.*)$", line):
            found.setdefault(found_pair[1], []).append(found_pair[2])
    return found


def started_by(text: str) -> list[str]:
    """The words of a unit's command, after the program."""
    program, *words = shlex.split(unit(text)["ExecStart"][0])
    assert Path(program).name == "caseworker"
    return words


def variables(path: Path) -> set[str]:
    """The variables that an example names, set or commented out."""
    return set(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", path.read_text(), re.MULTILINE))

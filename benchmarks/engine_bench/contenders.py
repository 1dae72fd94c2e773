"""Who is compared: how each is prepared, started, killed and asked what it recorded. All are real processes.

Each runs in the setting that served it best here; `SETTINGS` says which, and the report repeats it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import psycopg
import redis

from engine_bench.house import rules
from engine_bench.servers import Postgres, Redis, free_port
from workers.access import make_token
from workers.store import people
from workers.store.database import Database
from workers.store.schema import upgrade

BENCHMARKS = Path(__file__).resolve().parents[1]
PROJECT = BENCHMARKS.parent
PEERS = PROJECT / ".venv-peers" / "bin" / "python"
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """What a contender is given to run on."""

    folder: Path
    postgres: Postgres
    redis: Redis
    world: str
    secret: str


@dataclass(frozen=True, slots=True)
class Crew:
    """How many worker processes, with so many slots each."""

    processes: int
    slots: int


@dataclass(frozen=True, slots=True)
class Contender:
    """One engine. Commands are lists; `{port}`, `{slots}` and `{number}` are filled in."""

    name: str
    title: str
    setting: str
    web: tuple[str, ...]
    worker: tuple[str, ...]
    beside: tuple[tuple[str, ...], ...]
    fast: Crew
    slow: Crew
    very_slow: Crew
    prepare: Callable[[Place, str], Mapping[str, str]]
    finished: Callable[[Place, str], int]
    #: (marker, task) of every model call whose answer is in the books
    recorded: Callable[[Place, str], set[str]]
    approvals: Callable[[Place, str, Mapping[str, str], list[str]], list[dict[str, Any]]]


@dataclass
class Running:
    """A contender on a fresh database, with its processes."""

    contender: Contender
    place: Place
    crew: Crew
    database: str = ""
    port: int = field(default_factory=free_port)
    environment: dict[str, str] = field(default_factory=dict)
    web: subprocess.Popen[bytes] | None = None
    beside: list[subprocess.Popen[bytes]] = field(default_factory=list)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.database = f"{self.contender.name}_{time.monotonic_ns()}"
        dsn = self.place.postgres.fresh(self.database)
        self.place.redis.empty()
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.place.folder),
            "PYTHONPATH": f"{BENCHMARKS}:{PROJECT}",
            "ANTHROPIC_API_KEY": "bench",
            "ANTHROPIC_BASE_URL": self.place.world,
            "ANTHROPIC_MODEL": "claude-sonnet-4-5",
            "SAMPLE_WEBHOOK_SECRET": self.place.secret,
            "BENCH_DSN": dsn,
            "BENCH_REDIS": self.place.redis.url,
            "BENCH_WORLD": self.place.world,
            "BENCH_ASKED": str(self.place.folder / "asked.json"),
            **{name: os.environ[name] for name in ("LANG",) if name in os.environ},
        }
        self.environment |= self.contender.prepare(self.place, dsn)
        self.web = self._start(self.contender.web)
        self.beside = [self._start(command) for command in self.contender.beside]
        self.start_workers()
        self._await_web()
        return self

    def __exit__(self, *_: object) -> None:
        processes = [p for p in [self.web, *self.beside, *self.workers] if p is not None]
        for process in processes:
            _signal(process, signal.SIGCONT)
            _signal(process, signal.SIGKILL)
        for process in processes:
            process.wait(30)

    def start_workers(self) -> None:
        self.workers = [self._start(self.contender.worker, number=n) for n in range(self.crew.processes)]

    def signal_workers(self, what: signal.Signals) -> None:
        for process in self.workers:
            _signal(process, what)

    def kill_workers(self) -> None:
        """`kill -9`, with all that they had forked."""
        self.signal_workers(signal.SIGKILL)
        for process in self.workers:
            process.wait(30)

    @property
    def pids(self) -> list[int]:
        return [p.pid for p in [self.web, *self.beside, *self.workers] if p is not None]

    @property
    def dsn(self) -> str:
        return self.place.postgres.url(self.database)

    def finished(self) -> int:
        return self.contender.finished(self.place, self.dsn)

    def _start(self, command: tuple[str, ...], number: int = 0) -> subprocess.Popen[bytes]:
        filled = [part.format(port=self.port, slots=self.crew.slots, number=number) for part in command]
        environment = self.environment | {"BENCH_NUMBER": str(number)}
        with (self.place.folder / f"{self.contender.name}.log").open("ab") as log:
            return subprocess.Popen(
                filled, env=environment, cwd=self.place.folder, stdout=log, stderr=log, start_new_session=True
            )

    def _await_web(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2).close()
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.05)
            else:
                return
        log = (self.place.folder / f"{self.contender.name}.log").read_text(errors="replace")[-3000:]
        raise SystemExit(f"{self.contender.title} does not come up:\n{log}")


def _signal(process: subprocess.Popen[bytes], what: signal.Signals) -> None:
    """To the process and its children: each is the leader of a session of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, what)


# ── Caseworker ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _caseworker_prepare(place: Place, dsn: str) -> Mapping[str, str]:
    db = Database(dsn, connections=2)
    upgrade(db)
    plain, kept = make_token()
    now = datetime.now(UTC)
    with db.write() as tx:
        person = people.add(
            tx, email="lead@example.com", name="Lead", password_hash="!", groups=["support", "lead"], now=now
        )
        people.add_token(tx, name="bench", token_hash=kept, scopes=["read", "decide"], person_id=person.id, now=now)
    db.dispose()
    return {
        "CASEWORKER_DATA": str(place.folder / "data"),
        "CASEWORKER_DATABASE_URL": dsn,
        "CASEWORKER_BROKER_URL": place.redis.url,
        "CASEWORKER_SAMPLE_COMPANY": "false",
        "CASEWORKER_POLICY_DIR": str(rules(place.folder / "rules")),
        "CASEWORKER_LOG_LEVEL": "WARNING",
        "CASEWORKER_LOG_FORMAT": "json",
        "CASEWORKER_LOOP_TURNS": "0",
        "BENCH_TOKEN": plain,
    }


def _caseworker_finished(_place: Place, dsn: str) -> int:
    return int(_one(dsn, "SELECT count(*) FROM cases WHERE state = 'closed'"))


def _caseworker_recorded(_place: Place, dsn: str) -> set[str]:
    rows = _rows(
        dsn,
        "SELECT c.subject, s.name FROM steps s JOIN cases c ON c.id = s.case_id WHERE s.name IN ('triage', 'draft')",
    )
    return {f"{subject.rpartition(':')[2]} {name}" for subject, name in rows}


def _caseworker_approvals(
    _place: Place, dsn: str, environment: Mapping[str, str], markers: list[str]
) -> list[dict[str, Any]]:
    rows = _rows(
        dsn,
        "SELECT c.subject, a.id, a.revision, a.digest FROM actions a JOIN cases c ON c.id = a.case_id"
        " WHERE a.state = 'pending'",
    )
    headers = {"authorization": f"Bearer {environment['BENCH_TOKEN']}"}
    return [
        {
            "marker": subject.rpartition(":")[2],
            "path": f"/api/v1/actions/{action}/decision",
            "body": {"decision": "approve", "revision": revision, "digest": digest},
            "headers": headers,
        }
        for subject, action, revision, digest in rows
        if subject.rpartition(":")[2] in markers
    ]


def _caseworker() -> Contender:
    cli = (sys.executable, "-m", "workers.cli")
    return Contender(
        name="caseworker",
        title="Caseworker",
        setting="PostgreSQL + Redis; web, sweeper and workers with threads, each on support and actions",
        web=(*cli, "web", "--port", "{port}"),
        worker=(sys.executable, "-m", "engine_bench.caseworker_start", "--threads", "{slots}"),
        beside=((*cli, "sweep"),),
        fast=Crew(2, 32),
        slow=Crew(2, 500),
        very_slow=Crew(1, 1000),
        prepare=_caseworker_prepare,
        finished=_caseworker_finished,
        recorded=_caseworker_recorded,
        approvals=_caseworker_approvals,
    )


# ── the others ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _peer(name: str, *arguments: str) -> tuple[str, ...]:
    return (str(PEERS), "-m", f"engine_bench.peers.{name}", *arguments)


def _peer_prepare(name: str) -> Callable[[Place, str], Mapping[str, str]]:
    def prepare(place: Place, dsn: str) -> Mapping[str, str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(place.folder),
            "PYTHONPATH": str(BENCHMARKS),
            "BENCH_DSN": dsn,
            "BENCH_REDIS": place.redis.url,
            "BENCH_WORLD": place.world,
            "BENCH_ASKED": str(place.folder / "asked.json"),
            "SAMPLE_WEBHOOK_SECRET": place.secret,
            "ANTHROPIC_API_KEY": "bench",
            "ANTHROPIC_BASE_URL": place.world,
        }
        subprocess.run(_peer(name, "prepare"), env=environment, cwd=place.folder, check=True, capture_output=True)
        return {}

    return prepare


def _peer_approvals(
    _place: Place, _dsn: str, _environment: Mapping[str, str], markers: list[str]
) -> list[dict[str, Any]]:
    return [
        {"marker": marker, "path": f"/cases/{marker}/approve", "body": {"approve": True}, "headers": {}}
        for marker in markers
    ]


def _celery_finished(place: Place, _dsn: str) -> int:
    with redis.Redis(port=place.redis.port) as client:
        return int(client.hlen("outcomes"))


def _celery() -> Contender:
    return Contender(
        name="celery",
        title="Celery chain",
        setting="Redis; one chain of five tasks a case, late acknowledgement, prefork 2 (threads where the model is slow)",
        web=_peer("celery_run", "web", "{port}"),
        worker=_peer("celery_run", "worker", "{slots}"),
        beside=(),
        fast=Crew(1, 2),
        slow=Crew(2, 500),
        very_slow=Crew(1, 1000),
        prepare=lambda _place, _dsn: {},
        finished=_celery_finished,
        recorded=lambda _place, _dsn: set(),
        approvals=_peer_approvals,
    )


def _dbos() -> Contender:
    return Contender(
        name="dbos",
        title="DBOS",
        setting="PostgreSQL; one workflow of six steps a case, enqueued by the door, two workers",
        web=_peer("dbos_flow", "web", "{port}"),
        worker=_peer("dbos_flow", "worker", "{slots}"),
        beside=(),
        fast=Crew(2, 32),
        slow=Crew(2, 500),
        very_slow=Crew(1, 1000),
        prepare=_peer_prepare("dbos_flow"),
        finished=lambda _place, dsn: int(
            _one(dsn, "SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'")
        ),
        recorded=lambda _place, dsn: {
            f"{workflow.removeprefix('msg_')} {'triage' if 'classify' in name else 'draft'}"
            for workflow, name in _rows(dsn, "SELECT workflow_uuid, function_name FROM dbos.operation_outputs")
            if name.endswith(("classify", "draft"))
        },
        approvals=_peer_approvals,
    )


def _langgraph() -> Contender:
    return Contender(
        name="langgraph",
        title="LangGraph",
        setting="PostgreSQL checkpointer, durability sync; an inbox table of its own and two workers with threads",
        web=_peer("langgraph_flow", "web", "{port}"),
        worker=_peer("langgraph_flow", "worker", "{slots}"),
        beside=(),
        fast=Crew(2, 8),
        slow=Crew(2, 500),
        very_slow=Crew(1, 1000),
        prepare=_peer_prepare("langgraph_flow"),
        finished=lambda _place, dsn: int(_one(dsn, "SELECT count(*) FROM inbox WHERE state = 'done'")),
        recorded=lambda _place, dsn: {
            f"{thread.removeprefix('msg_')} {'triage' if channel == 'triage' else 'draft'}"
            for thread, channel in _rows(
                dsn, "SELECT DISTINCT thread_id, channel FROM checkpoint_blobs WHERE channel IN ('triage', 'draft')"
            )
        },
        approvals=_peer_approvals,
    )


def all_contenders() -> dict[str, Contender]:
    return {contender.name: contender for contender in (_caseworker(), _celery(), _dbos(), _langgraph())}


def write_asked(path: Path, asked: Mapping[str, Any]) -> None:
    """What every contender asks the model, to the byte: instructions and output schemas."""
    path.write_text(json.dumps(asked))


def _rows(dsn: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(query).fetchall()


def _one(dsn: str, query: str) -> Any:
    return _rows(dsn, query)[0][0]

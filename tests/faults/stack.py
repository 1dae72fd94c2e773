"""The fleet as real processes: a durable PostgreSQL, a broker, the house, web, workers and sweepers, each killable.

`Stack` starts all of it in one scratch folder and stops all of it. Nothing here decides what is killed when: that is `chaos`.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
import redis
from kombu.connection import Connection

from tests.faults.proxy import Link, Proxy
from tests.servers.ports import free_port
from tests.servers.postgres import binaries
from tests.servers.rabbitmq import RabbitServer
from tests.servers.redis import RedisServer
from workers.access import make_token
from workers.hint_line import Line
from workers.queue import QUEUES, make_app
from workers.store import people
from workers.store.database import Database
from workers.store.schema import upgrade
from workers.wiring import utc_now

ROOT = Path(__file__).parents[2]
PATIENCE = 150.0
STOP_SECONDS = 10.0
PEOPLE = ("casey", "finn")
GROUPS = ["support", "lead", "finance", "risk", "risk_lead", "editor"]


class Redis:
    """Redis without persistence: each kill forgets every hint."""

    def __init__(self) -> None:
        self._server = RedisServer()
        self.port = self._server.port

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__(None, None, None)

    def url(self, port: int) -> str:
        return f"redis://127.0.0.1:{port}/0"

    def start(self) -> None:
        self._server.start()

    def kill(self) -> None:
        self._server.stop()

    def flush(self) -> None:
        with redis.Redis(port=self.port) as client:
            client.flushall()


class Rabbit:
    """RabbitMQ with quorum queues; a kill keeps what was on disk."""

    def __init__(self) -> None:
        self._server = RabbitServer()
        self.port = self._server.port

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__(None, None, None)

    def url(self, port: int) -> str:
        return f"amqp://guest:guest@127.0.0.1:{port}/%2F"

    def start(self) -> None:
        self._server.start()

    def kill(self) -> None:
        self._server.kill()

    def flush(self) -> None:
        with Connection(self.url(self.port)) as connection:
            for name in QUEUES:
                # A queue that no worker serves is not there, and asking for it closes the channel.
                with contextlib.suppress(*connection.channel_errors), connection.channel() as channel:
                    channel.queue_purge(name)


Broker = Redis | Rabbit


class Postgres:
    """PostgreSQL as in production, with fsync; `kill` takes the whole server down at once, `start` lets it recover."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"postgresql://cw@127.0.0.1:{self.port}/cw"
        self._admin = f"postgresql://cw@127.0.0.1:{self.port}/postgres"
        self._process: subprocess.Popen[bytes] | None = None
        found = binaries()
        assert found is not None, "PostgreSQL is not installed"
        self._programs = found
        # The server refuses to run as root.
        self._user = "postgres" if os.getuid() == 0 else None
        folder.mkdir()
        if self._user:
            shutil.chown(folder, self._user)
        command: list[str | Path] = [found / "initdb", "-D", folder / "data", "-U", "cw", "-A", "trust", "--no-sync"]
        subprocess.run(command, check=True, capture_output=True, cwd="/", user=self._user)

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self.folder} -c max_connections=200"
        deadline = time.monotonic() + PATIENCE
        while True:
            if self._process is None or self._process.poll() is not None:
                # After a kill the last backend may still hold the shared memory for a moment.
                command: list[str | Path] = [
                    self._programs / "postgres",
                    "-D",
                    self.folder / "data",
                    *options.split(),
                    "-c",
                    "fsync=on",
                ]
                with (self.folder.parent / "postgres.log").open("ab") as log:
                    self._process = subprocess.Popen(command, cwd="/", stdout=log, stderr=log, user=self._user)
            try:
                psycopg.connect(self._admin, connect_timeout=1).close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "PostgreSQL does not come up"
                time.sleep(0.1)
            else:
                return

    def create(self) -> None:
        with psycopg.connect(self._admin, autocommit=True) as connection:
            connection.execute("CREATE DATABASE cw")

    def kill(self) -> None:
        """`kill -9` of the server and all its backends."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in [self._process.pid, *map(int, children)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(20)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)


@dataclass
class Member:
    """One process of the fleet, started and killed again and again under one name."""

    name: str
    kind: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    #: (pid, from, until) of every life
    lives: list[list[float]] = field(default_factory=list)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdout=log, stderr=log, cwd=self.log.parent
            )
        self.lives.append([self.process.pid, time.time(), float("inf")])

    @property
    def pid(self) -> int:
        return self.process.pid if self.process is not None else 0

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, what: signal.Signals) -> None:
        if self.process is not None and self.running():
            self.process.send_signal(what)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.ended(20)

    def ended(self, patience: float) -> int:
        """Wait for the end; the exit status."""
        assert self.process is not None
        status = self.process.wait(patience)
        self.lives[-1][2] = time.time()
        return status


class Stack:
    """Everything that runs. Entered, it is up and ready."""

    def __init__(self, seed: int, *, broker: str = "redis", sweepers: int = 2, folder: Path | None = None) -> None:
        self.seed = seed
        self.folder = Path(tempfile.mkdtemp(prefix="caseworker-faults-", dir=folder))
        self.folder.chmod(0o755)
        self.broker_kind, self._sweepers = broker, sweepers
        self.secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        self.members: dict[str, Member] = {}
        self.tokens: dict[str, str] = {}
        self.ledger = self.folder / "house.db"

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opened:
            self._start(opened)
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def _start(self, opened: contextlib.ExitStack) -> None:
        opened.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.proxy = opened.enter_context(Proxy())
        self.postgres = Postgres(self.folder / "pg")
        opened.callback(self.postgres.stop)
        self.postgres.start()
        self.postgres.create()
        self.broker: Broker = Rabbit() if self.broker_kind == "rabbitmq" else Redis()
        opened.enter_context(self.broker)
        self.to_database: Link = self.proxy.link(self.postgres.port)
        self.to_broker: Link = self.proxy.link(self.broker.port)
        self._house = self._start_house()
        opened.callback(self._stop_house)
        self.db = Database(self.postgres.url, connections=4)
        opened.callback(self.db.dispose)
        upgrade(self.db)
        opened.callback(self._kill_all)
        for name in PEOPLE:
            self.tokens[name] = self._person(name)
        self.web_port = free_port()
        self.address = f"http://127.0.0.1:{self.web_port}"
        self._add("web", "web", ["web", "--port", str(self.web_port)])
        for name, queues in (("think-1", "support,events,upkeep"), ("think-2", "support"), ("act-1", "actions")):
            self._add(name, "worker", ["worker", "--queues", queues, "--concurrency", "8"])
        for number in range(self._sweepers):
            self._add(f"sweep-{number + 1}", "sweep", ["sweep"])
        for member in self.members.values():
            member.start()
        self.until_ready()

    def _kill_all(self) -> None:
        for member in self.members.values():
            member.send(signal.SIGKILL)
        for member in self.members.values():
            if member.process is not None:
                member.process.wait(20)

    def _stop_house(self) -> None:
        self._house.terminate()
        self._house.wait(20)
        assert self._house.stdout is not None
        self._house.stdout.close()

    def until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with urllib.request.urlopen(f"{self.address}/readyz", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                dead = [name for name, member in self.members.items() if not member.running()]
                if dead or time.monotonic() > deadline:
                    raise RuntimeError(
                        f"{dead or 'web'} does not come up: {self.log_of((dead or ['web'])[0])}"
                    ) from None
                time.sleep(0.1)

    def log_of(self, name: str, most: int = 3000) -> str:
        return self.members[name].log.read_text(errors="replace")[-most:]

    def standstill(self) -> list[str]:
        """For a report: how much waits in each queue, what every thread of the workers stands at, and what they logged last."""
        app = make_app(self.broker.url(self.broker.port))
        line = Line(app)
        lines = [f"{name}: {line.depth(name)} hints wait" for name in ("support", "actions")]
        line.hang_up()
        app.close()
        for member in self.members.values():
            if member.kind == "worker":
                member.send(signal.SIGUSR1)
        time.sleep(1.0)
        for name, member in self.members.items():
            if member.kind == "worker":
                lines += [f"── {name}, running: {member.running()}", self.log_of(name, 12_000)]
        return lines

    def _add(self, name: str, kind: str, arguments: list[str]) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "PROCESS_NAME": name,
            "HOUSE_URL": self.house_url,
            "ANTHROPIC_BASE_URL": self.model_url,
            "ANTHROPIC_API_KEY": name,
            "SAMPLE_WEBHOOK_SECRET": self.secret,
            "CASEWORKER_DATABASE_URL": f"postgresql://cw@127.0.0.1:{self.to_database.port}/cw",
            "CASEWORKER_BROKER_URL": self.broker.url(self.to_broker.port),
            "CASEWORKER_DATA": str(self.folder / "data"),
            "CASEWORKER_SECRET_KEY": base64.urlsafe_b64encode(b"k" * 32).decode(),
            "CASEWORKER_LEASE_SECONDS": "10",
            "CASEWORKER_SWEEP_SECONDS": "0.5",
            "CASEWORKER_STOP_SECONDS": str(STOP_SECONDS),
            "CASEWORKER_SAMPLE_COMPANY": "false",
            "CASEWORKER_LOG_LEVEL": "INFO",
            "CASEWORKER_LOOP_TURNS": "0",
            "CASEWORKER_LOG_FORMAT": "json",
        }
        command = [sys.executable, "-m", "tests.faults.process", *arguments]
        self.members[name] = Member(name, kind, command, environment, self.folder / f"{name}.log")

    def _start_house(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.faults.house", str(self.ledger), str(self.seed)]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        with (self.folder / "house.log").open("ab") as log:
            process = subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True, cwd=self.folder
            )
        assert process.stdout is not None
        said = process.stdout.readline().split()
        assert len(said) == 2, (self.folder / "house.log").read_text()
        self.house_url, self.model_url = said
        return process

    def _person(self, name: str) -> str:
        plain, kept = make_token()
        now = utc_now()
        with self.db.write() as tx:
            person = people.add(
                tx, email=f"{name}@firm.example", name=name.title(), password_hash="!", groups=GROUPS, now=now
            )
            people.add_token(tx, name=name, token_hash=kept, scopes=["read", "decide"], person_id=person.id, now=now)
        return plain

"""PostgreSQL and Redis for one run: scratch folders, free loopback ports, real durability, stopped at the end.

PostgreSQL keeps every default that costs something (fsync, full page writes, synchronous commit); only the number of
connections is raised, so that no contender is held back by it. Redis writes its log and syncs it every second.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
import redis

from engine_bench import deliveries


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Postgres(AbstractContextManager["Postgres"]):
    def __init__(self, folder: Path, *, watched: bool = False) -> None:
        self._folder = folder / "postgres"
        self._watched = watched
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        if not found:
            raise SystemExit("PostgreSQL is not installed.")
        self._programs = found[-1].parent

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True)
        user: list[str | Path] = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if user:  # the server refuses to run as root
            shutil.chown(self._folder, "postgres")
        data = self._folder / "data"
        initdb = [*user, self._programs / "initdb", "-D", data, "-U", "cw", "-A", "trust", "--no-sync"]
        subprocess.run(initdb, check=True, capture_output=True, cwd="/")
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self._folder}"
        command = [*user, self._programs / "postgres", "-D", data, *options.split(), "-c", "max_connections=300"]
        if self._watched:
            # Only for a profile: it costs a little of what it counts.
            command += [
                "-c",
                "shared_preload_libraries=pg_stat_statements",
                "-c",
                "pg_stat_statements.track_planning=on",
            ]
        with (self._folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, cwd="/", stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while True:
            try:
                with self.admin() as connection:
                    connection.execute("CREATE EXTENSION IF NOT EXISTS pg_walinspect")
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)

    def admin(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=2)

    def url(self, name: str) -> str:
        return f"postgresql://cw@127.0.0.1:{self.port}/{name}"

    def fresh(self, name: str) -> str:
        """A new database with the customers that every contender looks up."""
        with self.admin() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}"')
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE crm_customers (customer_id text PRIMARY KEY, name text, email text UNIQUE, tier text,"
                " vip boolean, verified boolean, created_at text, refunds int)"
            )
            with connection.cursor() as cursor, cursor.copy("COPY crm_customers FROM STDIN") as copy:
                for number in range(deliveries.CUSTOMERS):
                    email = deliveries.customer_email(number)
                    copy.write_row(
                        (
                            deliveries.customer_id(number),
                            "Ana Diaz",
                            email,
                            "standard",
                            False,
                            True,
                            "2024-01-01T00:00:00+00:00",
                            0,
                        )
                    )
            connection.execute("ANALYZE crm_customers")
        return self.url(name)


class Redis(AbstractContextManager["Redis"]):
    def __init__(self, folder: Path) -> None:
        self._folder = folder / "redis"
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True)
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        durable = ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]
        self.process = subprocess.Popen(
            [*command, *durable, "--maxmemory-policy", "noeviction"], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        with redis.Redis(port=self.port) as client:
            while True:
                try:
                    client.ping()
                except redis.ConnectionError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
                else:
                    return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)

    def empty(self) -> None:
        with redis.Redis(port=self.port) as client:
            client.flushall()

"""A PostgreSQL server of the tests' own: scratch folder, free port, loopback only, stopped at the end."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from tests.servers.ports import free_port
from workers.store import schema
from workers.store.database import Database

TEMPLATE = "template_caseworker"


def binaries() -> Path | None:
    """The newest installed server's programs, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    return Path(on_path).parent if on_path else None


class Postgres:
    """Started on entering, stopped on leaving. `migrated` lends a database with all tables, `database(name)` makes an empty
    one, and each gives its URL; `restart` plays an outage."""

    def __init__(self) -> None:
        self.port = free_port()
        self._numbers = itertools.count(1)
        self._has_template = False
        self._folder = Path(tempfile.mkdtemp(prefix="caseworker-pg-"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        programs = binaries()
        assert programs is not None, "PostgreSQL is not installed"
        data = self._folder / "data"
        # The server refuses to run as root.
        user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if user:
            shutil.chown(self._folder, "postgres")
        subprocess.run(
            [*user, programs / "initdb", "-D", data, "-U", "cw", "-A", "trust", "--no-sync"],
            check=True,
            capture_output=True,
            cwd="/",
        )
        self._start()
        return self

    def restart(self, *, down_for: float) -> None:
        """Every connection is cut at once, and refused for so long."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)
        time.sleep(down_for)
        self._start()

    def _start(self) -> None:
        programs = binaries()
        assert programs is not None, "PostgreSQL is not installed"
        data = self._folder / "data"
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self._folder}"
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        self._process = subprocess.Popen(
            [*user, programs / "postgres", "-D", data, *options.split(), "-c", "fsync=off"],
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self._url("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, "PostgreSQL does not start"
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # not SIGTERM, which waits for every client
            self._process.wait(60)
        shutil.rmtree(self._folder, ignore_errors=True)

    def database(self, name: str) -> str:
        self._ask(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}"')
        return self._url(name)

    @contextmanager
    def migrated(self) -> Iterator[str]:
        """A database of one's own with the tables of this code: a copy, taken away at the end of the block."""
        if not self._has_template:
            db = Database(self.database(TEMPLATE), connections=2)
            schema.upgrade(db)
            db.dispose()
            self._has_template = True
        name = f"copy{next(self._numbers)}"
        # Copying files beats logging each of their pages, where nobody waits for a disk.
        self._ask(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
        try:
            yield self._url(name)
        finally:
            self._ask(f"DROP DATABASE {name} WITH (FORCE)")

    def _ask(self, *statements: str) -> None:
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def _url(self, name: str) -> str:
        return f"postgresql://cw@127.0.0.1:{self.port}/{name}"

"""Backup and restore as `docs/operating.md` prints them, by the database user that the page makes: no superuser."""

from __future__ import annotations

import os
import re
import subprocess
from datetime import UTC, datetime

import psycopg
import pytest

from tests.architecture.source import ROOT
from workers.store import people, schema
from workers.store.database import Database

PAGE = (ROOT / "docs/operating.md").read_text()
#: what the database's owner does there is done by the superuser of the tests' server
SUDO = '#!/bin/sh\nshift 2\nexec env PGUSER="$OWNER" PGDATABASE=postgres "$@"\n'


def block(beginning):
    """The lines of the page's block of code in which one begins so."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", PAGE, re.MULTILINE | re.DOTALL)
    (found,) = [block for block in blocks if re.search(f"^ *{beginning}", block, re.MULTILINE)]
    return [line.strip() for line in found.splitlines()]


@pytest.fixture
def run(postgres, tmp_path):
    """Runs lines of the page; `run.url` is what the page has in CASEWORKER_DATABASE_URL."""
    server = psycopg.conninfo.conninfo_to_dict(postgres.database("restoring"))
    (tmp_path / "sudo").write_text(SUDO)
    (tmp_path / "sudo").chmod(0o755)
    owner = psycopg.connect(**server, autocommit=True)
    owner.execute("CREATE ROLE caseworker LOGIN")

    def run(*lines):
        done = subprocess.run(
            ["sh", "-ec", "\n".join(lines)],
            cwd=tmp_path,
            env={
                **os.environ,
                "PATH": f"{tmp_path}:{os.environ['PATH']}",
                "PGHOST": server["host"],
                "PGPORT": server["port"],
                "OWNER": server["user"],
                "CASEWORKER_DATABASE_URL": run.url,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    run.url = f"postgresql://caseworker@{server['host']}:{server['port']}/caseworker"
    yield run
    for name in ("caseworker", "caseworker_before"):
        owner.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    owner.execute("DROP ROLE caseworker")
    owner.close()


def test_what_was_dumped_is_brought_back_by_the_lines_that_are_printed(run):
    run(*(line for line in block("sudo useradd") if " createdb " in line))
    before = Database(run.url, connections=2)
    schema.upgrade(before)
    with before.write() as tx:
        people.add(tx, email="ana@example.com", name="Ana", password_hash="", groups=["lead"], now=datetime.now(UTC))
    before.dispose()

    run(*block("pg_dump"))
    run(*(line.replace("caseworker-….dump", "caseworker-*.dump") for line in block("pg_restore")))

    after = Database(run.url, connections=2)
    with after.read() as tx:
        assert [person.email for person in people.everyone(tx)] == ["ana@example.com"]
    assert schema.standing(after) is schema.Standing.CURRENT
    after.dispose()

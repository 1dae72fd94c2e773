"""A PostgreSQL server for the tests of operations, and a system on a fresh database of it."""

from __future__ import annotations

import pytest

from tests.servers.postgres import Postgres, binaries


@pytest.fixture(scope="package")
def postgres():
    assert binaries() is not None, "PostgreSQL is not installed: `make test` installs it where it may"
    with Postgres() as server:
        yield server

"""Each test of the policy's life runs on SQLite and on PostgreSQL: one code, two databases, the same promises."""

from __future__ import annotations

import pytest

from tests.kit.engine import make_engine
from tests.servers.postgres import Postgres, binaries


@pytest.fixture(scope="session")
def postgres():
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed: `make test` installs it where it may")
    with Postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request, tmp_path):
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").database("engine")
    made = make_engine(tmp_path, url=url)
    yield made
    made.system.close()

"""Each test of earned autonomy runs on SQLite and on PostgreSQL: one code, two databases, the same promises."""

from __future__ import annotations

import pytest

from tests.kit.earning import make_world
from tests.servers.postgres import Postgres, binaries


@pytest.fixture(scope="session")
def postgres():
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed: `make test` installs it where it may")
    with Postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request, tmp_path):
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").database("autonomy")
    made = make_world(tmp_path, url=url)
    yield made
    made.engine.system.close()

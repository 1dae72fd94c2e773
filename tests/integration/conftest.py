"""Real databases for the tests of integration: one code, SQLite and PostgreSQL, the same promises.

One PostgreSQL server serves a whole run of tests (one a process of it), and each test has a database of its own there, new
and migrated. Folders whose tests restart the server, or cut everybody's connections, name one of their own `postgres`.
"""

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


@pytest.fixture
def on_postgresql(postgres):
    """A migrated database of this test's own; its URL."""
    with postgres.migrated() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """Where this test's own database is, on each of the two; that of SQLite is made by whoever opens it."""
    if request.param == "postgresql":
        return request.getfixturevalue("on_postgresql")
    return f"sqlite:///{tmp_path / 'engine.db'}"


@pytest.fixture
def engine(url, tmp_path):
    made = make_engine(tmp_path, url=url)
    yield made
    made.system.close()

"""Limits on SQLite and on PostgreSQL: one code, two databases, the same promises."""

from __future__ import annotations

import pytest

from tests.kit.engine import make_engine
from tests.servers.postgres import Postgres, binaries
from workers.store.database import Database
from workers.store.schema import upgrade


@pytest.fixture(scope="session")
def postgres():
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed: `make test` installs it where it may")
    with Postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """A migrated database of its own."""
    if request.param == "postgresql":
        made = request.getfixturevalue("postgres").database("limits")
    else:
        made = f"sqlite:///{tmp_path / 'limits.db'}"
    db = Database(made)
    upgrade(db)
    db.dispose()
    return made


@pytest.fixture
def engine(url, tmp_path):
    made = make_engine(tmp_path, url=url)
    yield made
    made.system.close()

"""The migrations make exactly the tables that the code declares, on both databases, and can be taken back."""

from __future__ import annotations

import pytest

from tests.servers.postgres import Postgres, binaries
from workers.store import schema
from workers.store.database import Database


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request, tmp_path):
    if request.param == "sqlite":
        made = Database(f"sqlite:///{tmp_path / 'schema.db'}")
        yield made
        made.dispose()
        return
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed: `make test` installs it where it may")
    with Postgres() as server:
        made = Database(server.database("schema"))
        yield made
        made.dispose()


def test_migrating_gives_the_declared_tables_and_taking_back_leaves_nothing(db):
    assert schema.pending(db)
    schema.upgrade(db)
    schema.upgrade(db)

    assert not schema.pending(db)
    assert schema.differences(db) == []

    schema.downgrade(db, "base")
    assert schema.pending(db)
    schema.upgrade(db)
    assert schema.differences(db) == []

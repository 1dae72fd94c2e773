"""The migrations make exactly the tables that the code declares, on both databases, and can be taken back."""

from __future__ import annotations

import subprocess
import sys

import pytest
from alembic.script import ScriptDirectory

from workers.store import schema
from workers.store.database import Database


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request, tmp_path):
    url = f"sqlite:///{tmp_path / 'schema.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").database("schema")
    made = Database(url)
    yield made
    made.dispose()


def test_the_names_of_the_files_tell_the_chain_of_migrations():
    chain = [step.revision for step in ScriptDirectory(str(schema.MIGRATIONS)).walk_revisions()]

    assert list(schema.revisions()) == chain[::-1]


def test_asking_how_the_schema_stands_loads_nothing_that_migrates():
    asks = "import sys; from workers.store import schema; sys.exit('alembic' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", asks], check=False).returncode == 0


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

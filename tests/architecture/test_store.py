"""The migrations lead to exactly the tables that the code declares, and back again."""

from sqlalchemy import inspect

from workers.store import schema
from workers.store.database import Database


def test_a_migrated_database_is_what_the_code_declares(tmp_path):
    db = Database(f"sqlite:///{tmp_path / 'new.db'}")
    assert schema.pending(db)

    schema.upgrade(db)

    assert schema.differences(db) == []
    assert not schema.pending(db)
    db.dispose()


def test_migrating_twice_changes_nothing(tmp_path):
    db = Database(f"sqlite:///{tmp_path / 'twice.db'}")
    schema.upgrade(db)

    schema.upgrade(db)

    assert schema.differences(db) == []
    db.dispose()


def test_every_migration_can_be_taken_back(tmp_path):
    db = Database(f"sqlite:///{tmp_path / 'back.db'}")
    schema.upgrade(db)

    schema.downgrade(db, "base")

    with db.read() as tx:
        assert set(inspect(tx).get_table_names()) <= {"alembic_version"}
    schema.upgrade(db)
    assert schema.differences(db) == []
    db.dispose()

"""Limits on SQLite and on PostgreSQL: one code, two databases, the same promises."""

from __future__ import annotations

import pytest

from tests.kit.migrated import migrate
from workers.store.database import Database


@pytest.fixture
def url(url):
    """Migrated: threads and processes open it, each for itself."""
    db = Database(url)
    migrate(db)
    db.dispose()
    return url

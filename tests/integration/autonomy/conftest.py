"""Each test of earned autonomy runs on SQLite and on PostgreSQL: one code, two databases, the same promises."""

from __future__ import annotations

import pytest

from tests.kit.earning import make_world


@pytest.fixture
def world(url, tmp_path):
    made = make_world(tmp_path, url=url)
    yield made
    made.engine.system.close()

"""Learning is shown with the real local model, on SQLite; what its statements promise, on PostgreSQL as well."""

from __future__ import annotations

import pytest

from tests.kit.pupil import Pupil


@pytest.fixture
def pupil(tmp_path):
    made = Pupil(tmp_path)
    yield made
    made.system.close()


@pytest.fixture
def either(url, tmp_path):
    made = Pupil(tmp_path, url=url)
    yield made
    made.system.close()

"""Learning is shown with the real local model, on SQLite; what its statements promise, on PostgreSQL as well."""

from __future__ import annotations

import pytest

from tests.kit.pupil import Pupil
from tests.servers.postgres import Postgres, binaries


@pytest.fixture(scope="session")
def postgres():
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed: `make test` installs it where it may")
    with Postgres() as server:
        yield server


@pytest.fixture
def pupil(tmp_path):
    made = Pupil(tmp_path)
    yield made
    made.system.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request, tmp_path):
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").database("learning")
    made = Pupil(tmp_path, url=url)
    yield made
    made.system.close()

"""Fleet tests run on SQLite and PostgreSQL where both must keep the promise, on PostgreSQL where several processes meet."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.integration.fleet.proxy import LossyProxy
from tests.kit.engine import make_engine
from tests.servers.postgres import Postgres, binaries
from workers.store.database import Database
from workers.sweeper import Sweeper


@pytest.fixture(scope="package")
def postgres():
    """A server of their own: it is restarted under them, and connections of whatever database are cut."""
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed: `make test` installs it where it may")
    with Postgres() as server:
        yield server


@pytest.fixture
def shared(on_postgresql, tmp_path):
    """An engine on PostgreSQL, for tests in which several processes meet."""
    made = make_engine(tmp_path, url=on_postgresql)
    yield made
    made.system.close()


@pytest.fixture
def beyond(on_postgresql, tmp_path):
    """An engine that reaches PostgreSQL through a proxy, and the proxy."""
    with LossyProxy(on_postgresql) as proxy:
        made = make_engine(tmp_path, url=proxy.url)
        yield made, proxy
        made.system.close()


class Ticks:
    """A monotonic clock that goes on when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def on(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def ticks():
    return Ticks()


@pytest.fixture
def another(shared, ticks):
    """A sweeper with database connections of its own, as another process has."""
    opened = []

    def make() -> Sweeper:
        db = Database(shared.system.db.url, connections=2)
        opened.append(db)
        return Sweeper(replace(shared.system, db=db), monotonic=ticks)

    yield make
    for db in opened:
        db.dispose()

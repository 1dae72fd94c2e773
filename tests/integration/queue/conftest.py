"""Real brokers for the tests of the queue: one server of each kind for all of them, empty for each test.

`broker` runs a test over each of the three; `start` gives a system whose hints really travel, with a worker in a thread.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import pytest
import redis

from tests.kit.engine import make_engine, refund
from tests.kit.workers import tag_everything
from tests.servers import rabbitmq
from tests.servers.messages_api import MessagesApi
from tests.servers.postgres import Postgres, binaries
from tests.servers.rabbitmq import RabbitServer
from tests.servers.redis import RedisServer, installed
from workers import tasks
from workers.embedded import WorkerThread
from workers.queue import IN_PROCESS, Hints, make_app
from workers.wiring import utc_now

ROOMS = itertools.count()


@dataclass
class Broker:
    """Where hints travel, and how to take it away and bring it back."""

    kind: str
    url: str
    server: RedisServer | RabbitServer | None = None

    def kill(self):
        self.server.stop() if self.kind == "redis" else self.server.kill()

    def start(self):
        self.server.start()

    def flush(self):
        """Everything that waits is gone."""
        if self.kind == "redis":
            with redis.Redis(port=self.server.port) as client:
                client.flushall()
            return
        self.server.empty(self.url.rpartition("/")[2])


@pytest.fixture(scope="session")
def redis_session():
    if not installed():
        pytest.skip("Redis is not installed: `make test` installs it where it may")
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def rabbit_session():
    if not rabbitmq.installed():
        pytest.skip("RabbitMQ is not installed: `make test` installs it where it may")
    with RabbitServer() as server:
        yield server


@pytest.fixture
def redis_broker(redis_session):
    broker = Broker("redis", redis_session.url, redis_session)
    broker.flush()
    return broker


@pytest.fixture
def rabbit_broker(rabbit_session):
    return Broker("rabbitmq", rabbit_session.vhost(f"room{next(ROOMS)}"), rabbit_session)


@pytest.fixture(params=["redis", "rabbitmq"])
def far_broker(request):
    """A broker that is a process of its own."""
    return request.getfixturevalue("redis_broker" if request.param == "redis" else "rabbit_broker")


@pytest.fixture(params=["in-process", "redis", "rabbitmq"])
def broker(request):
    if request.param == "in-process":
        return Broker("in-process", IN_PROCESS)
    return request.getfixturevalue("redis_broker" if request.param == "redis" else "rabbit_broker")


@pytest.fixture(scope="session")
def postgres():
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed: `make test` installs it where it may")
    with Postgres() as server:
        yield server


@pytest.fixture
def api():
    """The model that processes ask."""
    with MessagesApi() as server:
        server.answer(tag_everything)
        yield server


@pytest.fixture
def start(tmp_path):
    """A system whose hints really travel, with a worker thread; stopped at the end."""
    stops = []

    def begin(broker_url, threads=4):
        engine = make_engine(tmp_path)
        app = make_app(broker_url, stop_seconds=5)
        system = replace(engine.system, app=app, hints=Hints(app), clock=utc_now)
        engine.system = system
        engine.model.drafts = [[refund(1200)]]
        tasks.register(app, system, engine.writers)
        worker = WorkerThread(app, threads=threads)
        worker.start()
        engine.stops = [worker.stop, system.close]
        stops.extend(engine.stops)
        return engine

    yield begin
    for stop in stops:
        stop()

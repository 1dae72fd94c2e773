"""Real brokers for the tests of the queue: one server of each kind for all of them, empty for each test.

`broker` runs a test over each of the three; `start` gives a system whose hints really travel, with a worker in a thread.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import amqp
import pytest
import redis

from tests.kit.engine import make_engine, refund
from tests.kit.patience import until
from tests.kit.workers import Workers, tag_everything
from tests.servers import rabbitmq
from tests.servers.messages_api import MessagesApi
from tests.servers.rabbitmq import RabbitServer
from tests.servers.redis import RedisServer, installed
from workers import tasks
from workers.embedded import WorkerThread
from workers.queue import DEAD_EVENTS, EVENTS_EXCHANGE, IN_PROCESS, PLAIN_EVENTS, Hints, make_app
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

    def pause(self):
        """It takes connections and answers nothing: whoever asks it something waits for half a minute at least."""
        self.server.pause()

    def go_on(self):
        self.server.go_on()

    def start(self):
        self.server.start()

    def wait_until_heard(self):
        """Until a worker has made the queues for events and takes what comes: what is published before it is nobody's."""
        until(self._is_heard, "no worker takes events")

    def _is_heard(self):
        if self.kind == "redis":
            with redis.Redis(port=self.server.port) as client:
                return next(client.scan_iter(f"*_kombu.binding.{EVENTS_EXCHANGE}"), None) is not None
        try:
            with amqp.Connection(
                self.url.removeprefix("amqp://guest:guest@").partition("/")[0], virtual_host=self.room
            ) as far:
                counts = [far.channel().queue_declare(name, passive=True) for name in (PLAIN_EVENTS, DEAD_EVENTS)]
        except amqp.NotFound:
            return False
        return all(found.consumer_count for found in counts)

    @property
    def room(self):
        return self.url.rpartition("/")[2]

    def flush(self):
        """Everything that waits is gone."""
        if self.kind == "redis":
            with redis.Redis(port=self.server.port) as client:
                client.flushall()
            return
        self.server.empty(self.room)


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


@pytest.fixture
def api():
    """The model that processes ask."""
    with MessagesApi() as server:
        server.answer(tag_everything)
        yield server


@pytest.fixture
def install(tmp_path, on_postgresql, api):
    """Makes an installation on a broker and PostgreSQL, whose model is `api`; its processes end with the test."""
    made = []

    def make(broker, **environment):
        asked = {"ANTHROPIC_API_KEY": "key", "ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_MODEL": "model-x"}
        made.append(Workers(tmp_path, broker.url, database_url=on_postgresql, **asked, **environment))
        return made[-1]

    yield make
    for one in made:
        one.close()


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

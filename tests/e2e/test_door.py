"""A real `caseworker web` under load, killed or stopped in the middle of it: what was answered 2xx is in the database."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import threading
import time
import uuid
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from integrations.webhooks import load_secrets, sign
from integrations.webhooks.schemes import ZENDESK
from tests.kit.forked import Forked
from tests.servers import redis as redis_server
from tests.servers.ports import free_port
from tests.servers.postgres import Postgres, binaries
from tests.servers.redis import RedisServer
from workers.store import events, proof, quarantine, tables
from workers.store.database import Database

SECRET = "a-secret-that-nobody-else-has"
PATIENCE = 60.0


@pytest.fixture(scope="module")
def servers():
    if binaries() is None or not redis_server.installed():
        pytest.skip("PostgreSQL and Redis are needed: apt-get install postgresql redis-server")
    with Postgres() as database, RedisServer() as broker:
        yield database, broker


@pytest.fixture
def web(servers, tmp_path):
    """One of the test's own, which may kill it."""
    with servers[0].migrated() as database:
        made = Web(database, servers[1].url, tmp_path)
        yield made
        made.close()


@pytest.fixture(scope="module")
def lasting(servers, tmp_path_factory):
    """One for all tests that only send."""
    with servers[0].migrated() as database:
        made = Web(database, servers[1].url, tmp_path_factory.mktemp("lasting"))
        yield made
        made.close()


class Web:
    """The process, and a vendor's view of it."""

    def __init__(self, database, broker, folder):
        self.db = Database(database, connections=2)
        self.port = free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "CASEWORKER_DATA": str(folder),
            "CASEWORKER_DATABASE_URL": database,
            "CASEWORKER_BROKER_URL": broker,
            "CASEWORKER_SAMPLE_COMPANY": "false",
            "CASEWORKER_LOG_LEVEL": "ERROR",
            "ZENDESK_WEBHOOK_SECRET": SECRET,
        }
        self.secret = load_secrets(ZENDESK, SECRET)[0]
        words = ("web", "--port", str(self.port))
        self.process = Forked("workers.cli", words, env=environment, cwd=folder, log=folder / "log")
        deadline = time.monotonic() + PATIENCE
        while self.get("/readyz") != 200:
            assert self.process.poll() is None, "it ended"
            assert time.monotonic() < deadline, "it does not come up"
            time.sleep(0.1)

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def delivery(self, ticket, *, text="It is broken"):
        event = {
            "type": "zen:event-type:ticket.created",
            "id": str(uuid.uuid4()),
            "time": "2026-11-20T09:58:12Z",
            "detail": {"id": ticket, "subject": "Broken", "description": text, "via": {"channel": "email"}},
            "event": {},
        }
        raw = json.dumps(event).encode()
        headers = sign(ZENDESK, self.secret, raw, at=datetime.now(UTC))
        return event["id"], raw, {**headers, "content-type": "application/json"}

    def post(self, raw, headers, *, path="/hooks/zendesk"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", path, raw, headers)
        answer = connection.getresponse()
        found = answer.status, dict(answer.getheaders()), json.loads(answer.read())
        connection.close()
        return found

    def stored(self, delivery):
        with self.db.read() as tx:
            return events.find(tx, "zendesk", delivery)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self.db.dispose()


class Load:
    """Senders on kept-alive connections, until theirs ends; they remember what was answered 2xx, and what was refused."""

    def __init__(self, web, senders=8):
        self._web = web
        self.accepted, self.refused = [], []
        self._threads = [threading.Thread(target=self._send, args=(n,)) for n in range(senders)]
        for thread in self._threads:
            thread.start()

    def _send(self, sender):
        connection = http.client.HTTPConnection("127.0.0.1", self._web.port, timeout=60)
        for number in range(100_000):
            delivery, raw, headers = self._web.delivery(f"{sender}-{number}")
            try:
                connection.request("POST", "/hooks/zendesk", raw, headers)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                break
            (self.accepted if answer.status == 200 else self.refused).append(delivery)
        connection.close()

    def until(self, accepted):
        deadline = time.monotonic() + PATIENCE
        while len(self.accepted) < accepted:
            assert time.monotonic() < deadline, f"only {len(self.accepted)} were accepted"
            time.sleep(0.01)

    def join(self):
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()


def lost(web, load):
    return [delivery for delivery in load.accepted if web.stored(delivery) is None]


def test_killed_under_load_every_event_that_was_answered_is_in_the_database(web):
    load = Load(web)
    load.until(accepted=300)
    web.process.kill()
    load.join()

    assert lost(web, load) == []
    with web.db.read() as tx:
        assert proof.verify(tx) == []


def test_stopped_under_load_it_answers_what_it_has_in_hand_and_ends_soon(web):
    load = Load(web)
    load.until(accepted=300)
    began = time.monotonic()
    web.process.send_signal(signal.SIGTERM)
    web.process.wait(90)
    load.join()

    assert web.process.returncode == 0
    assert time.monotonic() - began < 60
    assert load.refused == []
    assert lost(web, load) == []
    with web.db.read() as tx:
        opened = tx.execute(select(func.count()).select_from(tables.cases)).scalar_one()
    assert opened - len(load.accepted) <= 8, "an event is stored whose sender was not told, per connection"


def test_the_short_way_says_the_same_as_the_long_one(lasting):
    long = "It is broken. " * 6000  # beyond what the short way takes
    answers = []
    for text in ("It is broken", long):
        delivery, raw, headers = lasting.delivery(f"t{len(text)}", text=text)
        answers += [lasting.post(raw, headers), lasting.post(raw, headers)]
        assert lasting.stored(delivery).duplicates == 1
    short, short_again, long, long_again = answers

    assert [status for status, _, _ in answers] == [200] * 4
    assert {name for name in short[1] if name != "date"} == {name for name in long[1] if name != "date"}
    assert short[1]["content-security-policy"].startswith("default-src 'none'")
    assert short[1]["cache-control"] == "no-store"
    assert (len(short[2]["accepted"]), len(long[2]["accepted"])) == (1, 1)
    assert (len(short_again[2]["duplicates"]), len(long_again[2]["duplicates"])) == (1, 1)


@pytest.mark.parametrize("path", ["/hooks/nobody", "/hooks/stripe", "/hooks/", "/hooks/zendesk/more", "/hooks/%00"])
def test_an_address_that_is_no_sources_goes_the_long_way(lasting, path):
    _, raw, headers = lasting.delivery("1")
    assert lasting.post(raw, headers, path=path)[0] == (503 if path.endswith("stripe") else 404)


def test_what_is_refused_is_kept_though_it_came_the_short_way(lasting):
    _, raw, headers = lasting.delivery("1")
    forged = {**headers, "x-zendesk-webhook-signature": "A" * 43 + "="}

    status, _, said = lasting.post(raw, forged)

    assert (status, said) == (401, {"error": "not authentic"})
    with lasting.db.read() as tx:
        assert [item.size for item in quarantine.listing(tx)] == [len(raw)]


def test_requests_in_one_run_of_bytes_are_answered_in_order(lasting):
    deliveries = [lasting.delivery(f"p{n}") for n in range(5)]
    wire = b""
    for _, raw, headers in deliveries:
        lines = "".join(f"{name}: {value}\r\n" for name, value in {**headers, "content-length": len(raw)}.items())
        wire += b"POST /hooks/zendesk HTTP/1.1\r\nhost: x\r\n" + lines.encode() + b"\r\n" + raw
    with socket.create_connection(("127.0.0.1", lasting.port), timeout=60) as connection:
        connection.sendall(wire)
        read = b""
        while read.count(b'"cases"') < 5:
            chunk = connection.recv(65536)
            assert chunk, read
            read += chunk

    order = [read.index(lasting.stored(delivery).id.encode()) for delivery, _, _ in deliveries]
    assert order == sorted(order)


def test_a_dead_broker_reaches_no_sender(web, servers):
    servers[1].stop()
    try:
        for n in range(5):
            delivery, raw, headers = web.delivery(f"b{n}")
            assert web.post(raw, headers)[0] == 200
            assert web.stored(delivery) is not None
    finally:
        servers[1].start()


def test_a_database_that_goes_away_is_503_until_it_is_back_and_what_was_accepted_is_there(web, servers):
    outage = threading.Thread(target=lambda: servers[0].restart(down_for=2.0))
    accepted, statuses, again = [], set(), None
    outage.start()
    deadline = time.monotonic() + PATIENCE
    while outage.is_alive() or not statuses >= {200, 503}:
        assert time.monotonic() < deadline, statuses
        delivery, raw, headers = web.delivery(uuid.uuid4().hex)
        status, said, _ = web.post(raw, headers)
        statuses.add(status)
        if status == 200:
            accepted.append(delivery)
        else:
            assert int(said["retry-after"]) > 0
            again = delivery, raw, headers
        time.sleep(0.02)
    outage.join()

    assert statuses == {200, 503}
    assert [one for one in accepted if web.stored(one) is None] == []
    assert web.post(again[1], again[2])[0] == 200  # whoever comes again is welcome
    assert web.stored(again[0]) is not None

"""The doors of a real web server: what is counted of each answer, and what a sender hears while we are at fault."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest
from sqlalchemy import text

from integrations import cloudevents
from integrations.sample_company.webhook import SampleWebhook
from integrations.webhooks import load_secrets, sign
from integrations.webhooks.schemes import STANDARD_V1
from tests.kit.engine import make_engine
from tests.servers.inbox import serving
from workers.access import make_token
from workers.intake import web
from workers.intake.receive import NotStored
from workers.request_priority import LONGEST_SECONDS
from workers.store import cases, people
from workers.store.database import StoreUnavailable
from workers.telemetry import metrics

SECRET = "whsec_" + base64.b64encode(b"the present secret, 32 bytes lo.").decode()
#: the doors' patience in these tests, in seconds
PATIENCE = 1.0
LARGE = "x" * 100_000


def gave_way(sender):
    """How long whoever works gave way to whoever is at the door, in seconds."""
    began = time.monotonic()
    sender.engine.system.request_priority.give_way()
    return time.monotonic() - began


class Sender:
    """A vendor, and a producer with a token."""

    def __init__(self, engine, address, client):
        self.engine, self.address, self.client = engine, address, client
        self.secrets = load_secrets(STANDARD_V1, SECRET)
        plain, kept = make_token()
        with engine.system.db.write() as tx:
            people.add_token(tx, name="t", token_hash=kept, scopes=["events"], person_id=None, now=engine.clock())
        self.token = {"authorization": f"Bearer {plain}", "content-type": "application/cloudevents+json"}

    def hook(self, words="It is broken", *, path="/hooks/sample", forged=False):
        event = {
            "id": f"msg_{uuid.uuid4().hex}",
            "type": "ticket.created",
            "occurred_at": "2026-11-20T12:00:00Z",
            "data": {
                "ticket_id": "42",
                "title": "Broken",
                "text": words,
                "requester_email": "ana@example.com",
                "requester_name": "Ana",
                "channel": "web",
            },
        }
        raw = json.dumps(event).encode()
        signed = sign(STANDARD_V1, self.secrets[0], raw, at=self.engine.clock(), delivery_id=event["id"])
        if forged:
            signed["webhook-signature"] = "v1," + "A" * 43 + "="
        return self.client.post(self.address + path, content=raw, headers=signed)

    def event(self, **changes):
        event = {
            "specversion": "1.0",
            "id": uuid.uuid4().hex,
            "source": "urn:shop",
            "type": "ticket.created",
            "subject": "house:ticket:9",
            "time": "2026-11-20T12:00:00Z",
            "data": {"title": "Hello", "text": "It is broken", "ticket_id": "9"},
            **changes,
        }
        return self.client.post(f"{self.address}/events", json=event, headers=self.token)

    def opened(self):
        with self.engine.system.db.read() as tx:
            return len(cases.listing(tx))


@pytest.fixture
def engine(tmp_path, on_postgresql):
    made = make_engine(tmp_path, url=on_postgresql)
    quick = made.system.settings.model_copy(update={"door_wait_seconds": PATIENCE})
    made.system = replace(made.system, settings=quick)
    yield made
    made.system.close()


@pytest.fixture
def sender(engine):
    webhooks = {"sample": SampleWebhook(load_secrets(STANDARD_V1, SECRET)), "stripe": None}
    with serving(engine.system, webhooks=webhooks) as address, httpx.Client(timeout=120) as client:
        yield Sender(engine, address, client)


def counted(name, **labels):
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


def answers(door, status):
    return counted("caseworker_request_seconds_count", door=door, status=str(status))


ANSWERED = {
    "a hook, the short way": (lambda sender: sender.hook(), "hooks", 200),
    "a large hook": (lambda sender: sender.hook(LARGE), "hooks", 200),
    "a forged hook": (lambda sender: sender.hook(forged=True), "hooks", 401),
    "a source without a secret": (lambda sender: sender.hook(path="/hooks/stripe"), "hooks", 503),
    "an event": (lambda sender: sender.event(), "events", 202),
    "what is no event": (lambda sender: sender.event(specversion="9"), "events", 400),
    "no door": (lambda sender: sender.client.get(f"{sender.address}/healthz"), "healthz", 200),
}


@pytest.mark.parametrize("case", ANSWERED)
def test_each_answer_is_counted_once_under_its_door_and_status(sender, case):
    ask, door, status = ANSWERED[case]
    before = answers(door, status)

    assert ask(sender).status_code == status
    assert answers(door, status) == before + 1


@pytest.mark.parametrize(("case", "door"), [("a forged hook", "webhook"), ("what is no event", "events")])
def test_what_is_refused_is_counted_as_refused(sender, case, door):
    before = counted("caseworker_events_total", door=door, result="refused")

    ANSWERED[case][0](sender)

    assert counted("caseworker_events_total", door=door, result="refused") == before + 1


@pytest.mark.parametrize("words", ["short", LARGE], ids=["small", "large"])
def test_a_bug_of_ours_is_answered_as_one_and_the_sender_keeps_the_event(sender, monkeypatch, words):
    def broken(*_):
        raise RuntimeError("boom")

    with monkeypatch.context() as patch:
        patch.setattr(web, "prepare", broken)
        answer = sender.hook(words)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert "boom" not in answer.text
    assert sender.hook(words).status_code == 200
    assert sender.opened() == 1


@pytest.mark.parametrize("error", [StoreUnavailable("gone"), NotStored("refused")], ids=["away", "refused"])
@pytest.mark.parametrize("words", ["short", LARGE], ids=["small", "large"])
def test_what_could_not_be_stored_is_confirmed_on_no_way(sender, monkeypatch, words, error):
    with monkeypatch.context() as patch:
        patch.setattr("workers.intake.batching.store", lambda _, requests: [error for _ in requests])
        answer = sender.hook(words)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert sender.opened() == 0
    assert sender.hook(words).status_code == 200


def test_what_cannot_be_handed_over_is_answered_as_our_fault_too(sender, monkeypatch):
    def exhausted(*_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr("workers.intake.batching.RequestBatcher.begin", exhausted)
        answer = sender.hook()

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert sender.hook().status_code == 200
    assert min(gave_way(sender) for _ in range(3)) < LONGEST_SECONDS, (
        "whoever works gives way to a request that was answered long ago"
    )


@pytest.mark.parametrize(("words", "in_a_thread"), [("short", False), (LARGE, True)], ids=["small", "large"])
def test_a_large_body_is_read_where_nobody_waits_for_it(sender, monkeypatch, words, in_a_thread):
    """The loop answers everybody else."""
    seen = []
    read = cloudevents.read
    monkeypatch.setattr(
        web.cloudevents, "read", lambda *came: seen.append(threading.current_thread().name) or read(*came)
    )

    assert sender.event(data={"title": "Hello", "text": words}).status_code == 202
    assert [name.startswith("door") for name in seen] == [in_a_thread]


@pytest.mark.parametrize("path", ["/hooks/sample", "/events"])
def test_nobody_gives_way_to_a_sender_who_takes_his_time(sender, path):
    """Who sends half a request and then nothing would hold up each step of each case, and need not even prove who he is."""
    host, _, port = sender.address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as line:
        line.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n".encode())
        # What comes later is answered later: by then the server has read that.
        assert sender.hook().status_code == 200
        took = min(gave_way(sender) for _ in range(3))

    assert took < LONGEST_SECONDS / 2


@pytest.mark.parametrize(
    ("ask", "table"),
    [(lambda sender: sender.event(), "tokens"), (lambda sender: sender.hook(forged=True), "quarantine")],
    ids=["an event", "what is refused"],
)
def test_a_database_that_hangs_keeps_nobody_waiting(sender, ask, table):
    with sender.engine.system.db.engine.connect() as held:
        held.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        began = time.monotonic()
        with ThreadPoolExecutor(12) as pool:
            asked = [pool.submit(ask, sender) for _ in range(12)]
            answered = [one.result() for one in asked]
        took = time.monotonic() - began
        alive = sender.client.get(f"{sender.address}/healthz").status_code

    assert {(answer.status_code, answer.headers["retry-after"]) for answer in answered} == {(503, "10")}
    assert took < PATIENCE + 10
    assert alive == 200
    assert ask(sender).status_code in (202, 401), "it goes on where the database does"

"""The HTTP doors, status by status: what is answered, what is kept, and that bad input never gives a 5xx."""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from integrations.base import Delivery
from integrations.github.webhook import GithubWebhook
from integrations.sample_company.webhook import SampleWebhook
from integrations.webhooks import load_secrets, sign
from integrations.webhooks.schemes import GITHUB, STANDARD_V1
from tests.kit.engine import make_engine
from workers.access import make_token
from workers.intake import quarantining
from workers.intake.batching import RequestBatcher
from workers.intake.door_threads import DoorThreads
from workers.intake.web import Doors
from workers.log import logger
from workers.store import audit, cases, people, quarantine
from workers.store.audit import SYSTEM
from workers.store.database import StoreUnavailable

FIXTURES = Path(__file__).parents[2] / "fixtures"
SECRET = "whsec_" + base64.b64encode(b"the present secret, 32 bytes lo.").decode()
OTHER = "whsec_" + base64.b64encode(b"the secret after the rotation ..").decode()


@pytest.fixture
def engine(tmp_path):
    made = make_engine(tmp_path)
    yield made
    made.system.close()


@pytest.fixture
def door(engine):
    return Door(engine, SECRET)


class Door:
    """A vendor's view of the installation."""

    def __init__(self, engine, secret):
        self.engine = engine
        self.secret = load_secrets(STANDARD_V1, secret)
        self.webhooks = {"sample": SampleWebhook(self.secret), "stripe": None}
        self.batcher = RequestBatcher(engine.system)
        threads = DoorThreads(engine.system.settings.door_wait_seconds)
        app = Doors(
            Starlette(), system=engine.system, webhooks=self.webhooks, batcher=self.batcher, threads=threads, headers={}
        )
        self.client = TestClient(app, raise_server_exceptions=True)

    def body(self, **changes):
        event = {
            "id": f"msg_{uuid.uuid4().hex}",
            "type": "ticket.created",
            "occurred_at": "2026-11-20T12:00:00Z",
            "data": {
                "ticket_id": "42",
                "title": "Broken",
                "text": "It is broken",
                "requester_email": "ana@example.com",
                "requester_name": "Ana",
                "channel": "web",
            },
        }
        return {**event, **changes}

    def post(self, event, *, at=None, headers=None, path="/hooks/sample"):
        raw = event if isinstance(event, bytes) else json.dumps(event).encode()
        delivery = event["id"] if isinstance(event, dict) else "msg_raw"
        signed = sign(STANDARD_V1, self.secret[0], raw, at=at or self.engine.clock(), delivery_id=delivery)
        return self.client.post(path, content=raw, headers={**signed, **(headers or {})})

    def kept(self):
        with self.engine.system.db.read() as tx:
            return quarantine.listing(tx)

    def opened(self):
        with self.engine.system.db.read() as tx:
            return len(cases.listing(tx))


def test_an_authentic_event_is_accepted_and_its_case_is_hinted_at(door):
    answer = door.post(door.body())

    assert answer.status_code == 200
    assert len(answer.json()["accepted"]) == 1
    assert [kind for kind, _ in door.engine.hints.waiting] == ["case"]


def test_the_same_delivery_again_is_answered_200_and_opens_nothing(door):
    event = door.body()
    door.post(event)
    again = door.post(event)

    assert again.status_code == 200
    assert again.json()["accepted"] == []
    assert len(again.json()["duplicates"]) == 1
    assert door.opened() == 1


def test_what_a_source_itself_breaks_over_is_kept_and_let_in_when_it_is_mended(door, monkeypatch):
    """Not every vendor comes back after a 503."""

    def broken(*_):
        raise KeyError("title")

    with monkeypatch.context() as bug:
        bug.setattr(SampleWebhook, "parse", broken)
        answer = door.post(door.body())
        [kept] = door.kept()
        still = quarantining.replay(door.engine.system, door.webhooks, kept.id, operator="ops")

    mended = quarantining.replay(door.engine.system, door.webhooks, kept.id, operator="ops")

    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    assert (still[0], "KeyError" in still[1]) == (False, True)
    assert (mended[0], door.opened()) == (True, 1)


def test_an_event_whose_time_names_no_zone_is_kept_and_not_guessed_at(door, monkeypatch):
    read = SampleWebhook.parse

    def careless(source, delivery):
        return [replace(event, occurred_at=event.occurred_at.replace(tzinfo=None)) for event in read(source, delivery)]

    monkeypatch.setattr(SampleWebhook, "parse", careless)
    answer = door.post(door.body())

    [kept] = door.kept()
    assert (answer.status_code, door.opened()) == (503, 0)
    assert kept.reason == "exception"


def test_an_unknown_source_is_404_and_one_without_a_secret_is_our_fault(door):
    assert door.post(door.body(), path="/hooks/nobody").status_code == 404
    answer = door.post(door.body(), path="/hooks/stripe")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": "v1," + "A" * 43 + "="},
        {"webhook-signature": ""},
        {"webhook-timestamp": "0"},
        {"webhook-id": "msg_other"},
    ],
    ids=["forged", "empty", "old", "other id"],
)
def test_what_cannot_be_proved_is_401_kept_and_says_nothing(door, change):
    answer = door.post(door.body(), headers=change)

    assert answer.status_code == 401
    assert answer.json() == {"error": "not authentic"}
    assert len(door.kept()) == 1
    assert door.opened() == 0


@pytest.mark.parametrize(("broken", "told"), [(True, 1), (False, 0)], ids=["a bug", "only forged"])
def test_a_bug_of_ours_in_a_proof_is_told_with_its_cause(door, monkeypatch, broken, told):
    """The sender hears the same 401, and the request is kept; what was wrong is nowhere else."""
    errors = []
    monkeypatch.setattr(logger, "error", lambda event, **said: errors.append((event, str(said["exc_info"]))))
    if broken:
        door.webhooks["sample"] = SampleWebhook(())

    answer = door.post(door.body(), headers={"webhook-signature": "v1,AAAA"})

    assert (answer.status_code, answer.json()) == (401, {"error": "not authentic"})
    assert len(door.kept()) == 1
    assert [event for event, why in errors if "no active standard_v1 secret" in why] == ["verifier_failed"] * told
    assert len(errors) == told


@pytest.mark.parametrize("minutes", [-6, 6], ids=["past", "future"])
def test_a_signature_outside_the_window_is_refused(door, minutes):
    at = door.engine.clock() + timedelta(minutes=minutes)
    assert door.post(door.body(), at=at).status_code == 401


def test_signed_garbage_is_400_and_kept(door):
    assert door.post(b"\xff\xfe{{{").status_code == 400
    assert [item.reason for item in door.kept()] == ["malformed"]


def test_an_event_type_that_we_do_not_know_is_accepted_and_ignored(door):
    answer = door.post(door.body(type="ticket.exploded"))
    assert answer.status_code == 200
    assert "ignored" in answer.json()
    assert door.opened() == 0


def test_a_body_over_the_cap_is_413_however_it_is_sent(door):
    def chunks():
        for _ in range(1100):
            yield b"x" * 1024

    assert door.client.post("/hooks/sample", content=b"x" * 1_048_577).status_code == 413
    assert door.client.post("/hooks/sample", content=chunks()).status_code == 413
    assert door.kept() == []


def test_an_encoded_body_is_415(door):
    assert door.post(door.body(), headers={"content-encoding": "gzip"}).status_code == 415


def test_a_database_that_is_not_available_is_503_with_retry_after(door, monkeypatch):
    def unavailable():
        raise StoreUnavailable("database is locked")

    # The handle is the outside world here: no file of ours is patched.
    monkeypatch.setattr(type(door.engine.system.db), "write", lambda _: unavailable())

    for headers in ({}, {"webhook-signature": "v1,nonsense"}):
        answer = door.post(door.body(), headers=headers)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0


def test_only_post_is_a_delivery(door):
    assert door.client.get("/hooks/sample").status_code == 405
    assert door.client.put("/hooks/sample").status_code == 405


def test_after_a_botched_rotation_what_was_refused_is_let_in_once(engine):
    old, new = Door(engine, SECRET), Door(engine, OTHER)
    event = new.body()
    raw = json.dumps(event).encode()
    signed = sign(STANDARD_V1, new.secret[0], raw, at=engine.clock(), delivery_id=event["id"])
    assert old.client.post("/hooks/sample", content=raw, headers=signed).status_code == 401
    item = old.kept()[0]
    engine.clock.on(hours=5)  # the window is measured against when it came

    refused = quarantining.replay(engine.system, old.webhooks, item.id, operator="person:ana")
    accepted = quarantining.replay(engine.system, new.webhooks, item.id, operator="person:ana")
    again = quarantining.replay(engine.system, new.webhooks, item.id, operator="person:ana")

    assert (refused[0], accepted[0], again[0]) == (False, True, True)
    assert "duplicate" in again[1]
    assert old.opened() == 1
    with engine.system.db.read() as tx:
        noted = [entry for entry in audit.of_chain(tx, SYSTEM) if entry.verb == "replayed"]
    assert [entry.actor for entry in noted] == ["person:ana"] * 3
    assert [entry.data.get("secret") for entry in noted] == [None, new.secret[0].id, new.secret[0].id]


def test_what_was_refused_under_two_ids_is_let_in_once_where_only_bodies_are_signed(engine):
    """Nothing that is signed tells one from the other: anybody who saw it go by can send it again."""
    secrets = load_secrets(GITHUB, "the secret of the repository as it is now")
    raw = (FIXTURES / "github" / "issues.opened.json").read_bytes()
    signed = {**sign(GITHUB, secrets[0], raw, at=engine.clock()), "x-github-event": "issues"}
    for delivery in ("d-1", "d-2"):
        headers = [(name.encode(), value.encode()) for name, value in {**signed, "x-github-delivery": delivery}.items()]
        quarantining.keep(engine.system, Delivery("github", tuple(headers), raw, engine.clock()), "mismatch")
    with engine.system.db.read() as tx:
        items = quarantine.ids(tx)

    webhooks = {"github": GithubWebhook(secrets)}
    said = [quarantining.replay(engine.system, webhooks, item, operator="person:ana")[1] for item in items]

    assert [one.partition(":")[0] for one in said] == ["accepted", "it had come in meanwhile"]


@pytest.mark.parametrize(("most", "much"), [("MOST_ROWS", 1), ("MOST_BYTES", None)])
def test_what_is_kept_is_encrypted_and_bounded(door, monkeypatch, most, much):
    size = len(json.dumps(door.body()).encode())
    monkeypatch.setattr(quarantining, most, 3 * (much or size))
    for _ in range(5):
        door.post(door.body(), headers={"webhook-signature": "v1,x"})

    assert len(door.kept()) == 3
    assert all(b"It is broken" not in item.body for item in door.kept())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=2000),
    headers=st.lists(
        st.tuples(
            st.sampled_from(
                ["webhook-id", "webhook-timestamp", "webhook-signature", "content-type", "x-anything", "authorization"]
            ),
            st.binary(max_size=300).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b"")),
        ),
        max_size=8,
    ),
    path=st.sampled_from(["/hooks/sample", "/events", "/hooks/%00", "/hooks/" + "x" * 500]),
)
def test_hostile_bytes_never_give_a_5xx_and_open_nothing(door, body, headers, path):
    raw = [(name.encode(), value) for name, value in headers]
    answer = door.client.post(path, content=body, headers=raw)

    assert answer.status_code < 500
    assert door.opened() == 0


class TestCloudEvents:
    """`POST /events`: no signature is defined for them, so a token it is."""

    def event(self, **changes):
        return {
            "specversion": "1.0",
            "id": "1",
            "source": "urn:shop",
            "type": "ticket.created",
            "subject": "house:ticket:9",
            "time": "2026-11-20T12:00:00Z",
            "data": {"title": "Hello", "text": "It is broken", "ticket_id": "9", "requester_email": "ana@example.com"},
            **changes,
        }

    def token(self, engine, scopes=("events",)):
        plain, kept = make_token()
        with engine.system.db.write() as tx:
            people.add_token(tx, name="t", token_hash=kept, scopes=list(scopes), person_id=None, now=engine.clock())
        return {"authorization": f"Bearer {plain}", "content-type": "application/cloudevents+json"}

    def test_a_producer_with_a_token_is_taken_once(self, door):
        headers = self.token(door.engine)
        first = door.client.post("/events", json=self.event(), headers=headers)
        again = door.client.post("/events", json=self.event(), headers=headers)

        assert (first.status_code, again.status_code) == (202, 200)
        assert door.opened() == 1

    def test_a_batch_is_taken_whole(self, door):
        headers = {**self.token(door.engine), "content-type": "application/cloudevents-batch+json"}
        batch = [self.event(id=str(n), subject=f"house:ticket:{n}") for n in range(3)]
        assert door.client.post("/events", json=batch, headers=headers).status_code == 202
        assert door.opened() == 3

    @pytest.mark.parametrize("scopes", [("read",), ("decide",), ()])
    def test_a_token_for_something_else_is_not_enough(self, door, scopes):
        answer = door.client.post("/events", json=self.event(), headers=self.token(door.engine, scopes))
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"

    def test_what_is_no_event_is_400(self, door):
        headers = self.token(door.engine)
        assert door.client.post("/events", json={"id": 1}, headers=headers).status_code == 400

"""Events sent by hand, refused requests let in again, and what a broken setting is answered with."""

import base64
import json
from datetime import UTC, datetime

import pytest

from integrations.base import Delivery
from integrations.webhooks import load_secrets, sign
from integrations.webhooks.schemes import STANDARD_V1
from workers.intake import isolation
from workers.store import audit, cases
from workers.store.audit import SYSTEM

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(32, 64))).decode()


def event(number=1, **changes):
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "shop",
        "type": "ticket.created",
        "subject": f"shop:ticket:{number}",
        "data": {"title": "Where is it?", "text": "My parcel has not come."},
        **changes,
    }


@pytest.fixture
def migrated(caseworker):
    caseworker("migrate")


def test_an_event_from_a_file_opens_a_case(caseworker, migrated, tmp_path):
    (tmp_path / "event.json").write_text(json.dumps(event()))

    sent = caseworker("send", str(tmp_path / "event.json"), "--json").json

    (case,) = caseworker("case", "list", "--json").json
    assert sent["cases"] == [case["id"]]
    assert case["subject"] == "shop:ticket:1"


def test_an_array_from_a_pipe_is_taken_and_repeats_change_nothing(caseworker, migrated):
    events = json.dumps([event(1), event(2)])

    first = caseworker("send", "-", "--json", stdin=events).json
    second = caseworker("send", "-", "--json", stdin=events).json

    assert len(first["accepted"]) == 2
    assert (second["accepted"], second["duplicates"]) == ([], first["accepted"])
    assert len(caseworker("case", "list", "--json").json) == 2


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{", "JSON"),
        ("[]x", "JSON"),
        (json.dumps(event(type="order.placed")), "'order.placed' is not handled"),
        (json.dumps([event(1), event(2, specversion="0.3")]), "specversion"),
        (json.dumps(event(data={"title": "only"})), "text"),
    ],
)
def test_what_is_no_event_is_refused_whole(caseworker, migrated, body, said):
    ran = caseworker("send", "-", stdin=body)

    assert ran.status == 2
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert caseworker("case", "list", "--json").json == []


def test_a_file_that_is_not_there_is_said_so(caseworker, migrated):
    ran = caseworker("send", "nowhere.json")

    assert (ran.status, ran.err) == (2, "caseworker: nowhere.json cannot be read: No such file or directory.\n")


@pytest.fixture
def kept(engine):
    """A rightly signed request that was turned away, as after a botched rotation of the secret."""
    now = datetime.now(UTC)
    fixture = {
        "id": "msg_1",
        "type": "ticket.created",
        "occurred_at": now.isoformat(),
        "data": {
            "ticket_id": "42",
            "title": "Broken",
            "text": "It broke.",
            "requester_email": "ana@example.com",
            "requester_name": "Ana",
            "channel": "web",
        },
    }
    body = json.dumps(fixture).encode()
    (secret,) = load_secrets(STANDARD_V1, SECRET)
    headers = sign(STANDARD_V1, secret, body, at=now, delivery_id="msg_1")
    pairs = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
    isolation.keep(engine.system, Delivery("sample", pairs, body, now), "signature")
    return engine


def test_a_refused_request_is_listed_without_its_content(caseworker, kept):
    ran = caseworker("quarantine", "list", "--json")

    (item,) = ran.json
    assert (item["source"], item["reason"]) == ("sample", "signature")
    assert "It broke" not in ran.out
    assert {"body", "headers"} & set(item) == set()


def test_with_the_right_secret_it_is_let_in_once(caseworker, kept, monkeypatch):
    monkeypatch.setenv("SAMPLE_WEBHOOK_SECRET", SECRET)

    first = caseworker("quarantine", "replay", "--all", "--json").json
    second = caseworker("quarantine", "replay", "--all", "--json").json

    assert first[0]["ok"]
    assert second[0]["result"].endswith("duplicate")
    with kept.system.db.read() as tx:
        assert len(cases.listing(tx)) == 1
        told = [e.verb for e in audit.of_chain(tx, SYSTEM)]
        assert [verb for verb in told if verb != "policy_activated"] == ["replayed", "replayed"]


def test_with_another_secret_it_stays_out_and_the_status_says_so(caseworker, kept, monkeypatch):
    monkeypatch.setenv("SAMPLE_WEBHOOK_SECRET", OTHER)

    ran = caseworker("quarantine", "replay", "--all")

    assert ran.status == 1
    assert "still not authentic" in ran.out


def test_a_secret_that_cannot_be_one_is_named(caseworker, kept, monkeypatch):
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "sk_live_of_the_wrong_kind, ")

    ran = caseworker("quarantine", "replay", "--all")

    assert ran.status == 2
    assert "A webhook secret is wrong" in ran.err


def test_a_replay_names_one_request_or_all(caseworker, kept):
    assert caseworker("quarantine", "replay").status == 2
    assert caseworker("quarantine", "replay", "quar_1", "--all").status == 2


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("CASEWORKER_LEASE_SECONDS", "soon", "CASEWORKER_LEASE_SECONDS: Input should be a valid integer"),
        ("CASEWORKER_WORKER_THREADS", "0", "CASEWORKER_WORKER_THREADS: Input should be greater than or equal to 1"),
        ("CASEWORKER_DATABASE_URL", "mysql://root@db/x", "CASEWORKER_DATABASE_URL starts with mysql:"),
        ("CASEWORKER_DATABASE_URL", "caseworker", "CASEWORKER_DATABASE_URL starts with 'caseworker'"),
        ("CASEWORKER_BROKER_URL", "kafka://b", "CASEWORKER_BROKER_URL starts with kafka:"),
        ("CASEWORKER_DATABASE_URL", "postgresql://u:hidden@127.0.0.1:1/x", "The database is not available"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named_in_one_line(caseworker, monkeypatch, variable, value, said):
    monkeypatch.setenv(variable, value)

    ran = caseworker("case", "list")

    assert ran.status == 2
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert "hidden" not in ran.err


@pytest.mark.parametrize("command", ["web", "worker", "sweep"])
def test_what_works_with_others_needs_a_broker_between_them(caseworker, migrated, command):
    ran = caseworker(command)

    assert ran.status == 2
    assert "CASEWORKER_BROKER_URL" in ran.err


def test_a_misspelt_queue_is_never_made(caseworker, migrated, monkeypatch):
    monkeypatch.setenv("CASEWORKER_BROKER_URL", "redis://127.0.0.1:1/0")

    ran = caseworker("worker", "--queues", "support,suport")

    assert ran.status == 2
    assert "There is no queue 'suport'" in ran.err


def test_migrating_says_what_it_did_and_can_only_look(caseworker, folder):
    assert caseworker("migrate", "--check").status == 1
    assert caseworker("migrate").status == 0
    assert caseworker("migrate", "--check").status == 0
    assert "up to date" in caseworker("migrate").out

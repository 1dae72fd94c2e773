"""Events sent by hand, refused requests let in again, and what a broken setting is answered with."""

import base64
import json
from datetime import UTC, datetime

import pytest

from integrations.base import Delivery
from integrations.webhooks import load_secrets, sign
from integrations.webhooks.schemes import STANDARD_V1
from workers.intake import quarantining
from workers.intake.receive import NotStored
from workers.store import audit, cases, schema
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


def test_events_of_types_that_are_not_handled_are_left_out_and_that_is_said(caseworker, migrated):
    events = json.dumps([event(1), event(2, type="order.placed"), event(3, type="order.paid")])

    ran = caseworker("send", "-", stdin=events)

    assert (ran.status, ran.out.count(" accepted, case ")) == (0, 1)
    assert "2 of types that are not handled; known are ticket.created" in ran.out
    assert "not handled" not in caseworker("send", "-", stdin=json.dumps([event(1)])).out


@pytest.mark.parametrize("sent", [event(1), [event(1), event(2)]], ids=["one", "an array"])
def test_a_file_with_the_mark_that_windows_puts_in_front_is_read(caseworker, migrated, sent):
    ran = caseworker("send", "-", "--json", stdin="\ufeff" + json.dumps(sent))

    assert len(ran.json["accepted"]) == (2 if isinstance(sent, list) else 1)


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


def turn_away(engine, number, type_="ticket.created", source="sample"):
    """Keep a rightly signed request, as after a botched rotation of the secret."""
    now = datetime.now(UTC)
    fixture = {
        "id": f"msg_{number}",
        "type": type_,
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
    headers = sign(STANDARD_V1, secret, body, at=now, delivery_id=fixture["id"])
    pairs = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
    assert quarantining.keep(engine.system, Delivery(source, pairs, body, now), "signature")


@pytest.fixture
def kept(engine):
    """One that was turned away."""
    turn_away(engine, 1)
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


def test_all_are_replayed_however_many_each_source_has(caseworker, kept, monkeypatch):
    """So many may be kept of each, so that all of them together are more."""
    monkeypatch.setattr(quarantining, "MOST_ROWS", 2)
    monkeypatch.setenv("SAMPLE_WEBHOOK_SECRET", SECRET)
    turn_away(kept, 2)
    for number in (3, 4):
        turn_away(kept, number, source="stripe")

    ran = caseworker("quarantine", "replay", "--all", "--json")

    assert [result["result"].partition(":")[0] for result in ran.json] == [
        "accepted",
        "accepted",
        "the source 'stripe' has no active secret",
        "the source 'stripe' has no active secret",
    ]
    assert len(caseworker("quarantine", "replay", "--all", "--source", "sample", "--json").json) == 2


def test_a_list_of_refused_requests_that_is_cut_says_how_many_more_there_are(caseworker, kept):
    turn_away(kept, 2)

    assert "1 more; --limit shows them." in caseworker("quarantine", "list", "--limit", "1").out
    assert len(caseworker("quarantine", "list", "--limit", "1", "--json").json) == 1
    assert "more" not in caseworker("quarantine", "list").out


def test_a_refused_request_that_is_authentic_and_of_a_type_that_is_ignored_is_settled(caseworker, kept, monkeypatch):
    monkeypatch.setenv("SAMPLE_WEBHOOK_SECRET", SECRET)
    turn_away(kept, 2, "ticket.merged")

    ran = caseworker("quarantine", "replay", "--all", "--json")

    assert ran.status == 0
    assert [result["result"].partition(":")[0] for result in ran.json] == ["accepted", "ignored"]


def test_one_that_the_database_refuses_holds_up_no_other(caseworker, kept, monkeypatch):
    monkeypatch.setenv("SAMPLE_WEBHOOK_SECRET", SECRET)
    turn_away(kept, 2)
    receive = quarantining.receive

    def refuse_the_first(system, inbound, provenance):
        if inbound[0].delivery_id == "msg_1":
            raise NotStored("the database refused this event")
        return receive(system, inbound, provenance)

    monkeypatch.setattr(quarantining, "receive", refuse_the_first)

    ran = caseworker("quarantine", "replay", "--all", "--json")

    assert (ran.status, [result["ok"] for result in ran.json]) == (1, [False, True])


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
        ("CASEWORKER_DATABASE_URL", "my_user:hidden@db/x", "CASEWORKER_DATABASE_URL is no URL"),
        ("CASEWORKER_DATABASE_URL", "postgresql://u:hidden@db:port/x", "CASEWORKER_DATABASE_URL cannot be read"),
        (
            "CASEWORKER_DATABASE_URL",
            "postgresql://u:p@hidden@db/x",
            "CASEWORKER_DATABASE_URL cannot be read: it has an @",
        ),
        ("CASEWORKER_DATABASE_URL", "postgresql://u:hidden@[::1/x", "CASEWORKER_DATABASE_URL cannot be read"),
        ("CASEWORKER_DATABASE_URL", "postgresql://u@db/x?sslmod=require", 'invalid connection option "sslmod"'),
        ("CASEWORKER_DATABASE_URL", "sqlite://", "CASEWORKER_DATABASE_URL cannot be read: it names no file"),
        ("CASEWORKER_BROKER_URL", "kafka://b", "CASEWORKER_BROKER_URL starts with kafka:"),
        ("CASEWORKER_BROKER_URL", "broker:6379", "CASEWORKER_BROKER_URL is no URL"),
        ("CASEWORKER_LOG_LEVEL", "loud", "CASEWORKER_LOG_LEVEL: Input should be 'DEBUG'"),
        ("CASEWORKER_LOG_FORMAT", "jsn", "CASEWORKER_LOG_FORMAT: Input should be 'auto'"),
        ("CASEWORKER_PUBLIC_URL", "caseworker.example.com", "CASEWORKER_PUBLIC_URL: Value error, give a whole address"),
        ("CASEWORKER_PUBLIC_URL", "https://firm.example/cases", "give a whole address with no path behind it"),
        (
            "CASEWORKER_MODEL_TIMEOUT_SECONDS",
            "inf",
            "CASEWORKER_MODEL_TIMEOUT_SECONDS: Value error, Input should be at most",
        ),
        (
            "CASEWORKER_DECIDE_WITHIN_DAYS",
            "9999999",
            "CASEWORKER_DECIDE_WITHIN_DAYS: Input should be less than or equal",
        ),
        ("CASEWORKER_SHADOW", "openai/x 0%", "CASEWORKER_SHADOW: String should match pattern"),
        ("CASEWORKER_BROKER_URL", "redis://:hidden#x@b:6379/0", "CASEWORKER_BROKER_URL cannot be read"),
        ("CASEWORKER_BROKER_URL", "redis://b:6379/caseworker", "the number of a database"),
        ("CASEWORKER_BROKER_URL", "amqp://u:hidden@b:port/v", "CASEWORKER_BROKER_URL cannot be read"),
        ("CASEWORKER_DATABASE_URL", "postgresql://u:hidden@127.0.0.1:1/x", "The database is not available"),
        ("CASEWORKER_DATABASE_URL", "postgresql://u@db:hidden/x", "CASEWORKER_DATABASE_URL cannot be read"),
        ("CASEWORKER_DATABASE_URL", "postgresql://u:hidden[@127.0.0.1:1/x", "The database is not available"),
        ("CASEWORKER_DATABASE_URL", "sqlite:caseworker.db", "CASEWORKER_DATABASE_URL is no URL"),
        ("CASEWORKER_BROKER_URL", "amqp://u:hidden/x@b//", "CASEWORKER_BROKER_URL cannot be read"),
        ("CASEWORKER_BROKER_URL", "redis://b:hidden/0", "CASEWORKER_BROKER_URL cannot be read"),
        ("CASEWORKER_BROKER_URL", "redis://u:hidden[x@b/0", "CASEWORKER_BROKER_URL cannot be read"),
        ("CASEWORKER_DATABASE_URL", "sqlite:///:memory:", "CASEWORKER_DATABASE_URL cannot be read: it names no file"),
        ("CASEWORKER_BROKER_URL", "amqp://u:p@b/v;amqp://u:hidden@c:port/v", "CASEWORKER_BROKER_URL cannot be read"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named_in_one_line(caseworker, monkeypatch, variable, value, said):
    monkeypatch.setenv(variable, value)

    ran = caseworker("case", "list")

    assert ran.status == 2
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert "hidden" not in ran.err


@pytest.mark.parametrize("command", [("case", "list"), ("audit", "verify"), ("migrate",), ("migrate", "--check")])
def test_a_file_that_is_no_database_is_told_in_one_line(caseworker, folder, command):
    (folder / "caseworker.db").write_bytes(b"Whatever this is, it is no database. " * 100)

    ran = caseworker(*command)

    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert "file is not a database" in ran.err


@pytest.mark.parametrize("command", ["web", "worker", "sweep"])
def test_what_works_with_others_needs_a_broker_between_them(caseworker, migrated, command):
    ran = caseworker(command)

    assert ran.status == 2
    assert "CASEWORKER_BROKER_URL" in ran.err


@pytest.mark.parametrize(
    ("variable", "value"),
    [("CASEWORKER_DATA_CLASSES", "zendesk:personal"), ("CASEWORKER_PRIVACY_FILE", "/none/privacy.yaml")],
)
def test_what_says_what_may_leave_is_named_where_it_cannot_be_read(caseworker, migrated, monkeypatch, variable, value):
    monkeypatch.setenv("CASEWORKER_BROKER_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv(variable, value)

    ran = caseworker("worker", "--queues", "support")

    assert ran.status == 2
    assert variable in ran.err


@pytest.mark.parametrize("command", ["web", "worker", "sweep", "up"])
def test_a_data_folder_that_cannot_be_made_is_named_in_one_line(caseworker, migrated, folder, monkeypatch, command):
    (folder / "file").touch()
    monkeypatch.setenv("CASEWORKER_DATABASE_URL", f"sqlite:///{folder / 'caseworker.db'}")
    monkeypatch.setenv("CASEWORKER_BROKER_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("CASEWORKER_DATA", str(folder / "file" / "data"))

    ran = caseworker(command, *(["--port", "0"] if command in ("web", "up") else []))

    assert ran.status == 2
    assert "Not a directory" in ran.err
    assert "CASEWORKER_DATA" in ran.err
    assert ran.err.count("\n") == 1


def test_a_misspelt_queue_is_never_made(caseworker, migrated, monkeypatch):
    monkeypatch.setenv("CASEWORKER_BROKER_URL", "redis://127.0.0.1:1/0")

    ran = caseworker("worker", "--queues", "support,suport")

    assert ran.status == 2
    assert "There is no queue 'suport'" in ran.err


def test_migrating_says_what_it_did_and_can_only_look(caseworker, folder):
    looked = caseworker("migrate", "--check")
    assert (looked.status, looked.out.count("Would apply")) == (1, len(schema.revisions()))
    assert not (folder / "caseworker.db").exists()
    assert caseworker("migrate").status == 0
    assert caseworker("migrate", "--check").status == 0
    assert "up to date" in caseworker("migrate").out

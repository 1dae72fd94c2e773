"""`caseworker deadletter`: what could not become an event, seen and let in again."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.cli.test_cli_events import event
from workers import event_messages
from workers.store import audit, deadletters
from workers.store.deadletters import DeadLetter

CAME = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@pytest.fixture
def kept(engine):
    """Three that wait: an event whose producer named the wrong content type, nonsense, and bytes that are no text."""
    letters = [
        ("dead_event", "content_type", json.dumps(event()).encode()),
        ("dead_nonsense", "malformed", b"no json"),
        ("dead_bytes", "malformed", b"\xff\x00"),
    ]
    with engine.system.db.write() as tx:
        for number, (name, reason, body) in enumerate(letters):
            deadletters.add(
                tx,
                DeadLetter(
                    id=name,
                    received_at=CAME + timedelta(minutes=number),
                    door="exchange",
                    reason=reason,
                    detail="why it is here",
                    headers=[("origin", "shop")],
                    body=body,
                    replayed_at=None,
                    replay_result=None,
                ),
            )
    return engine


def test_what_waits_is_listed_newest_first(caseworker, kept):
    listed = caseworker("deadletter", "list", "--json").json

    assert [letter["id"] for letter in listed] == ["dead_bytes", "dead_nonsense", "dead_event"]
    assert {key: listed[2][key] for key in ("door", "reason", "detail", "replayed_at")} == {
        "door": "exchange",
        "reason": "content_type",
        "detail": "why it is here",
        "replayed_at": None,
    }
    assert datetime.fromisoformat(listed[2]["received_at"]) == CAME


def test_the_list_for_people_names_letter_and_reason(caseworker, kept):
    ran = caseworker("deadletter", "list")

    assert ran.status == 0
    assert "dead_nonsense" in ran.out
    assert "malformed" in ran.out


def test_a_list_that_is_cut_says_how_many_more_there_are(caseworker, kept):
    cut = caseworker("deadletter", "list", "--limit", "1")

    assert "dead_bytes" in cut.out
    assert "dead_nonsense" not in cut.out
    assert "2 more; --limit shows them." in cut.out
    assert "more" not in caseworker("deadletter", "list", "--limit", "3").out
    assert len(caseworker("deadletter", "list", "--limit", "2", "--json").json) == 2


def test_with_nothing_there_the_list_says_so(caseworker, engine):
    assert "There are no dead letters." in caseworker("deadletter", "list").out
    assert caseworker("deadletter", "list", "--json").json == []


def test_one_is_shown_as_it_came(caseworker, kept):
    shown = caseworker("deadletter", "show", "dead_event", "--json").json

    assert json.loads(shown["body"]) == event()
    assert shown["headers"] == [["origin", "shop"]]
    assert "no json" in caseworker("deadletter", "show", "dead_nonsense").out


def test_bytes_that_are_no_text_are_shown_whole_in_base64(caseworker, kept):
    shown = caseworker("deadletter", "show", "dead_bytes", "--json").json

    assert base64.b64decode(shown["body_base64"]) == b"\xff\x00"
    assert "2 bytes that are no text" in caseworker("deadletter", "show", "dead_bytes").out


def test_one_that_is_not_there_is_named(caseworker, kept):
    ran = caseworker("deadletter", "show", "dead_none")

    assert ran.status == 2
    assert "'dead_none'" in ran.err


def test_what_is_an_event_after_all_becomes_a_case_and_is_no_longer_listed(caseworker, kept):
    ran = caseworker("deadletter", "replay", "dead_event", "--json")

    (case,) = caseworker("case", "list", "--json").json
    assert (ran.status, ran.json) == (0, [{"id": "dead_event", "ok": True, "result": f"accepted: {case['id']}"}])
    assert "dead_event" not in caseworker("deadletter", "list").out
    everything = {letter["id"]: letter for letter in caseworker("deadletter", "list", "--all", "--json").json}
    assert everything["dead_event"]["replay_result"] == f"accepted: {case['id']}"
    with kept.system.db.read() as tx:
        assert "dead_event" in [entry.data.get("item") for entry in audit.since(tx, 0)]


def test_one_that_is_discarded_waits_for_nobody_and_stays_on_record(caseworker, kept):
    assert caseworker("deadletter", "discard", "dead_bytes", "--reason", "sent again").out == "dead_bytes: discarded\n"

    assert "dead_bytes" not in caseworker("deadletter", "list").out
    (letter,) = [one for one in caseworker("deadletter", "list", "--all", "--json").json if one["id"] == "dead_bytes"]
    assert letter["replay_result"] == "discarded: sent again"
    with kept.system.db.read() as tx:
        assert deadletters.count(tx) == 2
        (entry,) = [entry for entry in audit.since(tx, 0) if entry.verb == "discarded"]
    assert entry.data == {"item": "dead_bytes", "reason": "sent again"}


def test_what_is_settled_or_not_there_or_without_a_reason_is_not_discarded(caseworker, kept):
    caseworker("deadletter", "replay", "dead_event")

    settled = caseworker("deadletter", "discard", "dead_event", "--reason", "x")
    assert (settled.status, "accepted: case_" in settled.err) == (2, True)
    assert "'dead_none'" in caseworker("deadletter", "discard", "dead_none", "--reason", "x").err
    assert "--reason" in caseworker("deadletter", "discard", "dead_bytes", "--reason", " ").err
    assert "dead_bytes" in caseworker("deadletter", "list").out


def test_all_are_replayed_and_what_still_cannot_be_read_stays(caseworker, kept):
    ran = caseworker("deadletter", "replay", "--all", "--json")

    assert ran.status == 1
    assert [(result["id"], result["ok"]) for result in ran.json] == [
        ("dead_event", True),
        ("dead_nonsense", False),
        ("dead_bytes", False),
    ]
    assert [letter["id"] for letter in caseworker("deadletter", "list", "--json").json] == [
        "dead_bytes",
        "dead_nonsense",
    ]


def test_all_are_replayed_however_many_can_be_listed(caseworker, kept, monkeypatch):
    monkeypatch.setattr("workers.cli.deadletter.MOST", 2)

    ran = caseworker("deadletter", "replay", "--all", "--json")

    assert [result["id"] for result in ran.json] == ["dead_event", "dead_nonsense", "dead_bytes"]


def test_an_event_of_a_type_that_is_ignored_is_settled_by_a_replay(caseworker, engine):
    """Else it would wait for ever, and be told of as long: nobody could do anything about it."""
    body = json.dumps(event(type="order.placed")).encode()
    letter = DeadLetter("dead_other", CAME, "task", "undeliverable", "given up", [], body, None, None)
    with engine.system.db.write() as tx:
        deadletters.add(tx, letter)

    ran = caseworker("deadletter", "replay", "--all", "--json")

    assert (ran.status, ran.json[0]["ok"]) == (0, True)
    assert ran.json[0]["result"].startswith("ignored: event type 'order.placed' is not handled")
    assert caseworker("deadletter", "list", "--json").json == []


@pytest.mark.parametrize("arguments", [(), ("dead_event", "--all")])
def test_it_is_said_which_one_is_to_be_replayed(caseworker, kept, arguments):
    ran = caseworker("deadletter", "replay", *arguments)

    assert ran.status == 2
    assert "Name one dead letter, or say --all." in ran.err


def test_one_that_breaks_in_a_way_nobody_foresaw_stays_and_keeps_no_other_waiting(caseworker, kept, monkeypatch):
    monkeypatch.setattr(event_messages, "receive", broken)

    ran = caseworker("deadletter", "replay", "--all", "--json")

    assert ran.status == 1
    assert [(one["id"], one["ok"]) for one in ran.json] == [
        ("dead_event", False),
        ("dead_nonsense", False),
        ("dead_bytes", False),
    ]
    with kept.system.db.read() as tx:
        assert deadletters.count(tx) == 3


def broken(*_asked):
    raise LookupError("a mistake of ours")

"""The stream: what happens is told, in order, without gaps, and it never holds up a restart."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice

import httpx
import pytest

from tests.integration.inbox.conftest import seen
from tests.kit.engine import refund
from tests.kit.patience import until
from tests.servers.inbox import GRACE, serving
from workers.inbox import live
from workers.inbox.live import GAP_SECONDS, Follower, as_event
from workers.store import audit, people
from workers.store.records import AuditEntry


def entry(number, **data):
    at = datetime(2026, 11, 20, tzinfo=UTC)
    return AuditEntry(number, "case_1", number, at, "person:ana", "decided", data, "", "")


def ids(entries):
    return [e.id for e in entries]


class TestFollower:
    def test_entries_go_out_once_and_in_order(self):
        follower = Follower(3)

        assert ids(follower.take([entry(5), entry(4)], 0.0)) == [4, 5]
        assert ids(follower.take([entry(4), entry(5), entry(6)], 0.1)) == [6]

    def test_what_comes_after_a_gap_waits_for_it(self):
        follower = Follower(0)

        assert ids(follower.take([entry(1), entry(3)], 0.0)) == [1]
        assert ids(follower.take([entry(2), entry(3)], 0.5)) == [2, 3]

    def test_but_not_for_ever(self):
        follower = Follower(0)
        follower.take([entry(2), entry(3)], 0.0)

        assert ids(follower.take([entry(2), entry(3)], GAP_SECONDS / 2)) == []
        assert ids(follower.take([entry(2), entry(3)], GAP_SECONDS)) == [2, 3]
        assert follower.last_id == 3


def test_only_ids_and_words_go_out():
    told = as_event(entry(7, action="act_1", reason="secret", decision="reject"))

    assert told.startswith("id: 7\nevent: change\ndata: {")
    assert told.endswith("}\n\n")
    assert "secret" not in told


@contextmanager
def listening(address, token, **headers):
    """Yields a function that waits for the next event."""
    with (
        httpx.Client(base_url=address, timeout=httpx.Timeout(5, read=10)) as client,
        client.stream(
            "GET",
            "/api/v1/stream" + headers.pop("query", ""),
            headers={"Authorization": f"Bearer {token}", **headers},
        ) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines) == "retry: 2000"

        def following():
            for line in lines:
                if line.startswith("data: "):
                    return json.loads(line.removeprefix("data: "))
            return None

        yield following


@pytest.fixture
def address(site):
    with serving(site.engine.system) as address:
        yield address


def test_a_decision_reaches_everybody_who_listens(site, address):
    action = site.drafted(refund())[0]
    token, _ = site.token("read")
    with listening(address, token) as first, listening(address, token) as second:
        site.signed_in().post(
            f"/api/v1/actions/{action.id}/decision", json={"decision": "reject", "reason": "no", **seen(action)}
        )

        told = first()
        assert (told["verb"], told["case"], told["action"]) == ("decided", action.case_id, action.id)
        assert second() == told


def test_who_comes_back_with_the_last_id_has_missed_nothing(site, address):
    site.drafted(refund())
    token, _ = site.token("read")
    with site.engine.system.db.read() as tx:
        log = audit.since(tx, 0)
    told = {entry.id: audit.unfolded(entry) for entry in log}
    after = [one for entry in log[1:] for one in told[entry.id]]

    with listening(address, token, **{"Last-Event-ID": str(log[0].id)}) as following:
        assert [following()["id"] for _ in after] == ids(after)
    with listening(address, token, query=f"?after={log[0].id}") as following:
        assert [following()["verb"] for _ in after] == [e.verb for e in after]
    assert len(after) > len(log[1:]), "one entry tells several things"


@pytest.mark.parametrize("last", ["9" * 5000, "-1", "soon"])
def test_who_comes_back_with_no_id_hears_from_now_on(address, site, last):
    token, _ = site.token("read")

    with listening(address, token, **{"Last-Event-ID": last}):
        pass


def test_who_comes_back_with_an_id_of_before_a_restore_hears_from_now_on(site, address):
    action = site.drafted(refund())[0]
    token, _ = site.token("read")

    with listening(address, token, **{"Last-Event-ID": "1000000"}) as following:
        site.signed_in().post(
            f"/api/v1/actions/{action.id}/decision", json={"decision": "reject", "reason": "no", **seen(action)}
        )

        assert following()["verb"] == "decided"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer cw_none"}])
def test_a_stranger_hears_nothing(site, address, headers):
    assert httpx.get(f"{address}/api/v1/stream", headers=headers).status_code == 401


@pytest.mark.parametrize("by", ["token", "session"])
def test_a_stream_ends_with_what_opened_it(site, address, monkeypatch, by):
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", 0.1)
    token, token_id = site.token("read")
    cookie, session = site.session()
    shown = {"Authorization": f"Bearer {token}"} if by == "token" else {"Cookie": f"caseworker={cookie}"}
    with httpx.stream("GET", f"{address}/api/v1/stream", headers=shown, timeout=60) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "retry: 2000"
        with site.engine.system.db.write() as tx:
            people.revoke_token(tx, token_id, site.engine.clock())
            people.shut_out(tx, session.person_id)
        beats = [line for line in islice(lines, 1000) if line.startswith(":")]

    assert len(beats) < 400, "nobody asks any more who is listening"


def test_the_log_is_read_only_while_somebody_listens(site, address):
    def followers():
        return [thread for thread in threading.enumerate() if thread.name == "live"]

    token, _ = site.token("read")
    until(lambda: followers() == [], "that of an earlier test goes on reading")
    with listening(address, token), listening(address, token):
        assert len(followers()) == 1

    until(lambda: followers() == [], "it goes on reading")


def test_an_open_stream_does_not_hold_up_the_end_of_the_server(site):
    token, _ = site.token("read")
    with serving(site.engine.system) as address:
        listener = listening(address, token)
        following = listener.__enter__()
        started = time.monotonic()
    took = time.monotonic() - started

    assert following() is None
    assert took < GRACE / 2, "the server ended by its own time-out"
    listener.__exit__(None, None, None)

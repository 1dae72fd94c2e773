"""A program's plain yes goes a straight way past the application, and whatever is not one is answered as it ever was."""

from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest

from tests.integration.inbox.conftest import Web, seen
from tests.kit.engine import make_engine, refund
from tests.kit.patience import until
from tests.servers.inbox import serving
from workers import web
from workers.inbox import service, straight
from workers.store import actions, audit, people
from workers.store.database import StoreUnavailable
from workers.store.records import ActionState
from workers.telemetry import metrics

#: which goes the long way
LONG = {"Content-Type": "application/json; charset=utf-8"}


@pytest.fixture
def site(tmp_path, on_postgresql):
    engine = make_engine(tmp_path, url=on_postgresql)
    made = Web(engine, web.make_app(engine.system, webhooks={}))
    with serving(engine.system) as address:
        made.address = address
        yield made
    engine.system.close()


@pytest.fixture
def program(site):
    """A program that decides as Ana."""
    token, _ = site.token("decide", person=site.person("ana"))
    with httpx.Client(base_url=site.address, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        yield client


@pytest.fixture
def no_long_way(monkeypatch):
    def decide(*_):
        raise AssertionError("this goes the long way")

    monkeypatch.setattr(service, "decide", decide)


def path(action):
    return f"/api/v1/actions/{action.id}/decision"


def yes(action, **more):
    return {"decision": "approve", **seen(action), **more}


def test_a_plain_yes_is_written_down_answered_and_carried_out(site, program, no_long_way):
    action = site.drafted(refund())[0]

    answer = program.post(path(action), json=yes(action, reason="it was broken"))
    site.engine.drain()

    assert (answer.status_code, answer.json()["state"]) == (200, "approved")
    assert answer.json()["decided_by"] == "person:ana@firm.example"
    assert site.engine.house.done("refund") == [4000]
    with site.engine.system.db.read() as tx:
        (said,) = actions.decisions_of(tx, action.id)
        told = [entry for entry in audit.of_chain(tx, action.case_id) if entry.verb == "decided"]
    assert (said.decision, said.channel, said.reason) == ("approve", "api", "it was broken")
    assert [entry.actor for entry in told] == ["person:ana@firm.example"]


def test_it_is_answered_as_by_the_long_way(site, program):
    first = site.drafted(refund(), ticket="1", delivery="d1")[0]
    second = site.drafted(refund(), ticket="2", delivery="d2")[-1]
    assert first.id != second.id

    short, long = (
        program.post(path(first), json=yes(first)),
        program.post(path(second), content=json.dumps(yes(second)), headers=LONG),
    )

    unlike = {"date", "content-length"}
    assert {n: v for n, v in short.headers.items() if n not in unlike} == {
        n: v for n, v in long.headers.items() if n not in unlike
    }
    own = {"id", "case_id", "digest", "target", "decided_at", "created_at", "updated_at", "expires_at", "wake_at"}
    assert short.json().keys() == long.json().keys()
    assert {n: v for n, v in short.json().items() if n not in own} == {
        n: v for n, v in long.json().items() if n not in own
    }
    assert short.json() == program_reads(site, first)


def program_reads(site, action):
    token, _ = site.token("read")
    shown = httpx.get(
        f"{site.address}/api/v1/actions/{action.id}", headers={"Authorization": f"Bearer {token}"}, timeout=60
    ).json()
    return {name: value for name, value in shown.items() if name not in ("revisions", "decisions", "attempts")}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"revision": 2}, 409),
        ({"digest": "f" * 64}, 409),
        ({"digest": "f"}, 422),
        ({"revision": "1"}, 422),
        ({"decision": "yes"}, 422),
        ({"decision": None}, 422),
        ({"reason": "\x00"}, 422),
        ({"decision": "reject"}, 422),
        ({"decision": "stop", "reason": "no"}, 409),
        ({"arguments": {"amount_minor": "much"}}, 422),
    ],
    ids=str,
)
def test_what_is_no_plain_yes_is_refused_as_ever(site, program, change, status):
    action = site.drafted(refund())[0]

    answer = program.post(path(action), json=yes(action, **change))

    assert (answer.status_code, "detail" in answer.json()) == (status, True)
    assert site.engine.action("refund_payment") == action


def test_what_is_too_large_is_refused_as_ever(site, program):
    action = site.drafted(refund())[0]

    assert program.post(path(action), json=yes(action, reason="x" * 300_000)).status_code == 413
    assert program.post(path(action), json=yes(action, reason="x" * 3_900)).status_code == 200


def test_who_may_not_decide_is_refused_as_ever(site, program):
    action = site.drafted(refund())[0]
    nobodys, lacking = site.token("decide")[0], site.token("read", person=site.person("ana"))[0]
    gone = site.person("ben")
    bens = site.token("decide", person=gone)[0]
    outsiders = site.token("decide", person=site.person("eve", groups=("cooks",)))[0]
    revoked, revoked_id = site.token("decide", person=site.person("ana"))
    with site.engine.system.db.write() as tx:
        people.change(tx, gone.id, {"active": False})
        people.revoke_token(tx, revoked_id, site.engine.clock())

    answers = {}
    for name, shown in {
        "none": None,
        "made up": "Bearer cw_made_up",
        "no bearer": "Basic cw_made_up",
        "revoked": f"Bearer {revoked}",
        "nobody's": f"Bearer {nobodys}",
        "a reader's": f"Bearer {lacking}",
        "of who has left": f"Bearer {bens}",
        "of who is not asked": f"Bearer {outsiders}",
    }.items():
        headers = {"Authorization": shown} if shown is not None else {}
        answers[name] = httpx.post(f"{site.address}{path(action)}", json=yes(action), headers=headers).status_code

    assert answers == {
        "none": 401,
        "made up": 401,
        "no bearer": 401,
        "revoked": 401,
        "nobody's": 403,
        "a reader's": 403,
        "of who has left": 403,
        "of who is not asked": 403,
    }
    assert site.engine.action("refund_payment") == action


@pytest.mark.parametrize("error", [StoreUnavailable("away"), RuntimeError("a bug")], ids=["away", "a bug"])
def test_what_breaks_on_the_straight_way_goes_the_long_one(site, program, monkeypatch, error):
    action = site.drafted(refund())[0]

    def at_once(*_):
        raise error

    monkeypatch.setattr(straight.asking, "at_once", at_once)
    answer = program.post(path(action), json=yes(action))

    assert (answer.status_code, answer.json()["state"]) == (200, "approved")


def test_of_twenty_identical_yeses_one_counts(site, program):
    action = site.drafted(refund())[0]
    together = threading.Barrier(20)

    def send(_):
        together.wait()
        return program.post(path(action), json=yes(action))

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(send, range(20)))
    site.engine.drain()

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    assert site.engine.house.done("refund") == [4000]


def test_an_unknown_action_and_another_method_are_answered_as_ever(site, program):
    body = {"decision": "approve", "revision": 1, "digest": "0" * 64}

    assert program.post("/api/v1/actions/act_none/decision", json=body).status_code == 404
    assert program.get("/api/v1/actions/act_none/decision").status_code == 405
    assert program.post("/api/v1/actions/act%00none/decision", json=body).status_code == 400


def test_a_body_in_pieces_is_taken_as_ever(site, program):
    action = site.drafted(refund())[0]
    whole = json.dumps(yes(action)).encode()

    answer = program.post(
        path(action), content=iter([whole[:20], whole[20:]]), headers={"Content-Type": "application/json"}
    )

    assert (answer.status_code, answer.json()["state"]) == (200, "approved")


def raw(site, *parts):
    """A connection on which these were sent in one go."""
    parsed = urlsplit(site.address)
    connection = socket.create_connection((parsed.hostname, parsed.port), timeout=60)
    connection.sendall(b"".join(parts))
    return connection


def asked(token, address, body, extra=""):
    content = json.dumps(body).encode()
    head = f"POST {address} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {token}\r\n{extra}"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content


def read_to_the_end(connection):
    got = b""
    while piece := connection.recv(65536):
        got += piece
    return [int(answer[:3]) for answer in got.split(b"HTTP/1.1 ")[1:]], got


def test_requests_sent_in_one_go_are_answered_in_their_order(site):
    """What leaves the straight way does so after those behind it were read."""
    action = site.drafted(refund())[0]
    token, _ = site.token("decide", person=site.person("ana"))

    with raw(
        site,
        asked(token, path(action), yes(action, revision=2)),
        b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n",
        asked(token, path(action), yes(action)),
        asked(token, path(action), yes(action), "Connection: close\r\n"),
    ) as connection:
        statuses, _ = read_to_the_end(connection)

    assert statuses == [409, 200, 200, 409]


def test_a_connection_that_is_to_end_with_the_answer_ends_with_it(site, no_long_way):
    action = site.drafted(refund())[0]
    token, _ = site.token("decide", person=site.person("ana"))

    with raw(site, asked(token, path(action), yes(action), "Connection: close\r\n")) as connection:
        statuses, answer = read_to_the_end(connection)

    assert statuses == [200]
    assert b"\r\nconnection: close\r\n" in answer


def test_who_does_not_wait_for_the_answer_has_decided_all_the_same(site, no_long_way):
    action = site.drafted(refund())[0]
    token, _ = site.token("decide", person=site.person("ana"))

    raw(site, asked(token, path(action), yes(action))).close()

    until(lambda: site.engine.action("refund_payment").state == ActionState.APPROVED, "the yes is lost")


def test_it_is_counted_among_the_requests_once(site, program, no_long_way):
    action = site.drafted(refund())[0]
    labels = {"door": "api", "status": "200"}

    def count():
        return metrics.REGISTRY.get_sample_value("caseworker_request_seconds_count", labels) or 0

    before = count()
    program.post(path(action), json=yes(action))

    assert count() == before + 1

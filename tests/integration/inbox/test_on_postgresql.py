"""The pages and the API on PostgreSQL: the same queries, the other database."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import quote

import pytest
from sqlalchemy import event
from starlette.testclient import TestClient

from policies.loader import SHIPPED
from tests.integration.inbox.conftest import Web, seen
from tests.kit.engine import make_engine, refund, reply
from workers import web
from workers.store.database import Database


@pytest.fixture
def site(tmp_path, on_postgresql):
    engine = make_engine(tmp_path, url=on_postgresql)
    made = Web(engine, web.make_app(engine.system, webhooks={}))
    yield made
    for client in made.clients:
        client.close()
    engine.system.close()


def test_every_page_is_shown_and_a_decision_is_taken(site):
    first, second = site.drafted(refund(), reply())
    client, reader = site.signed_in(), site.with_token("read")
    address = f"/actions/{first.id}/changes?since=0&revision=1&digest={first.digest}"
    pages = ["/", "/?tab=all", "/?tab=waiting&domain=support", "/?tab=done", f"/actions/{first.id}", address, "/cases"]
    pages += ["/cases?q=50%25_broken", "/cases?q=BROKEN&state=inbox&domain=support", f"/cases/{first.case_id}"]

    for page in pages:
        assert client.get(page).status_code == 200, page
    pending = reader.get("/api/v1/actions?state=pending").json()["actions"]
    assert {a["id"] for a in pending} == {first.id, second.id}
    assert first.case_id in client.get("/cases?q=BROKEN&state=inbox").text
    assert first.case_id not in client.get("/cases?q=50%25_broken").text

    answer = client.post(f"/actions/{first.id}/decision", data={"decision": "approve", **seen(first)})
    site.engine.drain()
    assert answer.status_code == 303
    assert site.engine.house.done("refund") == [4000]
    assert reader.get(f"/api/v1/cases/{first.case_id}/timeline").json()["entries"][-1]["kind"] == "attempt"


def test_the_first_decision_finds_a_connection_open(site, on_postgresql):
    plain, _ = site.token("read")
    opened = []
    fresh = Database(on_postgresql)
    event.listen(fresh._direct, "connect", lambda *_: opened.append(1))

    with TestClient(web.make_app(replace(site.engine.system, db=fresh), webhooks={})) as client:
        at_the_start = len(opened)
        answer = client.get("/api/v1/cases", headers={"Authorization": f"Bearer {plain}"})
    fresh.dispose()

    assert answer.status_code == 200
    assert (at_the_start, len(opened)) == (1, 1)


@pytest.mark.parametrize("text", ["a\x00b", "tab\tand\nline", "\x1b[31m"])
def test_control_characters_in_a_form_never_reach_the_database(site, text):
    action = site.drafted(reply())[0]
    client = site.signed_in()

    for path in ("/cases", "/", "/api/v1/cases"):
        told = client.get(path, params={"q": text, "domain": text, "before": text, "after": text})
        assert told.status_code == (400 if "\x00" in text else 200), path
    assert client.get(f"/actions/{quote(text)}").status_code == (400 if "\x00" in text else 404)
    answer = client.post(f"/actions/{action.id}/decision", data={"decision": "reject", "reason": text, **seen(action)})

    assert answer.status_code == 303
    assert "\x00" not in site.engine.action("reply_to_customer").reason


@pytest.mark.parametrize(
    ("address", "form"),
    [
        ("/switches/throw", {"scope": "all", "reason": "a\0b"}),
        ("/switches/release", {"scope": "a\0ll", "reason": "a\0b"}),
        ("/policy/proposals", {"why": "w\0", "hash": "0\0"}),
        ("/policy/backtests", {"hash": "0\0"}),
        ("/notices/read", {"notice": "a\0b"}),
    ],
)
def test_a_form_with_what_no_row_can_hold_breaks_nothing(site, address, form):
    assert site.signed_in().post(address, data=form).status_code in (303, 404, 422)


@pytest.mark.parametrize("address", ["/policy/proposals", "/policy/backtests"])
def test_a_file_with_a_name_that_no_row_can_hold_is_no_policy(site, address):
    head = 'Content-Disposition: form-data; name="files"; filename="a\0.yaml"\r\n\r\n'
    sound = (SHIPPED / "support.yaml").read_text()
    why = '--x\r\nContent-Disposition: form-data; name="why"\r\n\r\nBecause.\r\n'
    body = f"{why}--x\r\n{head}{sound}\r\n--x--\r\n".encode()

    answer = site.signed_in().post(address, content=body, headers={"content-type": "multipart/form-data; boundary=x"})

    assert (answer.status_code, "end in .yaml" in answer.text) == (422, True)


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("notices/read", {"ids": ["a\0b"]}),
        ("policy/proposals", {"why": "w", "files": {"a.yaml": "\ud800"}}),
        ("policy/proposals", {"why": "w", "files": {"\ud800.yaml": "a"}}),
        ("policy/backtests", {"files": {"\ud800.yaml": "a"}}),
    ],
)
def test_a_body_with_what_no_row_can_hold_is_refused(site, address, body):
    headers = {"content-type": "application/json"}

    assert site.signed_in().post(f"/api/v1/{address}", content=json.dumps(body), headers=headers).status_code == 422

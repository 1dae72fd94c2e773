"""CSRF tokens, foreign origins, and the scopes of machines' tokens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from tests.integration.inbox.conftest import seen
from tests.kit.engine import refund
from workers import web
from workers.store import people
from workers.store.database import Database
from workers.store.records import ActionState

FORMS = ("/sign-out", "/actions/{action}/decision", "/actions/{action}/preview", "/cases/{case}/decision")


@pytest.fixture
def action(site):
    return site.drafted(refund())[0]


def url(template, action):
    return template.format(action=action.id, case=action.case_id)


@pytest.mark.parametrize("template", FORMS)
@pytest.mark.parametrize("token", [None, "", "wrong", "ü"], ids=repr)
def test_a_form_without_its_sessions_token_is_refused(site, action, template, token):
    client = site.signed_in()
    del client.headers["X-CSRF-Token"]
    form = {"decision": "approve", **seen(action)} | ({"csrf": token} if token is not None else {})

    answer = client.post(url(template, action), data=form)

    assert answer.status_code == 403
    assert site.engine.action("refund_payment").state == ActionState.PENDING


def test_the_token_of_another_session_is_refused(site, action):
    ana, ben = site.signed_in("ana"), site.signed_in("ben")
    ana.headers["X-CSRF-Token"] = ben.headers["X-CSRF-Token"]

    assert ana.post(url(FORMS[1], action), data={"decision": "approve", **seen(action)}).status_code == 403


def test_the_token_may_come_in_the_form_or_in_the_header(site, action):
    client = site.signed_in()
    token = client.headers.pop("X-CSRF-Token")

    answer = client.post(url(FORMS[1], action), data={"decision": "approve", "csrf": token, **seen(action)})

    assert answer.status_code == 303
    assert site.engine.action("refund_payment").state == ActionState.APPROVED


@pytest.mark.parametrize("template", [*FORMS, "/sign-in", "/api/v1/actions/{action}/decision"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
    ],
    ids=str,
)
def test_what_another_site_makes_a_browser_send_is_refused(site, action, template, headers):
    client = site.signed_in()
    body = {"decision": "approve", "email": "ana@firm.example", "password": "x", **seen(action)}
    sent = {"json": body} if template.startswith("/api") else {"data": body}

    answer = client.post(url(template, action), headers=headers, **sent)

    assert answer.status_code == 403
    assert site.engine.action("refund_payment").state == ActionState.PENDING


def test_the_api_asks_a_browser_for_its_token_too(site, action):
    client = site.signed_in()
    del client.headers["X-CSRF-Token"]

    answer = client.post(f"/api/v1/actions/{action.id}/decision", json={"decision": "approve", **seen(action)})

    assert answer.status_code == 403
    assert "X-CSRF-Token" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("scopes", "reads", "decides"),
    [
        ((), 401, 401),
        (("events",), 403, 403),
        (("read",), 200, 403),
        (("decide",), 403, 200),
        (("read", "decide"), 200, 200),
    ],
)
def test_a_token_does_what_its_scopes_say(site, action, scopes, reads, decides):
    client = site.with_token(*scopes, person=site.person("ana"))

    assert client.get("/api/v1/actions?state=pending").status_code == reads
    answer = client.post(f"/api/v1/actions/{action.id}/decision", json={"decision": "approve", **seen(action)})
    assert answer.status_code == decides


@pytest.mark.parametrize(
    ("scopes", "status"), [((), 401), (("read",), 403), (("decide",), 422), (("read", "decide"), 422)]
)
def test_what_is_wrong_with_a_body_is_told_to_those_alone_who_may_decide(site, action, scopes, status):
    client = site.with_token(*scopes, person=site.person("ana"))

    answer = client.post(f"/api/v1/actions/{action.id}/decision", json={"decision": "perhaps", **seen(action)})

    assert answer.status_code == status
    assert ("decision" in answer.text) == (status == 422)


def test_nobody_learns_what_is_wrong_with_a_body_while_the_database_is_away(site, action):
    nobody_listens = Database("postgresql://nobody@127.0.0.1:1/none")
    gone = replace(site.engine.system, db=nobody_listens)
    with TestClient(web.make_app(gone, webhooks={}), cookies={"caseworker": "x" * 43}) as client:
        answer = client.post(f"/api/v1/actions/{action.id}/decision", json={"decision": "perhaps"})
    nobody_listens.dispose()

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_a_token_decides_as_its_person(site, action):
    client = site.with_token("decide", person=site.person("ben"))

    answer = client.post(f"/api/v1/actions/{action.id}/decision", json={"decision": "approve", **seen(action)})

    assert answer.json()["decided_by"] == "person:ben@firm.example"


def test_a_token_without_a_person_decides_nothing(site, action):
    client = site.with_token("decide")

    answer = client.post(f"/api/v1/actions/{action.id}/decision", json={"decision": "approve", **seen(action)})

    assert answer.status_code == 403
    assert site.engine.action("refund_payment").state == ActionState.PENDING


@pytest.mark.parametrize("shown", ["Bearer cw_wrong", "Bearer", "Basic YTpi", "cw_x", "Bearer  "])
def test_a_bad_token_is_not_rescued_by_a_session(site, shown):
    client = site.signed_in()

    answer = client.get("/api/v1/cases", headers={"Authorization": shown})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_revoked_token_is_nobody(site):
    plain, token_id = site.token("read")
    with site.engine.system.db.write() as tx:
        people.revoke_token(tx, token_id, site.engine.clock())

    answer = site.anonymous().get("/api/v1/cases", headers={"Authorization": f"Bearer {plain}"})

    assert answer.status_code == 401


def test_the_token_of_a_closed_account_decides_nothing(site, action):
    ben = site.person("ben")
    client = site.with_token("decide", person=ben)
    with site.engine.system.db.write() as tx:
        people.change(tx, ben.id, {"active": False})

    answer = client.post(f"/api/v1/actions/{action.id}/decision", json={"decision": "approve", **seen(action)})

    assert answer.status_code == 403

"""Lists, cases, the policy page, health, errors: what is shown to whom, and what is said when something is wrong."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.integration.inbox.test_card import plain
from tests.kit.engine import refund, reply
from workers import web
from workers.inbox.schemas import Problem, Unfit
from workers.store.database import Database
from workers.store.records import CaseState


def test_an_empty_inbox_says_what_to_do(site):
    page = site.signed_in().get("/").text

    assert "Nothing to decide" in page
    assert 'href="/docs"' in page
    assert 'href="/sample"' not in page


def test_with_the_sample_company_it_says_where_to_begin(site):
    app = web.make_app(
        site.engine.system, webhooks={}, extra_routes=[Route("/sample", lambda _: PlainTextResponse("made up"))]
    )
    token, _ = site.session()
    with TestClient(app, cookies={"caseworker": token}) as client:
        assert 'href="/sample"' in client.get("/").text
        assert client.get("/sample").text == "made up"


def test_the_list_says_what_for_whom_why_and_until_when(site):
    site.drafted(refund())

    page = plain(site.signed_in().get("/").text)

    for said in (
        "Refund 40.00 EUR of charge ch_1 to ana@example.com",
        "ana@example.com",
        "Support",
        "High risk",
        "40.00 EUR is above 25.00",
        "due in 7 days",
    ):
        assert said in page


def test_each_tab_shows_its_own(site):
    site.engine.house.refundable = 1_000_000
    first = site.drafted(refund(50_000))[0]
    client = site.signed_in("ben", groups=("support",))
    lead = site.signed_in("ana")

    assert first.sentence not in client.get("/").text
    assert first.sentence in client.get("/?tab=all").text
    assert first.sentence in lead.get("/").text
    lead.post(
        f"/actions/{first.id}/decision",
        data={"decision": "reject", "reason": "no", "revision": 1, "digest": first.digest},
    )
    assert first.sentence not in lead.get("/?tab=all").text
    assert first.sentence in client.get("/?tab=done").text


def test_a_domain_can_be_looked_at_alone(site):
    site.drafted(refund())
    site.uncertain()
    client = site.signed_in()

    support, transactions = client.get("/?domain=support").text, client.get("/?domain=transactions").text

    assert ("Refund 40.00" in support, "Papers" in support) == (True, False)
    assert ("Refund 40.00" in transactions, "Papers" in transactions) == (False, True)


def test_what_may_have_happened_already_comes_first(site):
    site.drafted(refund())
    site.uncertain()

    page = site.signed_in().get("/").text

    assert page.index("Papers") < page.index("Refund 40.00")


def test_a_case_that_asks_for_a_person_is_listed_and_can_be_tried_again(site):
    site.engine.model.drafts = [[]]
    site.engine.event()
    site.engine.drain()
    case = site.engine.case()
    client = site.signed_in()
    listed = plain(client.get("/").text)

    shown = plain(client.get(f"/cases/{case.id}").text)
    answer = client.post(f"/cases/{case.id}/decision", data={"decision": "retry", "reason": "Ask for the order"})

    assert "Needs a person" in listed
    assert "The agent proposed nothing." in shown
    assert answer.headers["location"] == f"/cases/{case.id}"
    assert (site.engine.case().state, site.engine.case().instruction) == (CaseState.WORKING, "Ask for the order")


def test_a_wrong_word_for_a_case_changes_nothing_and_says_so(site):
    site.drafted(reply())
    case = site.engine.case()

    answer = site.signed_in().post(f"/cases/{case.id}/decision", data={"decision": "explode"})

    assert answer.status_code == 422
    assert "explode" in answer.text
    assert site.engine.case() == case


def test_a_case_tells_its_life_in_order(site):
    action = site.drafted(refund())[0]
    site.engine.clock.on(minutes=5)
    client = site.signed_in()
    client.post(f"/actions/{action.id}/decision", data={"decision": "approve", "revision": 1, "digest": action.digest})
    site.engine.drain()

    page = plain(client.get(f"/cases/{action.case_id}").text)
    told = client.get(f"/api/v1/cases/{action.case_id}/timeline").json()

    kinds = [item["kind"] for item in told["entries"]]
    assert [item["at"] for item in told["entries"]] == sorted(item["at"] for item in told["entries"])
    assert set(kinds) == {"event", "step", "action", "decision", "attempt", "closed"}
    order = [
        "Broken",
        "Read and classified",
        "Looked up the facts",
        "Drafted what to do",
        "Approve: Refund",
        "Attempt 1, done",
    ]
    assert [page.index(words) for words in order] == sorted(page.index(words) for words in order)
    assert "script-1" in page
    assert "Audit log: " in page


def test_what_was_drafted_and_what_was_approved_are_told_as_they_were(site):
    action = site.drafted(refund())[0]
    site.engine.clock.on(minutes=5)
    edited = {**action.arguments, "amount_minor": 3500}
    body = {"decision": "approve", "revision": 1, "digest": action.digest, "arguments": edited}
    client = site.signed_in()
    client.post(f"/api/v1/actions/{action.id}/decision", json=body)
    site.engine.drain()

    told = client.get(f"/api/v1/cases/{action.case_id}/timeline").json()["entries"]

    lives = [(e["kind"], e["title"][:32]) for e in told if e["kind"] in ("action", "revision", "decision", "attempt")]
    assert lives == [
        ("action", "Refund 40.00 EUR of charge ch_1 "),
        ("revision", "Revision 2: Refund 35.00 EUR of "),
        ("decision", "Approve: Refund 35.00 EUR of cha"),
        ("attempt", "Attempt 1, done: Refund 35.00 EU"),
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [("q=broken", True), ("q=ANA%40", True), ("q=house:ticket:7", True), ("q=tent", False), ("q=%25", False),
     ("q=_roken", False), ("state=inbox", True), ("state=closed", False), ("state=nonsense", True),
     ("domain=support", True), ("domain=content", False), ("before=case_0", False)],
)  # fmt: skip
def test_cases_are_found_by_title_customer_and_subject(site, query, found):
    site.drafted(refund())

    page = site.signed_in().get(f"/cases?{query}").text

    assert (f'href="/cases/{site.engine.case().id}"' in page) is found


def test_the_api_lists_and_pages(site):
    for n in range(3):
        site.drafted(reply(), ticket=str(n), delivery=f"d{n}")
    client = site.with_token("read")

    first = client.get("/api/v1/cases?limit=2").json()
    rest = client.get(f"/api/v1/cases?limit=2&before={first['next']}").json()
    pending = client.get("/api/v1/actions?state=pending&limit=200").json()

    assert [len(first["cases"]), len(rest["cases"]), rest["next"]] == [2, 1, None]
    assert [a["kind"] for a in pending["actions"]] == ["reply_to_customer"] * 3
    assert client.get("/api/v1/actions?state=done").json()["actions"] == []
    assert client.get("/api/v1/actions?state=nonsense").status_code == 422
    detail = client.get(f"/api/v1/actions/{pending['actions'][0]['id']}").json()
    assert (len(detail["revisions"]), detail["decisions"], detail["attempts"]) == (1, [], [])


def test_the_policy_in_force_is_shown_whole(site):
    page = site.signed_in().get("/policy").text

    policy = site.engine.system.policy
    assert all(rule.id in page for rule in policy.rules)
    assert policy.hash[:12] in page


def test_every_operation_of_the_api_is_described(site):
    description = site.anonymous().get("/openapi.json").json()
    page = site.anonymous().get("/docs").text

    assert "/api/v1/actions/{action_id}/decision" in description["paths"]
    assert all(path in page for path in description["paths"])
    assert all(path.startswith("/api/v1/") for path in description["paths"])
    written = (Path(web.__file__).parent.parent / "docs" / "api.md").read_text()
    for path, methods in description["paths"].items():
        named = path.replace("case_id", "id").replace("action_id", "id").replace("hash_", "hash")
        for method in methods:
            assert f"`{method.upper()} {named}`" in written


def test_every_operation_says_what_else_it_may_answer(site):
    description = site.anonymous().get("/openapi.json").json()
    shapes = description["components"]["schemas"]

    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            answers = operation["responses"]
            assert {"400", "401", "403", "422", "503"} <= answers.keys(), (method, path)
            assert ("413" in answers) == (method == "post"), (method, path)
            unfit = answers["422"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            assert {"string", "array"} == {one["type"] for one in shapes[unfit]["properties"]["detail"]["anyOf"]}


def test_what_cannot_be_read_or_does_not_fit_is_answered_as_described(site):
    action = site.drafted(reply())[0]
    client = site.with_token("read", "decide", person=site.person())
    decision = f"/api/v1/actions/{action.id}/decision"

    answers = [
        client.get("/api/v1/cases?domain=%00"),
        client.post(decision, content=b"\xff", headers={"Content-Type": "application/json"}),
        client.post(decision, json={"decision": "reject", "revision": 1, "digest": "short"}),
        client.post(decision, json={"decision": "reject", "revision": 1, "digest": action.digest}),
    ]

    assert [answer.status_code for answer in answers] == [400, 400, 422, 422]
    assert [type(Unfit.model_validate(answer.json()).detail) for answer in answers] == [str, str, list, str]


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nope", "/api/v1/cases", "/healthz", "/docs", "/static/app.css"])
def test_every_answer_carries_the_security_headers(site, path):
    headers = site.anonymous().get(path).headers

    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == ("no-cache" if path.startswith("/static") else "no-store")


@pytest.mark.parametrize(("path", "kind"), [("/nope", "html"), ("/api/v1/nope", "json"), ("/actions/none", "html")])
def test_what_is_not_there_is_answered_to_people_and_programs_in_their_way(site, path, kind):
    answer = site.signed_in().get(path)

    assert answer.status_code == 404
    assert kind in answer.headers["content-type"]


def test_odd_addresses_are_refused_not_broken(site):
    client = site.signed_in()

    for path in ("/?tab=nonsense", "/actions/x/changes", "/cases?before=" + "x" * 500, "/api/v1/cases?limit=0"):
        assert client.get(path).status_code == 422, path


def test_a_large_body_is_refused(site):
    action = site.drafted(reply())[0]
    client = site.signed_in()

    decision, form = (
        client.post(path, content=b"x" * 300_000)
        for path in (f"/api/v1/actions/{action.id}/decision", f"/actions/{action.id}/decision")
    )

    assert (decision.status_code, form.status_code) == (413, 413)
    assert Problem.model_validate(decision.json()).detail
    assert "text/html" in form.headers["content-type"]
    assert "default-src 'none'" in form.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/", "/readyz", "/api/v1/cases", "/nope"])
def test_without_the_database_everybody_is_told_to_come_back(site, path):
    nobody_listens = Database("postgresql://nobody@127.0.0.1:1/none")
    gone = replace(site.engine.system, db=nobody_listens)
    with TestClient(web.make_app(gone, webhooks={}), cookies={"caseworker": "x" * 43}) as client:
        answer = client.get(path)
        alive = client.get("/healthz")
    nobody_listens.dispose()

    assert alive.status_code == 200
    if path == "/nope":
        assert answer.status_code == 404
    else:
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_an_unmigrated_database_is_not_ready(site, tmp_path):
    fresh = Database(f"sqlite:///{tmp_path / 'fresh.db'}")
    with TestClient(web.make_app(replace(site.engine.system, db=fresh), webhooks={})) as client:
        answer = client.get("/readyz")
    fresh.dispose()

    assert answer.status_code == 503
    assert "caseworker migrate" in answer.text
    assert site.anonymous().get("/readyz").status_code == 200


def test_whoever_asks_whether_it_is_ready_waits_for_no_database_that_hangs(site, monkeypatch):
    goes_on = threading.Event()
    monkeypatch.setattr(web, "READY_SECONDS", 0.05)
    monkeypatch.setattr(web, "standing", lambda _: goes_on.wait(60))
    client = site.anonymous()
    try:
        answers = [client.get("/readyz") for _ in range(3)]
    finally:
        goes_on.set()

    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert client.get("/healthz").status_code == 200


def test_a_database_of_a_newer_version_is_not_ready_and_migrating_would_not_help(site):
    with site.engine.system.db.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '1000'"))
        tx.execute(text("UPDATE schema_floor SET revision = '0999'"))

    answer = site.anonymous().get("/readyz")

    assert answer.status_code == 503
    assert "newer version" in answer.text
    assert "migrate" not in answer.text


def test_a_bug_is_answered_with_a_page_and_written_down(site):
    def broken(_):
        raise RuntimeError("boom")

    app = web.make_app(site.engine.system, webhooks={}, extra_routes=[Route("/broken", broken)])
    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/broken")

    assert answer.status_code == 500
    assert "Something broke on our side" in answer.text
    assert "boom" not in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"

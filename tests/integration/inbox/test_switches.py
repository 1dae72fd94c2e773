"""The kill switches in the inbox and the API: anybody here can stop, leads let go on, and everybody sees it at once."""

from __future__ import annotations

import pytest

from tests.kit.engine import refund
from workers.store import audit, switches
from workers.store.audit import SYSTEM
from workers.store.records import ActionState


def thrown(site):
    with site.engine.system.db.read() as tx:
        return [(switch.scope, switch.reason, switch.actor) for switch in switches.listing(tx)]


def told(site):
    with site.engine.system.db.read() as tx:
        return [(entry.verb, entry.actor, entry.data) for entry in audit.of_chain(tx, SYSTEM)]


def approved(site):
    """A refund that is on its way out."""
    (action,) = site.drafted(refund())
    site.engine.decide(action, by=site.person())
    site.engine.clock.on(minutes=5)
    return action


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_stopping_takes_a_reason_and_is_seen_on_every_page_at_once(site):
    browser = site.signed_in("bo", groups=("support",))
    form = {"scope": "action:refund_payment", "reason": "Wrong amounts"}

    answer = browser.post("/switches/throw", data=form)

    assert (answer.status_code, answer.headers["location"]) == (303, "/switches")
    assert thrown(site) == [("action:refund_payment", "Wrong amounts", "person:bo@firm.example")]
    for page in ("/", "/cases", "/policy", "/switches"):
        assert "Wrong amounts" in browser.get(page).text
    assert told(site) == [
        ("switch_thrown", "person:bo@firm.example", {"scope": "action:refund_payment", "reason": "Wrong amounts"})
    ]


def test_nobody_who_is_not_signed_in_learns_of_it(site):
    site.signed_in().post("/switches/throw", data={"scope": "all", "reason": "A leak at the bank"})

    answer = site.anonymous().get("/sign-in")

    assert answer.status_code == 200
    assert "leak" not in answer.text


def test_what_it_holds_back_is_counted(site):
    approved(site)
    browser = site.signed_in()
    browser.post("/switches/throw", data={"scope": "vendor:house", "reason": "They are down"})

    assert "holds back 1 approved action" in browser.get("/switches").text


def test_a_lead_lets_go_on_and_what_waited_goes_out(site):
    approved(site)
    browser = site.signed_in()
    browser.post("/switches/throw", data={"scope": "all", "reason": "Looking"})
    site.engine.sweep()
    assert site.engine.house.effects == []

    answer = browser.post("/switches/release", data={"scope": "all", "reason": "It was nothing"})
    site.engine.sweep()

    assert answer.status_code == 303
    assert site.engine.house.done("refund") == [4000]
    assert "Looking" not in browser.get("/").text
    assert "It was nothing" in browser.get("/switches").text, "the history tells"


def test_others_are_not_offered_to_let_go_on_and_cannot(site):
    site.signed_in().post("/switches/throw", data={"scope": "all", "reason": "Looking"})
    browser = site.signed_in("bo", groups=("support",))

    assert "Let all go on" not in browser.get("/switches").text
    answer = browser.post("/switches/release", data={"scope": "all"})

    assert answer.status_code == 403
    assert "lead" in answer.text
    assert len(thrown(site)) == 1


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"scope": "all", "reason": "  "}, 422),
        ({"scope": "everything", "reason": "x"}, 422),
        ({"scope": "rule:no/such", "reason": "x"}, 422),
        ({"reason": "x"}, 422),
        ({"scope": "all", "reason": "x" * 501}, 422),
    ],
)
def test_what_would_stop_nothing_or_says_no_reason_is_refused(site, form, status):
    answer = site.signed_in().post("/switches/throw", data=form)

    assert answer.status_code == status
    assert thrown(site) == []


def test_a_form_of_another_site_throws_nothing(site):
    browser = site.signed_in()
    del browser.headers["X-CSRF-Token"]

    assert browser.post("/switches/throw", data={"scope": "all", "reason": "x"}).status_code == 403
    assert thrown(site) == []


# ── the API ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_programs_stop_list_and_let_go_on(site):
    program = site.with_token("read", "decide", person=site.person())
    scope = "domain:support"

    made = program.post("/api/v1/switches", json={"scope": scope, "reason": "Alarm"})
    listed = program.get("/api/v1/switches").json()["switches"]
    gone = program.delete(f"/api/v1/switches/{scope}", params={"reason": "All clear"})
    again = program.delete(f"/api/v1/switches/{scope}")

    assert (made.status_code, made.json()["scope"]) == (201, scope)
    assert [(s["scope"], s["reason"], s["actor"]) for s in listed] == [(scope, "Alarm", "person:ana@firm.example")]
    assert (gone.status_code, again.status_code) == (204, 404)
    assert [verb for verb, _, _ in told(site)] == ["switch_thrown", "switch_released"]


def test_a_rule_can_be_suspended_by_its_name(site):
    rule = site.engine.system.policy.rules[0].ref
    program = site.with_token("decide", person=site.person())

    assert program.post("/api/v1/switches", json={"scope": f"rule:{rule}", "reason": "Odd"}).status_code == 201
    assert program.delete(f"/api/v1/switches/rule:{rule}").status_code == 204


def test_whom_the_api_turns_away(site):
    body = {"scope": "all", "reason": "x"}
    support = site.with_token("decide", person=site.person("bo", groups=("support",)))

    assert site.anonymous().post("/api/v1/switches", json=body).status_code == 401
    assert site.with_token("read").post("/api/v1/switches", json=body).status_code == 403
    assert site.with_token("events").get("/api/v1/switches").status_code == 403
    assert support.post("/api/v1/switches", json={"scope": "al", "reason": "x"}).status_code == 422
    assert support.post("/api/v1/switches", json={"scope": "all"}).status_code == 422
    assert support.post("/api/v1/switches", json=body).status_code == 201
    assert support.delete("/api/v1/switches/all").status_code == 403
    assert len(thrown(site)) == 1


# ── at the decision ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_while_it_is_thrown_what_would_run_by_itself_waits_for_people(site):
    site.signed_in().post("/switches/throw", data={"scope": "action:refund_payment", "reason": "Looking"})

    (action,) = site.drafted(refund(500))

    assert action.state == ActionState.PENDING
    assert "action:refund_payment" in " ".join(action.verdict["reasons"])

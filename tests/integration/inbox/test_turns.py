"""Whose turn it is, on the card, through the page and through the API: one and the same answer, before anybody clicks and
after."""

from __future__ import annotations

import html
import re

import pytest

from tests.integration.inbox.conftest import seen
from tests.kit.engine import refund
from workers.store.records import ActionState, CaseState


def plain(page):
    """The text of a page, as one line."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


@pytest.fixture
def large(site):
    """A refund that a lead approves first, and finance after that."""
    site.engine.house.refundable = 1_000_000
    site.person("lea", groups=("lead",))
    site.person("fin", groups=("finance",))
    return site.drafted(refund(200_000))[0]


def by_api(site, name, action, **more):
    client = site.signed_in(name)
    return client.post(f"/api/v1/actions/{action.id}/decision", json={"decision": "approve", **seen(action), **more})


def by_page(site, name, action, **more):
    client = site.signed_in(name)
    return client.post(f"/actions/{action.id}/decision", data={"decision": "approve", **seen(action), **more})


DOORS = pytest.mark.parametrize("door", [by_api, by_page], ids=["api", "page"])


@DOORS
def test_a_later_stage_is_told_whose_turn_it_is(site, large, door):
    answer = door(site, "fin", large)

    assert answer.status_code == 422
    assert "It is not your turn yet: first it needs 1 of lead." in plain(answer.text)
    assert site.engine.action("refund_payment") == large


@DOORS
def test_the_same_person_is_not_counted_twice(site, large, door):
    assert door(site, "lea", large).status_code in (200, 303)
    half = site.engine.action("refund_payment")

    answer = door(site, "lea", half)

    assert answer.status_code == 422
    assert "You have approved this already" in plain(answer.text)
    assert door(site, "fin", half).status_code in (200, 303)
    assert site.engine.action("refund_payment").state == ActionState.APPROVED


@DOORS
def test_whoever_edited_it_is_refused_with_the_reason(site, large, door):
    site.person("leo", groups=("lead",))
    arguments = {**large.arguments, "amount_minor": 199_999}
    site.engine.decide(large, by=site.person("lea"), arguments=arguments)
    edited = site.engine.action("refund_payment")

    answer = door(site, "lea", edited)

    assert answer.status_code == 403
    assert "You edited this draft, so somebody else must approve it." in plain(answer.text)


def test_the_card_shows_the_stages_and_who_is_excluded_before_anybody_clicks(site, large):
    page = plain(site.signed_in("fin").get(f"/actions/{large.id}").text)

    assert "1 of lead their turn" in page
    assert "1 of finance after that" in page
    assert "Whoever edits the draft cannot approve it as well." in page
    assert "It is not your turn yet: first it needs 1 of lead." in page


def test_the_card_says_for_whom_a_yes_counts(site, large):
    lea, bo = site.person("lea"), site.signed_in("bo", groups=("support",))
    today = site.engine.clock().date().isoformat()
    bo_id = site.person("bo").id

    named = site.signed_in("lea").post(
        "/away", data={"stand_in": bo_id, "first": today, "last": today, "reason": "flu"}
    )
    page = plain(bo.get(f"/actions/{large.id}").text)

    assert named.status_code == 303
    assert lea.name in page
    assert "Your yes counts for Lea , who is away" in page
    assert "Away: Lea, back" in page
    assert large.sentence in bo.get("/").text
    assert by_page(site, "bo", large).status_code == 303
    assert "Approve for Lea" in plain(bo.get(f"/actions/{large.id}").text)
    assert f"Approve for Lea: {large.sentence}" in plain(bo.get(f"/cases/{large.case_id}").text)


def test_a_lead_sees_buttons_and_why_not_to_approve(site, large):
    site.engine.decide(large, by=site.person("lea"))
    page = site.signed_in("lea").get(f"/actions/{large.id}").text

    assert "data-decides" in page
    assert "You have approved this already" in plain(page)


def test_what_nobody_here_can_approve_says_so_on_the_card_of_the_lead(site):
    site.engine.house.refundable = 1_000_000
    action = site.drafted(refund(200_000))[0]
    client = site.signed_in("lea", groups=("lead",))

    assert "cannot approve this as the policy asks: 1 of finance missing" in plain(client.get("/").text)
    page = plain(client.get(f"/actions/{action.id}").text)
    assert "A lead can reject it, take it over, or see to it that somebody is there." in page


@pytest.mark.parametrize(("name", "status"), [("eve", 403), ("sue", 200), ("lea", 200)])
@pytest.mark.parametrize("word", ["take_over", "close", "retry"])
def test_a_case_is_for_those_whom_it_asks_and_for_leads(site, name, status, word):
    site.drafted(refund())
    site.person("eve", groups=("editor",))
    site.person("sue", groups=("support",))
    site.person("lea", groups=("lead",))
    case = site.engine.case()

    answer = site.signed_in(name).post(f"/api/v1/cases/{case.id}/decision", json={"decision": word, "reason": "why"})

    assert answer.status_code == status
    if status == 403:
        assert "This is for somebody of: lead, support. You are in: editor." in answer.json()["detail"]
        assert site.engine.case() == case


def test_whoever_took_a_case_over_may_close_it(site):
    site.drafted(refund())
    sue = site.signed_in("sue", groups=("support",))
    case = site.engine.case()
    sue.post(f"/api/v1/cases/{case.id}/decision", json={"decision": "take_over"})

    assert sue.post(f"/api/v1/cases/{case.id}/decision", json={"decision": "close"}).status_code == 200
    assert site.engine.case().state == CaseState.CLOSED


def test_everybody_who_is_signed_in_reads(site, large):
    eve = site.signed_in("eve", groups=())

    assert eve.get(f"/cases/{large.case_id}").status_code == 200
    assert eve.get(f"/actions/{large.id}").status_code == 200


def away(client, **form):
    return client.post("/away", data={"first": "2026-11-20", "last": "2026-11-27", "reason": "", **form})


def test_people_name_and_end_their_stand_in_on_the_page(site):
    ada, bo = site.signed_in("ada", groups=("finance",)), site.person("bo", groups=("support",))

    assert away(ada, stand_in=bo.id, reason="holiday").status_code == 303
    page = ada.get("/away").text
    assert "Ada away now Bo 2026-11-20 2026-11-27 holiday" in plain(page)
    assert "You stand in for Ada." in plain(site.signed_in("bo").get("/away").text)
    ending = page.split('action="/away/')[1].split('"')[0]
    assert site.signed_in("eve", groups=()).post(f"/away/{ending}").status_code == 403
    assert ada.post(f"/away/{ending}").status_code == 303
    assert "Nobody is." in plain(ada.get("/away").text)


@pytest.mark.parametrize(
    ("form", "status", "why"),
    [
        ({"stand_in": "me"}, 422, "Nobody stands in for themselves."),
        ({"stand_in": ""}, 422, "Choose who stands in."),
        ({"stand_in": "nobody"}, 422, "There is no account 'nobody'."),
        ({"stand_in": "bo", "last": "9999-12-31"}, 422, "That is longer than 366 days."),
        ({"stand_in": "bo", "last": "soon"}, 422, "Say the last day: a date such as 2026-11-27."),
        ({"stand_in": "bo", "last": "2026-11-19"}, 422, "The last day must not be over"),
        ({"stand_in": "me", "person": "bo"}, 403, "Only a lead can name a stand-in for somebody else."),
    ],
)
def test_what_cannot_be_arranged_comes_back_with_the_reason(site, form, status, why):
    ada = site.signed_in("ada", groups=("finance",))
    ids = {"me": site.person("ada").id, "bo": site.person("bo", groups=("support",)).id}

    answer = away(ada, **{name: ids.get(value, value) for name, value in form.items()})

    assert answer.status_code == status
    assert why in plain(answer.text)


def test_a_lead_names_a_stand_in_for_somebody_who_fell_ill(site):
    ada, bo = site.person("ada", groups=("finance",)), site.person("bo", groups=("support",))

    assert away(site.signed_in("lea", groups=("lead",)), person=ada.id, stand_in=bo.id).status_code == 303


def test_the_page_away_changes_nothing_without_its_token(site):
    bo = site.person("bo")
    client = site.signed_in("ada")
    del client.headers["X-CSRF-Token"]

    assert away(client, stand_in=bo.id).status_code == 403

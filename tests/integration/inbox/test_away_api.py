"""Stand-ins by the API: named, listed and ended by programs, under the rules of the page and the command line."""

from __future__ import annotations

import pytest

from workers.store import audit
from workers.store.audit import SYSTEM

ADDRESS = "/api/v1/away"


@pytest.fixture
def bo(site):
    return site.person("bo", groups=("support",))


@pytest.fixture
def ada(site):
    """A program that decides as Ada."""
    return site.with_token("read", "decide", person=site.person("ada", groups=("finance",)))


def told(site):
    with site.engine.system.db.read() as tx:
        return [(entry.verb, entry.actor) for entry in audit.of_chain(tx, SYSTEM)]


def test_a_program_names_a_stand_in_sees_it_and_ends_it(site, ada, bo):
    made = ada.post(ADDRESS, json={"stand_in": "bo@firm.example", "last": "2026-11-27", "reason": "holiday"})
    listed = site.with_token("read").get(ADDRESS).json()
    on_the_page = site.signed_in("ada").get("/away").text
    ended = ada.delete(f"{ADDRESS}/{made.json()['id']}")

    assert (made.status_code, ended.status_code) == (201, 204)
    assert listed["stand_ins"] == [made.json()]
    one = made.json()
    assert (one["person"]["email"], one["stand_in"]["name"], one["now"]) == ("ada@firm.example", "Bo", True)
    assert (one["first"], one["last"], one["reason"]) == ("2026-11-20", "2026-11-27", "holiday")
    assert one["id"] in on_the_page
    assert ada.get(ADDRESS).json()["stand_ins"] == []
    assert told(site) == [("stand_in_named", "person:ada@firm.example"), ("stand_in_ended", "person:ada@firm.example")]


def test_a_stand_in_named_by_the_api_decides(site, ada, bo):
    ada.post(ADDRESS, json={"stand_in": bo.id, "last": "2026-11-20"})

    assert "You stand in for Ada." in " ".join(site.signed_in("bo").get("/away").text.split())


def test_one_to_come_is_listed_and_not_in_force(site, ada, bo):
    made = ada.post(ADDRESS, json={"stand_in": bo.id, "first": "2026-12-01", "last": "2026-12-02"}).json()

    assert (made["first"], made["last"], made["now"]) == ("2026-12-01", "2026-12-02", False)
    assert [one["id"] for one in ada.get(ADDRESS).json()["stand_ins"]] == [made["id"]]


def test_a_lead_arranges_it_for_somebody_else_and_nobody_besides(site, ada, bo):
    lead = site.with_token("decide", person=site.person("lea", groups=("lead",)))
    body = {"person": "ada@firm.example", "stand_in": "bo@firm.example", "last": "2026-11-27"}
    eve = site.with_token("decide", person=site.person("eve", groups=("finance",)))

    refused = eve.post(ADDRESS, json=body)
    made = lead.post(ADDRESS, json=body)
    not_hers = eve.delete(f"{ADDRESS}/{made.json()['id']}")

    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        "Only a lead can name a stand-in for somebody else.",
    )
    assert (made.status_code, made.json()["created_by"]) == (201, "person:lea@firm.example")
    assert (not_hers.status_code, not_hers.json()["detail"]) == (403, "Only those two, or a lead, can end this.")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"stand_in": "ada@firm.example"}, "Nobody stands in for themselves."),
        ({"stand_in": "nobody@firm.example"}, "There is no account 'nobody@firm.example'. Give the e-mail address of"),
        ({"last": "2026-11-19"}, "The last day must not be over, nor before the first."),
        ({"last": "2199-01-01"}, "That is longer than 366 days."),
        ({"last": "9999-12-31"}, "That is longer than 366 days."),
        ({"first": "0001-01-01", "last": "0001-01-02"}, "The last day must not be over, nor before the first."),
    ],
)
def test_what_cannot_be_arranged_is_refused_with_what_would(site, ada, bo, change, why):
    answer = ada.post(ADDRESS, json={"stand_in": "bo@firm.example", "last": "2026-11-27", **change})

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(why)
    assert told(site) == []


def test_a_lead_takes_nobodys_authority_by_standing_in_for_them(site, ada):
    leads = [site.with_token("read", "decide", person=site.person(name, groups=("lead",))) for name in ("lea", "lou")]
    body = {"person": "ada@firm.example", "stand_in": "lea@firm.example", "last": "2026-11-27"}

    by_herself, by_another = (lead.post(ADDRESS, json=body) for lead in leads)

    assert (by_herself.status_code, by_another.status_code) == (403, 201)
    assert "they, or another lead, must name you" in by_herself.json()["detail"]
    assert told(site) == [("stand_in_named", "person:lou@firm.example")]


@pytest.mark.parametrize("body", [{}, {"stand_in": "", "last": "2026-11-27"}, {"stand_in": "bo", "last": "soon"}])
def test_a_body_that_makes_no_sense_is_refused(ada, bo, body):
    assert ada.post(ADDRESS, json=body).status_code == 422


def test_what_is_over_cannot_be_ended_and_what_never_was_is_not_found(ada, bo):
    made = ada.post(ADDRESS, json={"stand_in": bo.id, "last": "2026-11-27"}).json()["id"]
    ada.delete(f"{ADDRESS}/{made}")

    again = ada.delete(f"{ADDRESS}/{made}")

    assert (again.status_code, again.json()["detail"]) == (422, "That is over already.")
    assert ada.delete(f"{ADDRESS}/away_none").status_code == 404


def test_whom_the_api_turns_away(site, bo):
    body = {"stand_in": bo.id, "last": "2026-11-27"}

    assert site.anonymous().get(ADDRESS).status_code == 401
    assert site.anonymous().post(ADDRESS, json=body).status_code == 401
    assert site.with_token("events").get(ADDRESS).status_code == 403
    assert site.with_token("read").post(ADDRESS, json=body).status_code == 403
    assert site.with_token("decide").post(ADDRESS, json=body).status_code == 403
    browser = site.signed_in("ada")
    assert browser.post(ADDRESS, json=body).status_code == 201
    del browser.headers["X-CSRF-Token"]
    assert browser.post(ADDRESS, json=body).status_code == 403

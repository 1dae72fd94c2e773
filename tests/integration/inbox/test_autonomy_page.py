"""The page “Autonomy” says what runs by itself and how near it is to being taken back; it proposes only when somebody asks."""

from __future__ import annotations

import pytest

from tests.kit.earning import make_world
from workers import switchboard, web
from workers.inbox import curves
from workers.store import autonomy, autonomy_watches

from .conftest import Web

RULE = "earned-support/close-ticket-1"


@pytest.fixture
def world(tmp_path):
    made = make_world(tmp_path)
    yield made
    made.engine.system.close()


@pytest.fixture
def site(world):
    made = Web(world.engine, web.make_app(world.engine.system, webhooks={}))
    yield made
    for client in made.clients:
        client.close()


def outcomes(world, said, rule=RULE, *, alarm=False):
    """A rule under test: `said` has a letter for each outcome, x where it went wrong and s where it was looked at."""
    now = world.engine.clock()
    with world.engine.system.db.write() as tx:
        autonomy_watches.begin(tx, rule, tolerated=0.05, alpha=0.05, now=now)
        for number, letter in enumerate(said, start=1):
            row = {"action_id": f"act_{number}", "rule": rule, "kind": "close_ticket", "epoch": 1, "at": now}
            wrong = {"why": "reversed", "wrong_at": now} if letter == "x" else {"why": ""}
            autonomy_watches.count(
                tx, {**row, "sampled": letter == "s", "wrong": letter == "x", "open": False, **wrong}
            )
        watch = autonomy_watches.watch(tx, rule)
        changes = {"outcomes": len(said), "wrong": said.count("x"), "sampled": said.count("s"), "peak": 31.4}
        if alarm:
            changes |= {"state": "taken_back", "taken_back_at": now, "reason": "3 of 43 went wrong."}
            switchboard.throw(tx, f"rule:{rule}", reason="3 of 43 went wrong.", actor="caseworker:autonomy", now=now)
        autonomy_watches.reckoned(tx, watch, changes)


def test_without_anything_it_says_so_and_offers_to_look(site):
    text = site.signed_in().get("/policy/autonomy").text

    assert "Nothing has run by itself yet." in text
    assert "Look for what might run by itself" in text


def test_a_rule_under_test_is_drawn_with_what_went_wrong(site, world):
    outcomes(world, "." * 30 + "s" * 10 + "x..")

    text = site.signed_in().get("/policy/autonomy").text

    assert "Under test" not in text, "the rule is in no policy here"
    assert "No longer in force" in text
    assert "43 outcomes" in text
    assert "33 ran by themselves, 10 were looked at; 1 went wrong." in text
    assert '<polyline class="made"' in text
    assert text.count('<line class="mark"') == 1
    assert "undone or contradicted later" in text


def test_what_was_taken_back_says_why_and_when(site, world):
    outcomes(world, "." * 40 + "xxx", alarm=True)

    text = site.signed_in().get("/policy/autonomy").text

    assert "Taken back" in text
    assert "3 of 43 went wrong." in text
    assert 'href="/switches"' in text


def test_a_rule_that_people_wrote_is_watched_and_never_taken_back(site, world):
    outcomes(world, "....", rule="support/tags")

    text = site.signed_in().get("/policy/autonomy").text

    assert "Watched only" in text
    assert "never taken back by itself" in text


def test_looking_shows_what_could_be_proposed_and_changes_nothing(site, world):
    world.remember(320, refused=frozenset({40}))

    text = site.signed_in().post("/policy/autonomy/look").text

    assert "319 of 320 proposals “Close the ticket” were approved unedited" in text
    assert "support/close-unsettled" in text
    assert "Propose it" in text
    with world.engine.system.db.read() as tx:
        assert autonomy.proposals(tx) == []


def test_proposing_leads_to_the_card_and_is_kept_with_its_evidence(site, world):
    world.remember(320, refused=frozenset({40}))
    browser = site.signed_in()

    answer = browser.post("/policy/autonomy/propose", data={"rule": RULE})

    assert answer.status_code == 303
    assert browser.get(answer.headers["location"]).status_code == 200
    text = browser.get("/policy/autonomy").text
    assert "How far it could be relied on" in text
    assert "Waits for a decision" in text
    assert '<polyline class="exact"' in text
    again = browser.post("/policy/autonomy/propose", data={"rule": RULE})
    assert (again.status_code, "proposed already" in again.text) == (409, True)


def test_only_who_may_propose_a_policy_may_propose_this(site, world):
    world.remember(320)
    browser = site.signed_in("sam", groups=("support",))

    assert "Propose it" not in browser.post("/policy/autonomy/look").text
    assert browser.post("/policy/autonomy/propose", data={"rule": RULE}).status_code == 409
    with world.engine.system.db.read() as tx:
        assert autonomy.proposals(tx) == []


def test_what_nobody_bears_out_cannot_be_proposed(site):
    answer = site.signed_in().post("/policy/autonomy/propose", data={"rule": RULE})

    assert answer.status_code == 409
    assert "no longer bears this out" in answer.text


def test_a_form_needs_the_session_that_shows_it(site):
    browser = site.signed_in()
    browser.headers.pop("X-CSRF-Token")

    assert browser.post("/policy/autonomy/look").status_code == 403


@pytest.mark.parametrize("count", [0, 1, 5000])
def test_a_curve_stays_within_its_drawing_however_long_it_is(count):
    svg = str(curves.suspicion([1.0] * count, alarm=20, wrong=[], label="<&>"))

    points = [
        float(y) for pair in svg.split('points="')[1].split('"', maxsplit=1)[0].split() for y in [pair.split(",")[1]]
    ]
    assert len(points) <= 2 * curves.MOST + 1
    assert all(0 <= y <= curves.HIGH for y in points)
    assert "<&>" not in svg

"""The policy's history and its proposals, in the browser and for programs: proposing changes nothing, deciding does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.integration.inbox.conftest import Web
from tests.integration.inbox.test_templates import problems
from tests.kit.engine import make_engine
from tests.kit.governing import govern, in_force, lay, written
from workers import web
from workers.store import actions

BAN = {"id": "tiny", "actions": ["refund_payment"], "when": "amount_minor == 1", "outcome": "deny", "message": "No"}
STRICTER = written(more=(BAN,))
WHY = "Cents cost more than they are worth."


@pytest.fixture
def house(tmp_path):
    engine = govern(make_engine(tmp_path), lay(tmp_path / "policy", written()))
    app = web.make_app(engine.system, webhooks={})
    made = Web(engine, app)
    yield made
    for client in made.clients:
        client.close()
    engine.system.close()


def uploads(files):
    return [("files", (name, text.encode(), "application/yaml")) for name, text in files.items()]


def proposed(house, name="ana"):
    """The action that a proposal on the page led to."""
    sent = house.signed_in(name).post("/policy/proposals", data={"why": WHY}, files=uploads(STRICTER))
    assert sent.status_code == 303, sent.text
    with house.engine.system.db.read() as tx:
        return actions.get(tx, sent.headers["location"].removeprefix("/actions/"))


def test_the_history_says_what_is_in_force_and_how_it_came(house):
    page = house.signed_in().get("/policy/history").text

    assert in_force(house.engine).hash[:12] in page
    assert "The first one, taken from the folder" in page
    assert 'Add people (<code class="code">caseworker user add</code>).' in page
    assert problems(page) == []


def test_a_proposal_leads_to_its_card_which_shows_what_would_change(house):
    action = proposed(house)

    card = house.signed_in("ben").get(f"/actions/{action.id}").text

    assert "adds rule house/tiny (deny)" in card
    assert "Only tightens" in card
    assert "amount_minor == 1" in card
    assert WHY in card
    assert problems(card) == []
    assert in_force(house.engine).hash == action.arguments["from_hash"]


def test_people_decide_on_it_as_on_everything(house):
    action = proposed(house)
    form = {"revision": action.revision, "digest": action.digest, "decision": "approve"}
    own = house.signed_in("ana").post(f"/actions/{action.id}/decision", data=form)
    assert own.status_code in (403, 422)
    for name in ("ben", "cleo"):
        assert house.signed_in(name).post(f"/actions/{action.id}/decision", data=form).status_code == 303
    house.engine.drain()

    page = house.signed_in().get("/policy/history").text

    assert in_force(house.engine).hash == action.arguments["hash"]
    assert "by ben@firm.example, cleo@firm.example" in page
    assert WHY in page


def test_what_is_proposed_is_not_edited_and_not_sent_back(house):
    action = proposed(house)
    program = house.with_token("decide", person=house.person("ben"))
    seen = {"revision": action.revision, "digest": action.digest}
    edited = {**action.arguments, "loosens": True}

    for body in (
        {**seen, "decision": "approve", "arguments": edited},
        {**seen, "decision": "request_changes", "reason": "Milder"},
    ):
        answer = program.post(f"/api/v1/actions/{action.id}/decision", json=body)
        assert answer.status_code == 422
        assert "as it was proposed" in answer.json()["detail"]


def test_what_is_wrong_with_the_files_is_said_and_nothing_is_proposed(house):
    broken = {**STRICTER, "house.yaml": STRICTER["house.yaml"].replace("amount_minor == 1", "amont == 1")}

    page = house.signed_in().post("/policy/proposals", data={"why": WHY}, files=uploads(broken))

    assert page.status_code == 422
    assert "amont" in page.text
    assert "Waiting for a decision" not in house.signed_in().get("/policy/history").text


def test_only_a_lead_proposes(house):
    stranger = house.signed_in("sam", groups=("support",))

    page = stranger.post("/policy/proposals", data={"why": WHY}, files=uploads(STRICTER))

    assert page.status_code == 422
    assert "Only a lead" in page.text
    assert 'type="file"' not in stranger.get("/policy/history").text


def test_a_policy_that_was_in_force_is_shown_and_proposed_again(house):
    action = proposed(house)
    form = {"revision": action.revision, "digest": action.digest, "decision": "approve"}
    for name in ("ben", "cleo"):
        house.signed_in(name).post(f"/actions/{action.id}/decision", data=form)
    house.engine.drain()
    house.engine.clock.on(seconds=1)
    first = action.arguments["from_hash"]
    browser = house.signed_in()

    page = browser.get(f"/policy/sets/{first}").text
    again = browser.post("/policy/proposals", data={"why": "It was better.", "hash": first})

    assert "removes rule house/tiny (deny)" in page
    assert problems(page) == []
    assert again.status_code == 303


def test_a_proposal_is_withdrawn(house):
    action = proposed(house)

    sent = house.signed_in().post(f"/policy/proposals/{action.arguments['hash']}/withdraw", data={})

    assert sent.status_code == 303
    assert "Waiting for a decision" not in house.signed_in().get("/policy/history").text


def test_files_in_the_folder_that_nobody_decided_on_are_told_to_leads_until_somebody_has(tmp_path):
    folder = lay(tmp_path / "policy", written())
    engine = govern(make_engine(tmp_path), folder)
    lay(folder, STRICTER)
    settings = engine.system.settings.model_copy(update={"policy_dir": folder})
    engine.system = replace(engine.system, settings=settings)
    house = Web(engine, web.make_app(engine.system, webhooks={}))

    told = house.signed_in().get("/policy/history").text
    untold = house.signed_in("sam", groups=("support",)).get("/policy/history").text

    assert "say something else than the policy in force" in told
    assert "adds rule house/tiny (deny)" in told
    assert "say something else" not in untold

    action = proposed(house)
    for name in ("ben", "cleo"):
        with engine.system.db.read() as tx:
            action = actions.get(tx, action.id)
        engine.decide(action, by=house.person(name))
    engine.drain()

    assert "say something else" not in house.signed_in().get("/policy/history").text
    for client in house.clients:
        client.close()
    engine.system.close()


def test_programs_propose_and_read(house):
    program = house.with_token("decide", person=house.person("ana"))
    reader = house.with_token("read")

    made = program.post("/api/v1/policy/proposals", json={"files": STRICTER, "why": WHY})
    again = program.post("/api/v1/policy/proposals", json={"files": STRICTER, "why": WHY})
    history = reader.get("/api/v1/policy/history").json()
    kept = reader.get(f"/api/v1/policy/sets/{made.json()['arguments']['hash'][:12]}").json()

    assert (made.status_code, made.json()["state"], made.json()["kind"]) == (201, "pending", "change_policy")
    assert again.status_code == 422
    assert [one["how"] for one in history["activations"]] == ["genesis"]
    assert history["in_force"] == made.json()["arguments"]["from_hash"]
    assert kept["files"] == STRICTER
    assert reader.get("/api/v1/policy/sets/00000000").status_code == 404


def test_a_program_that_may_only_read_proposes_nothing(house):
    reader = house.with_token("read", person=house.person("ana"))

    answer = reader.post("/api/v1/policy/proposals", json={"files": STRICTER, "why": WHY})

    assert answer.status_code == 403

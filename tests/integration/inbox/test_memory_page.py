"""What is remembered, on the page of a case: seen with its origin and source, put right, taken away; by people who signed in."""

from __future__ import annotations

import pytest

from tests.integration.inbox.test_card import plain
from tests.integration.inbox.test_templates import problems
from tests.kit.engine import tags
from workers.memory import keeping
from workers.memory.erasing import erase
from workers.memory.remembering import remember
from workers.memory.terms import Terms
from workers.store import audit, memories, proof

ANA = "ana@example.com"


@pytest.fixture
def remembering(site):
    """A closed case that was learned from, and a newer one of the same customer; their ids."""
    site.drafted(tags(), ticket="5", delivery="d5")
    first = site.engine.case().id
    site.engine.sweep()
    remember(site.engine.system.db, Terms(), site.engine.clock)
    site.engine.clock.on(days=3)
    site.drafted(tags(), ticket="6", delivery="d6")
    return first, site.engine.case().id


def held(site):
    return memories.about(site.engine.system.db, "customer", ANA, site.engine.clock())


def claim(site):
    return next(memory for memory in held(site) if memory.kind == "claim")


def test_the_page_shows_it_with_origin_age_and_where_it_came_from(site, remembering):
    first, second = remembering

    page = site.signed_in().get(f"/cases/{second}").text

    shown = plain(page).replace(" ,", ",")
    assert "Wrote to us (refund request): “Wants money back” ≈ outside text claim, 3 days ago, where from" in shown
    assert "✓ our record outcome, 3 days ago" in shown
    assert f'<a href="/cases/{first}">where from</a>' in page


def test_a_case_of_which_nothing_is_remembered_says_so(site):
    site.drafted(tags())

    assert "What we remember Nothing yet." in plain(site.signed_in().get(f"/cases/{site.engine.case().id}").text)


def test_a_correction_takes_its_place_and_says_whose_it_is(site, remembering):
    client, memory = site.signed_in(), claim(site)

    answer = client.post(
        f"/cases/{remembering[1]}/memory",
        data={"memory": memory.id, "change": "correct", "text": "Wants <b>a lamp</b>\n back"},
    )

    assert (answer.status_code, answer.headers["location"]) == (303, f"/cases/{remembering[1]}#memory")
    page = client.get(f"/cases/{remembering[1]}").text
    assert "Wants &lt;b&gt;a lamp&lt;/b&gt; back" in page
    assert "Wants money back" not in plain(page).partition("What we remember")[2].partition("Other cases")[0]
    with site.engine.system.db.read() as tx:
        note = next(e for e in audit.of_chain(tx, remembering[0]) if e.verb == "memory_corrected")
        assert note.actor == "person:ana@firm.example"
        assert set(note.data) == {"memory", "by"}
        assert proof.verify(tx) == []


def test_what_is_forgotten_is_gone_from_page_and_table(site, remembering):
    client, memory = site.signed_in(), claim(site)

    client.post(f"/cases/{remembering[1]}/memory", data={"memory": memory.id, "change": "forget"})

    assert memory.id not in client.get(f"/cases/{remembering[1]}").text
    with site.engine.system.db.read() as tx:
        assert memories.get(tx, memory.id).text == ""


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"change": "correct", "text": " "}, "Say what is to be remembered"),
        ({"change": "burn"}, "Choose one of the buttons"),
        ({}, "Choose one of the buttons"),
    ],
)
def test_what_makes_no_sense_changes_nothing_and_is_said(site, remembering, data, said):
    memory = claim(site)

    answer = site.signed_in().post(f"/cases/{remembering[1]}/memory", data={"memory": memory.id, **data})

    assert (answer.status_code, said in answer.text) == (422, True)
    assert claim(site) == memory


def test_a_memory_that_somebody_else_has_just_changed_is_said_to_be(site, remembering):
    client, memory = site.signed_in(), claim(site)
    sent = {"memory": memory.id, "change": "correct", "text": "Once"}
    client.post(f"/cases/{remembering[1]}/memory", data=sent)

    assert client.post(f"/cases/{remembering[1]}/memory", data=sent).status_code == 422


def test_nobody_changes_it_without_a_session_and_its_token(site, remembering):
    memory, address = claim(site), f"/cases/{remembering[1]}/memory"
    client = site.signed_in()
    del client.headers["X-CSRF-Token"]

    refused = client.post(address, data={"memory": memory.id, "change": "forget"})

    assert refused.status_code == 403
    assert site.anonymous().post(address, data={"memory": memory.id, "change": "forget"}).status_code in (303, 401)
    assert claim(site) == memory


@pytest.mark.parametrize("change", ["correct", "forget"])
def test_only_those_whose_case_it_is_change_what_agents_are_told(site, remembering, change):
    memory, address = claim(site), f"/cases/{remembering[1]}/memory"
    sent = {"memory": memory.id, "change": change, "text": "May have whatever she asks for"}

    answer = site.signed_in("bo", groups=("editor",)).post(address, data=sent)

    assert (answer.status_code, "You are in: editor" in answer.text) == (403, True)
    assert claim(site) == memory


def test_only_what_its_page_shows_is_changed_from_a_case(site, remembering):
    with site.engine.system.db.write() as tx:
        of_another = keeping.note(
            tx, ("customer", "bo@example.com"), "Pays late", by="operator:x", now=site.engine.clock()
        )
    sent = {"memory": of_another.id, "change": "correct", "text": "Pays early"}

    answer = site.signed_in().post(f"/cases/{remembering[1]}/memory", data=sent)

    assert answer.status_code == 422
    with site.engine.system.db.read() as tx:
        assert memories.get(tx, of_another.id).current


def test_a_case_that_is_not_there_is_not_found(site, remembering):
    answer = site.signed_in().post("/cases/case_none/memory", data={"memory": claim(site).id, "change": "forget"})

    assert answer.status_code == 404


def test_the_page_is_sound(site, remembering):
    assert problems(site.signed_in().get(f"/cases/{remembering[1]}").text) == []


def test_the_pages_of_an_erased_case_still_show_what_happened(site, remembering, tmp_path):
    client = site.signed_in()
    site.engine.sweep()

    erase(site.engine.system.db, ANA, tmp_path, by="operator:test", clock=site.engine.clock)

    page = client.get(f"/cases/{remembering[0]}")
    assert (page.status_code, "Erased" in page.text, "Wants money back" in page.text) == (200, True, False)
    action = site.engine.actions()[0]
    assert client.get(f"/actions/{action.id}").status_code == 200
    assert client.get(f"/api/v1/cases/{remembering[0]}/timeline").status_code == 200
    assert client.get(f"/api/v1/actions/{action.id}").status_code == 200
    assert client.get("/?tab=done").status_code == 200

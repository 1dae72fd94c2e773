"""``caseworker memory`` as people call it: what is remembered, put right, taken away; and a person erased."""

from __future__ import annotations

import pytest

from tests.kit.engine import tags
from workers.memory.remembering import remember
from workers.memory.terms import Terms

ANA = "ana@example.com"


@pytest.fixture
def learned(engine, capsys):
    """A closed case that was learned from; its id."""
    engine.model.drafts = [[tags()]]
    engine.event()
    engine.drain()
    engine.sweep()
    assert engine.case().closed_at is not None
    remember(engine.system.db, Terms(), engine.clock)
    capsys.readouterr()
    return engine.case().id


def test_it_shows_what_is_remembered_with_source_and_origin(caseworker, learned):
    told = caseworker("memory", "show", ANA, "--json").json

    assert {(m["kind"], m["origin"], m["case_id"]) for m in told} == {
        ("outcome", "trusted", learned),
        ("claim", "untrusted", learned),
    }
    assert learned in caseworker("memory", "show", f"customer:{ANA.upper()}").out
    assert "Nothing is remembered" in caseworker("memory", "show", "bo@example.com").out


def test_a_correction_takes_the_place_and_the_older_is_kept(caseworker, learned):
    claim = next(m for m in caseworker("memory", "show", ANA, "--json").json if m["kind"] == "claim")

    made = caseworker("memory", "correct", claim["id"], "--text", "Wanted a new lamp", "--json").json

    now = caseworker("memory", "show", ANA, "--json").json
    assert [m["text"] for m in now if m["slot"] == claim["slot"]] == ["Wanted a new lamp"]
    assert made["origin"] == "person"
    ever = caseworker("memory", "show", ANA, "--all", "--json").json
    assert next(m for m in ever if m["id"] == claim["id"])["superseded_by"] == made["id"]
    assert caseworker("memory", "correct", claim["id"], "--text", "Again").status == 2
    assert caseworker("audit", "verify").status == 0


def test_a_note_is_remembered_until_it_is_forgotten_with_all_that_it_replaced(caseworker, learned):
    made = caseworker("memory", "note", ANA, "--text", "Likes wombats", "--json").json
    newer = caseworker("memory", "correct", made["id"], "--text", "Likes quokkas", "--json").json

    assert caseworker("memory", "forget", newer["id"]).status == 0

    assert "wombats" not in caseworker("memory", "show", ANA, "--all").out
    assert "quokkas" not in caseworker("memory", "show", ANA, "--all").out
    assert caseworker("memory", "forget", newer["id"]).status == 2


def test_all_of_a_key_can_be_forgotten_and_a_dry_run_forgets_nothing(caseworker, learned):
    assert "2 would be forgotten" in caseworker("memory", "forget", ANA, "--dry-run").out
    assert len(caseworker("memory", "show", ANA, "--json").json) == 2

    assert "2 forgotten" in caseworker("memory", "forget", ANA).out
    assert caseworker("memory", "show", ANA, "--json").json == []
    assert caseworker("memory", "forget", ANA).status == 2


def test_a_person_is_erased_and_a_dry_run_says_what_would_go(caseworker, learned, folder):
    dry = caseworker("memory", "forget", "--customer", ANA, "--everything", "--dry-run", "--json").json
    assert (dry["cases"], dry["rows"]["events"], dry["dry_run"]) == (1, 1, True)
    assert "My order is broken" in caseworker("case", "show", learned, "--json").out

    ran = caseworker("memory", "forget", "--customer", ANA, "--everything")

    assert ran.status == 0
    assert "Erased: ana@example.com" in ran.out
    assert "My order is broken" not in caseworker("case", "show", learned, "--json").out
    assert ANA not in caseworker("case", "list").out
    assert caseworker("audit", "verify").status == 0


def test_an_open_case_is_named_and_nothing_is_erased(caseworker, waiting):
    ran = caseworker("memory", "forget", "--customer", ANA, "--everything")

    assert ran.status == 2
    assert "Close them first" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("forget",),
        ("forget", "--everything"),
        ("forget", "--customer", ANA),
        ("forget", ANA, "--customer", ANA, "--everything"),
        ("show", "nobody"),
        ("note", "topic:", "--text", "x"),
        ("note", ANA, "--text", "  "),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(caseworker, learned, arguments):
    ran = caseworker("memory", *arguments)

    assert (ran.status, ran.err.startswith("caseworker: ")) == (2, True)


def test_the_sweeper_learns_when_it_is_asked_for_one_pass(caseworker, folder, engine, monkeypatch):
    monkeypatch.setenv("CASEWORKER_BROKER_URL", "redis://127.0.0.1:1/0")
    engine.model.drafts = [[tags()]]
    engine.event()
    engine.drain()
    engine.sweep()

    caseworker("sweep", "--once")

    assert len(caseworker("memory", "show", ANA, "--json").json) == 2

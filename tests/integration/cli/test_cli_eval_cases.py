"""A change is measured from the command line: in a table, as JSON, in Markdown; and a dangerous one ends in status 1."""

from __future__ import annotations

import pytest

from tests.integration.learning.test_replay import LOOSE, approve
from workers.learning import shadow
from workers.learning.candidate import Candidate
from workers.learning.naming import Words


@pytest.fixture
def decided(engine, waiting, capsys):
    """A closed case whose refund was made smaller by a person."""
    refund = engine.action("refund_payment")
    approve(engine, refund, arguments={**refund.arguments, "amount_minor": 2600})
    engine.clock.on(minutes=1)
    engine.sweep()
    for action in engine.actions():
        if action.state == "pending":
            approve(engine, action)
    engine.clock.on(minutes=1)
    engine.sweep()
    assert engine.case().state == "closed"
    capsys.readouterr()
    return engine


@pytest.fixture
def loose(tmp_path):
    folder = tmp_path / "loose"
    folder.mkdir()
    (folder / "support.yaml").write_text(LOOSE)
    return str(folder)


def test_the_policy_in_force_does_what_it_did(caseworker, decided):
    found = caseworker("eval", "cases", "--json").json

    assert (found["cases"], found["failed"], found["calls"]) == (1, 0, 0)
    assert found["then"] == found["live"]
    assert found["live"]["dangerous"] == 0


def test_a_dangerous_policy_is_named_and_ends_in_status_1(caseworker, decided, loose):
    ran = caseworker("eval", "cases", "--policy", loose)

    assert ran.status == 1
    assert "DANGEROUS drafts" in ran.out
    assert f"{decided.case().id}  refund payment: would have moved more money alone" in ran.out


def test_markdown_for_a_page(caseworker, decided, loose):
    assert "| DANGEROUS drafts | 0 | 1 |" in caseworker("eval", "cases", "--policy", loose, "--markdown").out


def test_another_model_and_other_instructions_are_asked(caseworker, decided, tmp_path):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "support.md").write_text("# draft\n\nWrite shortly.\n")

    found = caseworker("eval", "cases", "--model", "local/any", "--prompt", str(tmp_path / "prompts"), "--json").json

    assert (found["cases"], found["calls"]) == (1, 1)
    assert found["cost_usd"] == "0"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cases", "--model", "anthropic/some-model"), "anthropic/some-model cannot be asked"),
        (("cases", "--model", "nobody/some-model"), "nobody"),
        (("cases", "--prompt", "."), "has neither <domain>.md"),
        (("shadow",), "No shadow has answered yet"),
        ((), "Say what to measure"),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_line(caseworker, decided, arguments, said):
    ran = caseworker("eval", *arguments)

    assert ran.status == 2
    assert said in ran.err
    assert ran.err.strip().count("\n") == 0


def test_the_shadow_is_read(caseworker, decided):
    words = Words("scripted/script-1")
    shadow.follow(decided.system, Candidate(words.name, decided.system.policy, decided.model), words)

    found = caseworker("eval", "shadow", "--json").json

    assert (found["candidate"], found["cases"], found["calls"]) == ("scripted/script-1", 1, 1)
    assert "scripted/script-1 on 1 decided cases" in caseworker("eval", "shadow").out

"""Prompts, macros and house facts as files: each one is read whole, and a wrong one is refused when it is read."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import TypeAdapter

from workers.actions.catalogue import CATALOGUE
from workers.agents import library
from workers.agents.base import Agent, draft_type
from workers.agents.library import HERE, house, macros, prompt, read_macros
from workers.agents.roster import AGENTS
from workers.cli import failures

ALL = list(AGENTS.values())
LETTER = {"opening": {"en": "Hello,", "de": "Hallo,"}, "closing": {"en": "Bye", "de": "Tschüss"}}


def one(body: Any, **changes: Any) -> dict[str, Any]:
    proposal = {"kind": "reply_to_customer", "arguments": {"body": body}, "rationale": "r", "cites": [], **changes}
    return {"letter": LETTER, "macros": [{"name": "m", "when": "true", "summary": "s", "proposals": [proposal]}]}


@pytest.mark.parametrize("agent", ALL, ids=lambda a: a.domain)
@pytest.mark.parametrize("task", ["triage", "draft"])
def test_every_prompt_says_what_the_agent_must_know(agent: Agent, task: str) -> None:
    """Each prompt names every field, every value of a closed list, every kind, and the rule that text is data."""
    text = prompt(agent.domain, task)

    assert "data" in text
    if task == "triage":
        fields = set(agent.triage.model_fields)
        assert [name for name in fields if f"`{name}`" not in text] == []
        values = [
            v for name in fields for v in get_args(agent.triage.model_fields[name].annotation) if isinstance(v, str)
        ]
        unnamed = [v for v in values if f"`{v}`" not in text]
        assert [
            v for v in unnamed if v not in ("negative", "neutral", "positive", "very_negative", "very_positive")
        ] == []
    else:
        assert [kind for kind in agent.kinds if f"`{kind}`" not in text] == []
        assert [source.name for source in agent.sources if f"`{source.name}`" not in text] == []


@pytest.mark.parametrize("agent", ALL, ids=lambda a: a.domain)
def test_macros_propose_only_what_their_agent_may(agent: Agent) -> None:
    """A macro with a foreign kind would fail every case that it applies to."""
    kinds = {proposal["kind"] for macro in macros(agent.domain) for proposal in macro.proposals}

    assert kinds <= set(agent.kinds)
    assert macros(agent.domain)[-1].when == "true", "the last macro takes whatever is left"


@pytest.mark.parametrize("agent", ALL, ids=lambda a: a.domain)
def test_macros_cite_and_need_only_what_is_gathered(agent: Agent) -> None:
    """Every name in `needs` and `cites` is a source of the agent, or part of what every draft gets."""
    gathered = {source.name for source in agent.sources}
    always = {"event", "triage", "house", "history", "reviewer"}

    for macro in macros(agent.domain):
        assert {path.partition(".")[0] for path in macro.needs} <= gathered | always, macro.name
        assert {name for proposal in macro.proposals for name in proposal["cites"]} <= gathered, macro.name


@pytest.mark.parametrize("agent", ALL, ids=lambda a: a.domain)
def test_macro_names_are_unique(agent: Agent) -> None:
    """Names are how people talk about them."""
    names = [macro.name for macro in macros(agent.domain)]

    assert len(names) == len(set(names))


def test_a_text_in_two_languages_becomes_one_template_inside_the_letter() -> None:
    """The language of the triage chooses, English is the rest, each between its own opening and closing."""
    (macro,) = read_macros(one({"en": "Yes.", "de": "Ja."}), "test")

    assert macro.proposals[0]["arguments"]["body"] == (
        "{%- if triage.language == 'de' -%}Hallo,\n\nJa.\n\nTschüss{%- else -%}Hello,\n\nYes.\n\nBye{%- endif -%}"
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (one("x", kind="fly"), "unknown kind 'fly'"),
        (one("x", arguments={"text": "x"}), r"does not take \['text'\] and needs \['body'\]"),
        (one({"de": "Ja."}), "no 'en' version"),
        (one({"en": "Yes.", "fr": "Oui."}), "no opening or closing in 'fr'"),
    ],
)
def test_a_wrong_macro_is_refused_with_what_is_wrong(wrong: dict[str, Any], message: str) -> None:
    """A mistake in a file stops the start and not a case."""
    with pytest.raises(ValueError, match=message):
        read_macros(wrong, "test")


def test_a_missing_section_of_a_prompt_is_refused() -> None:
    """A prompt without instructions for a task would ask a model nothing."""
    with pytest.raises(ValueError, match="no section '# dance'"):
        prompt("support", "dance")


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("prompts/support.md", "# triage\nRead it.", "prompts/support.md has no section '# draft'"),
        ("macros/support.yaml", "macros: [", "while parsing"),
        ("macros/support.yaml", "letter: {}", "macros/support.yaml lacks 'macros'"),
        ("macros/support.yaml", "", "'NoneType' object"),
        ("macros/support.yaml", None, "No such file"),
    ],
)
def test_files_that_cannot_be_right_end_a_start_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str | None, said: str
) -> None:
    """Whoever writes a prompt need not read a traceback."""
    shutil.copytree(HERE, tmp_path / "agents")
    monkeypatch.setattr(library, "HERE", tmp_path / "agents")
    wrong = tmp_path / "agents" / file
    wrong.unlink() if text is None else wrong.write_text(text)
    for name in ("prompt", "macros"):
        monkeypatch.setattr(library, name, getattr(library, name).__wrapped__)

    with pytest.raises(library.UnusableFiles, match="The agent of support cannot start") as failed:
        library.check("support")

    assert failures.is_named(failed.value)
    assert said in failures.sentence(failed.value)


def test_house_facts_are_those_that_macros_name() -> None:
    """A name that the house file lacks would be empty in a letter to a customer."""
    text = "".join(path.read_text(encoding="utf-8") for path in (HERE / "macros").glob("*.yaml"))

    assert set(re.findall(r"house\.teams\.(\w+)", text)) <= set(house()["teams"])
    assert set(re.findall(r"house\.(\w+)", text)) <= set(house())


def test_files_are_for_the_agents_on_the_roster() -> None:
    """A file that no agent reads is dead, and an agent without its files cannot start. The loop's prompts serve all."""
    for folder, ending, shared in (("prompts", "md", {"loop", "roles"}), ("macros", "yaml", set())):
        assert {path.stem for path in (HERE / folder).glob(f"*.{ending}")} == set(AGENTS) | shared


@pytest.mark.parametrize("agent", ALL, ids=lambda a: a.domain)
def test_the_draft_type_tells_a_model_each_kinds_arguments(agent: Agent) -> None:
    """The JSON schema names every kind, and a proposal is checked against its own kind alone."""
    output = draft_type(agent.kinds)
    schema = yaml.safe_dump(TypeAdapter(output).json_schema())

    assert all(f"const: {kind}" in schema for kind in agent.kinds)
    wrong = {"kind": agent.kinds[0], "arguments": {}, "rationale": "r", "confidence": 1}
    with pytest.raises(
        ValueError, match=f"actions.0.{agent.kinds[0] if len(agent.kinds) > 1 else 'arguments'}"
    ) as caught:
        output.model_validate({"summary": "s", "actions": [wrong]})
    required = [name for name, field in CATALOGUE[agent.kinds[0]].arguments.model_fields.items() if field.is_required()]
    assert [str(name) in str(caught.value) for name in required] == [True] * len(required)


@pytest.mark.parametrize("agent", ALL, ids=lambda a: a.domain)
def test_a_model_is_told_to_be_sure_of_each_field_by_name(agent: Agent) -> None:
    """An open mapping would reach it as an object without properties, and nothing would ever be sure enough."""
    told = agent.triage.model_json_schema()["properties"]
    closed = [name for name, field in told.items() if "enum" in field]

    assert set(closed) == set(told["confidence"]["properties"]) == set(told["confidence"]["required"])
    assert agent.primary == closed[0]


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_confidence_is_a_share(share: float) -> None:
    """What is no share of one is no confidence, and must never count as a high one."""
    said = {
        "summary": "s",
        "language": "en",
        "confidence": {"request_type": share},
        "request_type": "new",
        "search_intent": "commercial",
    }

    with pytest.raises(ValueError, match=r"confidence\.request_type"):
        AGENTS["content"].triage.model_validate(said)

"""What agents say and how they work, read from files beside this one: prompts, macros, and the house's own facts.

Everything is checked when it is first read, so that a wrong file stops the start and not a case. A text that is given in
several languages becomes one Jinja template that chooses by ``triage.language``; English is the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from integrations.models.base import Macro
from workers.actions.catalogue import CATALOGUE

HERE = Path(__file__).parent
ENGLISH = "en"
#: Only the local model fills macros in, and it cannot follow free text. It says so where the reviewer looks.
REVIEWER = (
    "{% if reviewer is defined %} You asked: “{{ reviewer.instruction[:400] }}” The local model cannot follow free text, so this"
    " is the standard draft again: please edit it, or ask to hand it over.{% endif %}"
)


class UnusableFiles(Exception):
    """An agent's prompt or macros cannot be right. The message names the file and what is wrong."""


def check(domain: str) -> None:
    """Read the prompt and the macros of a domain, before a case meets them. Raise `UnusableFiles`."""
    try:
        for task in ("triage", "draft"):
            prompt(domain, task)
        macros(domain)
    except (ValueError, TypeError, AttributeError, OSError, yaml.YAMLError) as error:
        raise UnusableFiles(f"The agent of {domain} cannot start: {error}") from error
    except LookupError as error:
        raise UnusableFiles(f"The agent of {domain} cannot start: macros/{domain}.yaml lacks {error}") from error


@cache
def house() -> Mapping[str, Any]:
    """The firm's own facts that texts need: its name, its teams, its terms."""
    loaded: Mapping[str, Any] = _yaml(HERE / "house.yaml")
    return loaded


@cache
def prompt(domain: str, task: str) -> str:
    """The instructions of one task: the section ``# triage`` or ``# draft`` of the domain's prompt file."""
    text = (HERE / "prompts" / f"{domain}.md").read_text(encoding="utf-8")
    for section in f"\n{text}".split("\n# ")[1:]:
        title, _, body = section.partition("\n")
        if title.strip() == task:
            return body.strip()
    raise ValueError(f"prompts/{domain}.md has no section '# {task}'")


@cache
def macros(domain: str) -> tuple[Macro, ...]:
    """The domain's standard ways of working, in order: the first that applies is taken."""
    return read_macros(_yaml(HERE / "macros" / f"{domain}.yaml"), f"macros/{domain}.yaml")


def read_macros(loaded: Mapping[str, Any], where: str) -> tuple[Macro, ...]:
    """Macros from a parsed file. Raise ValueError for a kind, argument or language text that cannot be right."""
    letter = loaded.get("letter", {})
    made = []
    for item in loaded["macros"]:
        proposals = []
        for proposal in item["proposals"]:
            _check_arguments(proposal, f"{where}: {item['name']!r}")
            arguments = {name: _spoken(value, letter) for name, value in proposal["arguments"].items()}
            rationale = f"{proposal['rationale']}{'' if item.get('follows_reviewer') else REVIEWER}"
            proposals.append({**proposal, "arguments": arguments, "rationale": rationale})
        made.append(
            Macro(
                name=item["name"],
                when=item["when"],
                needs=tuple(item.get("needs", ())),
                summary=item["summary"],
                proposals=tuple(proposals),
            )
        )
    return tuple(made)


def _check_arguments(proposal: Mapping[str, Any], where: str) -> None:
    kind = CATALOGUE.get(proposal["kind"])
    if kind is None:
        raise ValueError(f"{where} proposes unknown kind {proposal['kind']!r}")
    fields = kind.arguments.model_fields
    unknown = sorted(set(proposal["arguments"]) - set(fields))
    lacking = sorted(n for n, f in fields.items() if f.is_required() and n not in proposal["arguments"])
    if unknown or lacking:
        raise ValueError(f"{where}: {kind.name} does not take {unknown} and needs {lacking}")


def _spoken(value: Any, letter: Mapping[str, Mapping[str, str]]) -> Any:
    """One template of a text that is given in several languages, each between the letter's opening and closing in it."""
    if not isinstance(value, Mapping):
        return value
    texts = {language: _as_letter(str(text).strip(), letter, language) for language, text in value.items()}
    if ENGLISH not in texts:
        raise ValueError(f"a text has no {ENGLISH!r} version: {next(iter(texts.values()), '')[:60]!r}")
    otherwise = texts.pop(ENGLISH)
    if not texts:
        return otherwise
    choices = [f"if triage.language == '{language}' -%}}{text}" for language, text in texts.items()]
    return "{%- " + "{%- el".join(choices) + "{%- else -%}" + otherwise + "{%- endif -%}"


def _as_letter(text: str, letter: Mapping[str, Mapping[str, str]], language: str) -> str:
    if not letter:
        return text
    try:
        return f"{letter['opening'][language].strip()}\n\n{text}\n\n{letter['closing'][language].strip()}"
    except KeyError as error:
        raise ValueError(f"the letter has no opening or closing in {language!r}: {text[:60]!r}") from error


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))

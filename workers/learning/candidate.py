"""A candidate: another model, other instructions, another policy, or several of these, to be measured against the past.

Instructions are a folder as `workers/agents/prompts`: ``<domain>.md`` with its sections, and in ``macros/`` ``<domain>.yaml``.
A domain that the folder does not have keeps its own. Everything is read when the candidate is made, so that a mistake shows
before the first call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel

from integrations.models.base import Macro, Model, ModelRequest
from policies.rules import Policy
from workers.agents.library import read_macros

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Candidate:
    """`model` None: the recorded drafts are judged again and no model is asked."""

    name: str
    policy: Policy
    model: Model | None = None
    instructions: Mapping[tuple[str, str], str] = field(default_factory=dict)
    macros: Mapping[str, tuple[Macro, ...]] = field(default_factory=dict)

    def changed(self, request: ModelRequest[T]) -> ModelRequest[T]:
        """The request as this candidate would put it."""
        return replace(
            request,
            instructions=self.instructions.get((request.domain, request.task), request.instructions),
            macros=self.macros.get(request.domain, request.macros),
        )


def read_prompts(
    folder: Path, domains: Iterable[str]
) -> tuple[dict[tuple[str, str], str], dict[str, tuple[Macro, ...]]]:
    """Instructions by domain and task, and macros by domain. Raise ValueError for a folder that changes nothing."""
    known = list(domains)
    instructions = {}
    macros = {}
    for domain in known:
        page, ways = folder / f"{domain}.md", folder / "macros" / f"{domain}.yaml"
        if page.is_file():
            for section in f"\n{page.read_text(encoding='utf-8')}".split("\n# ")[1:]:
                title, _, body = section.partition("\n")
                instructions[domain, title.strip()] = body.strip()
        if ways.is_file():
            loaded: Any = yaml.safe_load(ways.read_text(encoding="utf-8"))
            macros[domain] = read_macros(loaded, str(ways))
    if not instructions and not macros:
        raise ValueError(f"{folder} has neither <domain>.md nor macros/<domain>.yaml of {', '.join(known)}")
    return instructions, macros

"""A candidate by its words: ``anthropic/some-model``, ``prompts:/etc/caseworker/prompts``, or both; and for a shadow its share.

The command line and the shadow's pass read them with this. A model that has no credentials is an error at once.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import yaml

from integrations import registry
from integrations.models.base import Model
from integrations.models.redaction import Classifying
from policies.rules import Policy
from workers.bill.budgets import Budgets, Limits
from workers.learning.candidate import Candidate, read_prompts
from workers.settings import vendor_environment
from workers.wiring import System, redaction_of

PROMPTS = "prompts:"
_SHARE = re.compile(r"(\d{1,3})%")
TASKS = ("triage", "draft")


@dataclass(frozen=True, slots=True)
class Words:
    """What was asked for. `share` is in percent."""

    model: str = ""
    prompts: str = ""
    share: int = 100

    @property
    def name(self) -> str:
        return " ".join(word for word in (self.model, f"{PROMPTS}{self.prompts}" if self.prompts else "") if word)

    def takes(self, case_id: str) -> bool:
        """Whether this case is in the share: always the same answer for the same case."""
        return crc32(f"{self.name} {case_id}".encode()) % 100 < self.share


def read(written: str) -> Words:
    """The words of a setting. Raise ValueError for what is none of them."""
    model, prompts, share = "", "", 100
    for word in written.split():
        if match := _SHARE.fullmatch(word):
            share = int(match[1])
        elif word.startswith(PROMPTS):
            prompts = word.removeprefix(PROMPTS)
        elif "/" in word and not model:
            model = word
        else:
            raise ValueError(f"{word!r} is neither PROVIDER/MODEL nor {PROMPTS}FOLDER nor a share like 10%")
    if not (model or prompts) or not 1 <= share <= 100:
        raise ValueError(f"{written!r} names no model and no folder, or a share that is not between 1% and 100%")
    return Words(model, prompts, share)


def candidate(
    system: System, words: Words, *, policy: Policy | None = None, environment: Mapping[str, str] | None = None
) -> Candidate:
    """What the words name, ready to be asked. Raise ValueError for a folder or model that cannot be had."""
    env = vendor_environment() if environment is None else environment
    instructions, macros = read_prompts(Path(words.prompts), system.agents) if words.prompts else ({}, {})
    model: Model | None = None
    if words.model:
        model = named(system, words.model, env)
    elif words.prompts:
        model = system.model
    return Candidate(words.name or "the recorded drafts", policy or system.policy, model, instructions, macros)


def named(system: System, name: str, environment: Mapping[str, str]) -> Model:
    """One model, as the routing file would have it if it named nothing else; under the same rules of privacy and budgets."""
    provider, _, model = name.partition("/")
    route: dict[str, str] = {"provider": provider, **({"model": model} if provider != "local" else {})}
    with tempfile.TemporaryDirectory(prefix="caseworker-candidate-") as folder:
        routing = Path(folder) / "models.yaml"
        routing.write_text(yaml.safe_dump({"version": 1, "tasks": {task: [route] for task in TASKS}}))
        listed = registry.model_routes(environment, routing=routing)
        if why := next((one.why for one in listed if not one.usable), ""):
            raise ValueError(f"{name} cannot be asked: {why}")
        redaction, limits = redaction_of(system.settings), Limits.of(system.settings)
        model_of_its_own = registry.models(
            environment,
            data=system.settings.data,
            timeout=system.settings.model_timeout_seconds,
            routing=routing,
            wrap=system.guards.wrap,
            budget=Budgets(limits, system.db, system.clock) if limits else None,
            redaction=redaction,
        )
        return Classifying(model_of_its_own, redaction)

"""What can be wrong with the routing of models and with what may leave for them: a broken file, a setting that cannot be read, a task
that nobody does.

Called by `workers.cli.checks` for ``caseworker doctor``. Asks no model and shows no key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from integrations import registry
from integrations.models.redaction import Redaction, RulesError
from integrations.models.routing import RoutingError
from integrations.models.seating import WRONG, Listed
from workers.cli.findings import Finding, Level
from workers.settings import Settings

#: without these no case can be worked
NEEDED = ("triage", "draft")


def models(env: Mapping[str, str], routing: Path) -> Iterator[Finding]:
    """One finding for what serves, and one for each thing that is wrong."""
    try:
        listed = registry.model_routes(env, routing=routing)
    except RoutingError as error:
        for problem in error.problems:
            yield Finding("model", Level.PROBLEM, problem, f"Mend {routing}; docs/models.md explains each line.")
        return
    for why in sorted({f"{route.provider}: {route.why}" for route in listed if route.why.startswith(WRONG)}):
        yield Finding("model", Level.PROBLEM, why, "Mend it, or take the key away: others serve meanwhile.")
    missing = [task for task in NEEDED if not _usable(listed, task)]
    if missing:
        told = f"No model that has credentials does {' and '.join(missing)}."
        yield Finding("model", Level.PROBLEM, told, "Set a key, or name the local model in the routing file.")
        return
    yield _serving(listed)


def privacy(found: Settings) -> Finding:
    """Whether the settings say what may leave for a model. No process starts with ones that do not."""
    try:
        Redaction.from_settings(b"", data_classes=found.data_classes, file=found.privacy_file)
    except RulesError as error:
        return Finding("privacy", Level.PROBLEM, f"{error}.", "Mend it; docs/privacy.md explains each part.")
    return Finding("privacy", Level.OK, "every class of data says what may leave")


def _serving(listed: Sequence[Listed]) -> Finding:
    first = _usable(listed, "draft")[0].provider
    if first == registry.LOCAL:
        return Finding(
            "model",
            Level.OK,
            "the local model serves: no key of another is set",
            "Set ANTHROPIC_API_KEY or OPENAI_API_KEY, and a large model reads and drafts.",
        )
    after = [route.provider for route in _usable(listed, "draft")[1:]]
    followed = f", and where it fails {', then '.join(after)}" if after else ", and nobody follows where it fails"
    return Finding("model", Level.OK, f"{first} serves{followed}; `caseworker models` shows every route")


def _usable(listed: Sequence[Listed], task: str) -> list[Listed]:
    return [route for route in listed if route.task == task and route.usable]

"""Names in settings that name nothing: a misspelt one changes nothing, and nobody would notice.

Called by `workers.cli.checks` for ``caseworker doctor``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches

from integrations import registry
from workers.bill import budgets
from workers.cli.findings import Finding, Level
from workers.guards import limits
from workers.intake.receive import DOMAINS
from workers.settings import Settings

_OURS = "CASEWORKER_"
#: read by docker-compose.yml and by tests
_NO_SETTINGS = {"CASEWORKER_VERSION", "CASEWORKER_PORT", "CASEWORKER_CRASH_AT"}


def misspelt(found: Settings, env: Mapping[str, str]) -> Iterator[Finding]:
    """A note for each name that nobody answers to. It may be meant for something else, so it is no problem."""
    variables = {f"{_OURS}{name.upper()}" for name in Settings.model_fields}
    for name in sorted(name for name in env if name.startswith(_OURS)):
        if name not in variables | _NO_SETTINGS:
            yield _note(name, "is no setting, and changes nothing", name, variables)
    vendors = {*registry.sources(), *registry.PROVIDERS}
    for name in sorted(set(limits.parse(found.vendor_limits)) - vendors):
        yield _note(
            f"CASEWORKER_VENDOR_LIMITS: {name!r}", "is no vendor of ours, so its limit holds nobody", name, vendors
        )
    domains = set(DOMAINS.values())
    for name in sorted(set(budgets.parse(found.budget_domain_usd)[1]) - domains):
        yield _note(
            f"CASEWORKER_BUDGET_DOMAIN_USD: {name!r}", "is no domain, so its budget holds nobody", name, domains
        )


def _note(where: str, wrong: str, name: str, known: Collection[str]) -> Finding:
    near = get_close_matches(name, known, 1)
    meant = f"{near[0]} may be meant." if near else "docs/settings.md names what there is."
    return Finding("settings", Level.NOTE, f"{where} {wrong}.", meant)

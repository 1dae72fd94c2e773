"""The whole system, opened for one command: for those that decide, let events in or run a part of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from integrations import registry
from integrations.base import WebhookSource
from workers import wiring
from workers.cli import opening
from workers.cli.failures import Failure
from workers.collector import uncollected
from workers.settings import Settings
from workers.wiring import System


@contextmanager
def system(found: Settings) -> Iterator[System]:
    """Everything but Writers, on the migrated database."""
    opening.log_to("WARNING", "console")
    opening.must_exist(found)
    with uncollected("system"):
        built = wiring.build(found, environment=wiring.environment(found))
    try:
        opening.must_be_migrated(built.db)
        opening.must_have_sessions(built.db)
        built.rulebook.begin()
        yield built
    finally:
        built.close()


def webhooks(found: Settings) -> Mapping[str, WebhookSource | None]:
    """Every source's verifier. A secret that cannot be one is named."""
    try:
        return registry.webhooks(wiring.environment(found))
    except ValueError as error:
        raise Failure(f"A webhook secret is wrong. {error}") from error

"""Which systems are connected: an integration is on when its credentials are set. The only importer of vendor modules.

Readers, Writers, webhook sources and the model are handed out apart, so that each process holds only what it needs.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar, cast

from integrations.base import WebhookSource
from integrations.github import webhook as github
from integrations.models import anthropic
from integrations.models.base import Model
from integrations.sample_company import webhook as sample
from integrations.sample_company.company import SampleCompany, SampleWriters
from integrations.stripe import webhook as stripe
from integrations.zendesk import webhook as zendesk

T = TypeVar("T")

#: a system's name and what speaks for it -> the same, with something around it
Wrap = Callable[[str, object], object]

SAMPLE = "sample"

_WEBHOOKS: Mapping[str, Callable[[Mapping[str, str]], WebhookSource | None]] = {
    SAMPLE: sample.from_env,
    "stripe": stripe.from_env,
    "zendesk": zendesk.from_env,
    "github": github.from_env,
}


class Connected:
    """The objects that speak for each system, found by the protocol that is asked for.

    `wrap` puts something around each of them, which must pass on what it is asked.
    """

    def __init__(self, by_system: Mapping[str, object], wrap: Wrap | None = None) -> None:
        self._by_system = dict(by_system)
        self._handed_out = {name: wrap(name, spoken) if wrap else spoken for name, spoken in by_system.items()}

    def find(self, system: str, protocol: type[T]) -> T | None:
        """The object of `system` that speaks `protocol`, or None."""
        found = self._by_system.get(system)
        return cast(T, self._handed_out[system]) if isinstance(found, protocol) else None

    def systems(self) -> list[str]:
        return sorted(self._by_system)


class Readers(Connected):
    """Read access."""


class Writers(Connected):
    """Write access: for the process that carries actions out, and nobody else."""


def sources() -> Iterable[str]:
    """The names under which webhooks can come in, configured or not."""
    return _WEBHOOKS.keys()


def webhooks(env: Mapping[str, str]) -> Mapping[str, WebhookSource | None]:
    """Each source's verifier and parser; None where its secret is not set. Raise ValueError for a bad secret."""
    return {name: make(env) for name, make in _WEBHOOKS.items()}


def readers(
    env: Mapping[str, str],  # noqa: ARG001 - vendors come
    *,
    data: Path,
    sample_company: bool,
    wrap: Wrap | None = None,
) -> Readers:
    return Readers({SAMPLE: company(data)} if sample_company else {}, wrap)


def writers(
    env: Mapping[str, str],  # noqa: ARG001 - vendors come
    *,
    data: Path,
    sample_company: bool,
    wrap: Wrap | None = None,
) -> Writers:
    return Writers({SAMPLE: SampleWriters(company(data))} if sample_company else {}, wrap)


def model(
    env: Mapping[str, str],
    *,
    data: Path,
    learned: Callable[[], Iterable[tuple[str, str, str, str]]],
    timeout: float = 60.0,
) -> Model:
    """Anthropic's as soon as a key is set, else the local one. `timeout` bounds one call."""
    large = anthropic.from_env(env, timeout=timeout)
    if large is not None:
        return large
    # Imported here: what it computes with takes up tens of megabytes in a process that never asks it.
    from integrations.models import local  # noqa: PLC0415 - see above

    return local.LocalModel(extra_examples=learned, cache_dir=data / "models")


def company(data: Path) -> SampleCompany:
    """The sample company of this data folder."""
    return SampleCompany(data / "sample_company.db")


def sample_secret(data: Path) -> str:
    """The secret between the sample company and this installation, made once and kept in the data folder."""
    path = data / "sample_webhook_secret"
    if not path.exists():
        data.mkdir(parents=True, exist_ok=True)
        made = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(made)
    return path.read_text().strip()

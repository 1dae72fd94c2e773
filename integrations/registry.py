"""Which systems are connected: an integration is on when its credentials are set. The only importer of vendor modules.

Readers, Writers, webhook sources and the model are handed out apart, so that each process holds only what it needs.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from integrations.base import WebhookSource
from integrations.github import webhook as github
from integrations.kept_secret import kept_secret
from integrations.models import anthropic, openai
from integrations.models.base import Embedder, Model, ModelRequest, Usage
from integrations.models.budget import Budget
from integrations.models.redaction import Redacting, RedactingEmbedder, Redaction
from integrations.models.router import LONGEST, Failed, ReleasedDuring, Router
from integrations.models.routing import SHIPPED
from integrations.models.routing import load as load_routing
from integrations.models.seating import EMBED, Listed, Provider, Seating
from integrations.sample_company import webhook as sample
from integrations.sample_company.company import SampleCompany, SampleWriters
from integrations.stripe import webhook as stripe
from integrations.zendesk import webhook as zendesk

T = TypeVar("T")

#: a system's name and what speaks for it -> the same, with something around it
Wrap = Callable[[str, object], object]

SAMPLE = "sample"
ANTHROPIC, OPENAI, LOCAL = "anthropic", "openai", "local"
PROVIDERS = (ANTHROPIC, OPENAI, LOCAL)
#: so many times the time-out of a call, and no further model is asked for the same answer
PATIENCE = 2.5

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
        #: what was found before: asking an object for a protocol's methods, one by one, takes longer than many a call
        self._found: dict[tuple[str, type[Any]], Any] = {}

    def find(self, system: str, protocol: type[T]) -> T | None:
        """The object of `system` that speaks `protocol`, or None."""
        if system not in self._by_system:
            return None
        asked = (system, protocol)
        if asked not in self._found:
            self._found[asked] = self._handed_out[system] if isinstance(self._by_system[system], protocol) else None
        return cast("T | None", self._found[asked])

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
    wrap: Wrap,
) -> Readers:
    return Readers({SAMPLE: company(data)} if sample_company else {}, wrap)


def writers(
    env: Mapping[str, str],  # noqa: ARG001 - vendors come
    *,
    data: Path,
    sample_company: bool,
    own: Mapping[str, object],
    wrap: Wrap,
) -> Writers:
    """`own` are this installation's own books, by the name that their targets begin with."""
    return Writers({**own, SAMPLE: SampleWriters(company(data))} if sample_company else own, wrap)


def models(
    env: Mapping[str, str],
    *,
    data: Path,
    learned: Callable[[], Iterable[tuple[str, str, str, str]]] = tuple,
    timeout: float = 60.0,
    routing: Path = SHIPPED,
    wrap: Callable[[str, Model], Model] = lambda _provider, model: model,
    budget: Budget | None = None,
    late: Callable[[ModelRequest[Any], Sequence[Usage]], None] | None = None,
    notice: Callable[[Failed], None] | None = None,
    redaction: Redaction | None = None,
    released_during: ReleasedDuring = lambda call: call,
) -> Router:
    """Every model that the routing file names and that has credentials, as one. Raise `RoutingError` for the file.

    `timeout` bounds one call. `wrap` puts something around each provider's model, by its name; of the rest the router
    says what it is for. With `redaction`, a model whose service is elsewhere gets no more than its rules let go.
    """
    seats = _seating(
        env, data=data, learned=learned, timeout=timeout, routing=routing, wrap=wrap, redaction=redaction
    ).seats
    return Router(
        seats,
        budget=budget,
        late=late,
        notice=notice,
        longest=max(LONGEST, timeout * PATIENCE),
        released_during=released_during,
    )


def model_routes(env: Mapping[str, str], *, routing: Path = SHIPPED) -> Sequence[Listed]:
    """The routes of the file, and what keeps some of them from serving. Asks no model. Raise `RoutingError`."""
    return _seating(env, data=Path(), timeout=60.0, routing=routing).listed


def embedder(
    env: Mapping[str, str],
    *,
    timeout: float = 60.0,
    routing: Path = SHIPPED,
    wrap: Callable[[str, Embedder], Embedder] = lambda _provider, embedder: embedder,
    on_usage: Callable[[Usage], None] | None = None,
    redaction: Redaction | None = None,
) -> Embedder | None:
    """What makes vectors: the first route of the task ``embed`` that has credentials, or None. `wrap` as of `models`.

    There is no fall-back: vectors of two models cannot be compared. Raise `RoutingError` for the file.
    """

    def made(name: str | None) -> Embedder | None:
        found = openai.embedder(env, model=name, timeout=timeout, on_usage=on_usage)
        return None if found is None else wrap(OPENAI, found)

    found = _seating(env, data=Path(), timeout=timeout, routing=routing, embed=made, vectors_only=True).embedder
    return found if found is None or redaction is None else RedactingEmbedder(found, redaction)


def _seating(
    env: Mapping[str, str],
    *,
    data: Path,
    timeout: float,
    routing: Path,
    learned: Callable[[], Iterable[tuple[str, str, str, str]]] = tuple,
    wrap: Callable[[str, Model], Model] = lambda _provider, model: model,
    embed: Callable[[str | None], Embedder | None] | None = None,
    vectors_only: bool = False,
    redaction: Redaction | None = None,
) -> Seating:
    def here(_name: str | None) -> Model:
        # Imported here: what it computes with takes up tens of megabytes in a process that never asks it.
        from integrations.models import local  # noqa: PLC0415 - see above

        return local.LocalModel(extra_examples=learned, cache_dir=data / "models")

    def away(model: Model | None) -> Model | None:
        # Innermost: what routes, counts and waits around it works with the true values.
        if model is None or redaction is None or redaction.at_home(model.provider):
            return model
        return Redacting(model, redaction)

    providers = (
        Provider(ANTHROPIC, "ANTHROPIC_API_KEY", lambda name: away(anthropic.make(env, model=name, timeout=timeout))),
        Provider(
            OPENAI,
            "OPENAI_API_KEY or OPENAI_BASE_URL",
            lambda name: away(openai.make(env, model=name, timeout=timeout)),
            embed=embed or (lambda name: openai.embedder(env, model=name, timeout=timeout)),
            embed_wanted="OPENAI_EMBEDDING_MODEL",
        ),
        Provider(LOCAL, "", here, free=True, here=True),
    )
    wanted = load_routing(routing, providers=PROVIDERS)
    if vectors_only:
        wanted = wanted.model_copy(update={"tasks": {task: r for task, r in wanted.tasks.items() if task == EMBED}})
    return Seating(wanted, env, providers, wrap=wrap)


def company(data: Path) -> SampleCompany:
    """The sample company of this data folder."""
    return SampleCompany(data / "sample_company.db")


def sample_secret(data: Path) -> str:
    """The secret between the sample company and this installation, made once and kept in the data folder."""
    return kept_secret(
        data / "sample_webhook_secret",
        lambda: "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
    )

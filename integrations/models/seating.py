"""Which routes of the file can serve here: a seat for each whose provider has credentials, and why not for the others.

The registry calls it with what makes each provider's models. One model serves all routes that name it, and a last resort that
takes memory is made when it is first needed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from integrations.models.base import Embedder, Model
from integrations.models.router import Seat
from integrations.models.routing import Route, Routing

logger = logging.getLogger(__name__)

#: the task that wants vectors instead of an answer
EMBED = "embed"
#: how a reason begins that somebody must mend
WRONG = "a setting is wrong"


@dataclass(frozen=True, slots=True)
class Provider:
    """What the registry knows of one. `make` takes a model's name, or None for the provider's own setting; it gives None
    without credentials, which `wanted` names. Raises `ValueError` for settings that cannot be read."""

    name: str
    wanted: str
    make: Callable[[str | None], Model | None]
    #: costs nothing, whatever it is asked
    free: bool = False
    #: has credentials always, and is made late
    here: bool = False
    #: makes vectors, where it can: as `make`, with the settings that it wants
    embed: Callable[[str | None], Embedder | None] | None = None
    embed_wanted: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """A route as `caseworker models` and `doctor` show it. `why` says what keeps it from serving, "" where nothing does."""

    task: str
    place: int
    provider: str
    model: str
    when: str
    last_resort: bool
    why: str

    @property
    def usable(self) -> bool:
        return not self.why


@dataclass
class _Kept:
    """A model that is made once, when somebody asks."""

    make: Callable[[], Model]
    made: Model | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> Model:
        if self.made is None:
            with self.lock:
                if self.made is None:
                    self.made = self.make()
        return self.made


class Seating:
    """The seats by task, and every route of the file with what becomes of it."""

    def __init__(
        self,
        routing: Routing,
        env: Mapping[str, str],
        providers: Sequence[Provider],
        *,
        wrap: Callable[[str, Model], Model] = lambda _name, model: model,
    ) -> None:
        self._env = env
        self._providers = {provider.name: provider for provider in providers}
        self._wrap = wrap
        self._models: dict[tuple[str, str | None], _Kept | str] = {}
        self.seats: dict[str, list[Seat]] = {}
        self.listed: list[Listed] = []
        self.embedder: Embedder | None = None
        for task, routes in routing.tasks.items():
            for place, route in enumerate(routes, 1):
                self._seat(task, place, route)

    def _seat(self, task: str, place: int, route: Route) -> None:
        variable = route.variable()
        name = route.named(self._env)
        if variable is not None and not name:
            kept: _Kept | str = f"{variable} is not set"
        elif task == EMBED:
            kept = self._embeds(self._providers[route.provider], name)
        else:
            kept = self._kept(self._providers[route.provider], name)
        why = kept if isinstance(kept, str) else ""
        self.listed.append(Listed(task, place, route.provider, name or "", route.when.told(), route.last_resort, why))
        if isinstance(kept, str) or task == EMBED:
            return
        key = route.provider if name is None else f"{route.provider}/{name}"
        provider = self._providers[route.provider]
        seat = Seat(key, route, kept, free=route.free or provider.free, made=lambda: kept.made is not None)
        self.seats.setdefault(task, []).append(seat)

    def _embeds(self, provider: Provider, name: str | None) -> str:
        """Why it makes no vectors; where it does, the first one serves alone: those of two models cannot be compared."""
        if provider.embed is None:
            return "it makes no vectors"
        if self.embedder is not None:
            return "another makes the vectors"
        try:
            self.embedder = provider.embed(name)
        except ValueError as error:
            return _wrong(provider, error)
        return "" if self.embedder is not None else f"{provider.embed_wanted} is not set"

    def _kept(self, provider: Provider, name: str | None) -> _Kept | str:
        """The model that serves, or why there is none."""
        known = self._models.get((provider.name, name))
        if known is None:
            known = self._models[provider.name, name] = self._fresh(provider, name)
        return known

    def _fresh(self, provider: Provider, name: str | None) -> _Kept | str:
        if provider.here:
            return _Kept(lambda: self._made(provider, name))
        try:
            model = provider.make(name)
        except ValueError as error:
            return _wrong(provider, error)
        if model is None:
            return f"{provider.wanted} is not set"
        wrapped = self._wrap(provider.name, model)
        return _Kept(lambda: wrapped, wrapped)

    def _made(self, provider: Provider, name: str | None) -> Model:
        model = provider.make(name)
        assert model is not None, "what is here needs no credentials"
        return self._wrap(provider.name, model)


def _wrong(provider: Provider, error: ValueError) -> str:
    # Others may serve meanwhile; `caseworker doctor` shows it as a problem.
    logger.error("model_not_usable provider=%s reason=%s", provider.name, error)
    return f"{WRONG}: {error}"

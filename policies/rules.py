"""A policy in force: bundles of compiled rules, indexed by domain and action kind. Made by `loader`, read by `engine`.

Frozen, without I/O, and independent of the order in which files and rules are written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from policies.cel import Environment, Program
from policies.envelope import EVERY_ACTION
from policies.messages import Message
from policies.types import Enforcement, Outcome, Requirement


class Layer(StrEnum):
    """From the widest to the narrowest. All count alike: the strictest rule wins, wherever it stands."""

    PLATFORM = "platform"
    ORG = "org"
    DOMAIN = "domain"
    AGENT = "agent"


ANYBODY = (Requirement(""),)

_ORDER = {layer: place for place, layer in enumerate(Layer)}


@dataclass(frozen=True, slots=True)
class Rule:
    id: str
    bundle: str
    layer: Layer
    enforcement: Enforcement
    actions: frozenset[str]
    program: Program = field(compare=False)
    when: str
    outcome: Outcome
    message: Message
    requirements: tuple[Requirement, ...]
    exclude: tuple[str, ...]

    @property
    def ref(self) -> str:
        return f"{self.bundle}/{self.id}"


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds where no rule answers; None leaves it to other bundles and at last to what is built in."""

    unknown_action: Outcome | None = None
    no_match: Outcome | None = None
    rule_error: Outcome | None = None
    requirements: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True)
class Bundle:
    """One file's rules. `domain` is None for the layers platform and org, which are for every case."""

    name: str
    version: int
    layer: Layer
    domain: str | None
    enforcement: Enforcement
    roles: frozenset[str]
    actions: frozenset[str]
    defaults: Defaults
    rules: tuple[Rule, ...]
    #: canonical content, for the hash
    content: Mapping[str, Any] = field(repr=False)

    def enforced(self) -> Bundle:
        """The same bundle with its answers counting in full, as its tests see it."""
        rules = tuple(replace(rule, enforcement=Enforcement.ENFORCE) for rule in self.rules)
        return replace(self, enforcement=Enforcement.ENFORCE, rules=rules)

    def silent(self) -> Bundle:
        """The same bundle declaring its actions and saying nothing of them, as the tests of others see it."""
        return replace(self, rules=(), defaults=Defaults())


@dataclass(frozen=True, slots=True)
class Route:
    """What applies to one action kind in one domain."""

    known: bool
    rules: tuple[Rule, ...]
    unknown_action: Outcome
    no_match: Outcome
    rule_error: Outcome
    #: who looks where no rule was there to say who
    requirements: tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Every bundle in force. `name` is for people, `hash` says exactly what was in force."""

    name: str
    hash: str
    bundles: tuple[Bundle, ...]
    rules: tuple[Rule, ...]
    environment: Environment = field(repr=False, compare=False)
    _routes: Mapping[tuple[str | None, str | None], Route] = field(repr=False, compare=False)

    def route(self, domain: str, kind: str) -> Route:
        routes = self._routes
        # A kind that nobody declares in a domain has the route None there; a domain without bundles is None itself.
        known = routes.get((domain, kind)) or routes.get((domain, None))
        return known or routes.get((None, kind)) or routes[None, None]


def assemble(bundles: Iterable[Bundle], environment: Environment) -> Policy:
    """Put bundles together; their names must differ."""
    ordered = tuple(sorted(bundles, key=lambda bundle: (_ORDER[bundle.layer], bundle.name)))
    content = json.dumps([dict(bundle.content) for bundle in ordered], sort_keys=True, separators=(",", ":"))
    routes: dict[tuple[str | None, str | None], Route] = {}
    for domain in {bundle.domain for bundle in ordered} | {None}:
        applying = tuple(bundle for bundle in ordered if bundle.domain in {None, domain})
        for kind in {action for bundle in applying for action in bundle.actions} | {None}:
            routes[domain, kind] = _route(applying, kind)
    return Policy(
        name=" ".join(f"{bundle.name}@{bundle.version}" for bundle in ordered),
        hash=hashlib.sha256(content.encode()).hexdigest(),
        bundles=ordered,
        rules=tuple(rule for bundle in ordered for rule in bundle.rules),
        environment=environment,
        _routes=MappingProxyType(routes),
    )


def union(requirements: Iterable[Requirement]) -> tuple[Requirement, ...]:
    """All of them together: for each role the larger number. "Anybody" is met by as many of any one role."""
    needed: dict[str, int] = {}
    for requirement in requirements:
        needed[requirement.role] = max(requirement.n, needed.get(requirement.role, 0))
    if "" in needed and needed[""] <= max((n for role, n in needed.items() if role), default=0):
        del needed[""]
    return tuple(Requirement(role, n) for role, n in sorted(needed.items()))


def _route(bundles: tuple[Bundle, ...], kind: str | None) -> Route:
    defaults = [bundle.defaults for bundle in bundles if bundle.enforcement is Enforcement.ENFORCE]
    wanted = {EVERY_ACTION, kind}
    return Route(
        known=kind is not None,
        rules=tuple(rule for bundle in bundles for rule in bundle.rules if rule.actions & wanted),
        unknown_action=_strictest((d.unknown_action for d in defaults), Outcome.DENY),
        no_match=_strictest((d.no_match for d in defaults), Outcome.REVIEW),
        rule_error=_strictest((d.rule_error for d in defaults), Outcome.REVIEW),
        requirements=union(r for d in defaults for r in d.requirements) or ANYBODY,
    )


def _strictest(said: Iterable[Outcome | None], built_in: Outcome) -> Outcome:
    return max((outcome for outcome in said if outcome is not None), default=built_in)

"""A policy in force: bundles of compiled rules, indexed by domain and action kind. Made by `loader`, read by `engine`.

Frozen, without I/O, and independent of the order in which files and rules are written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from policies import sieve
from policies.authority import Authority
from policies.cel import Environment, Program
from policies.envelope import EVERY_ACTION
from policies.messages import Message
from policies.obligations import Obligation
from policies.requirements import ANYBODY, union
from policies.types import COUNTERS, LOCAL_CLOCK, Enforcement, Limit, Outcome, Requirement, RuleAnswer


class Layer(StrEnum):
    """From the widest to the narrowest. All count alike: the strictest rule wins, wherever it stands."""

    PLATFORM = "platform"
    ORG = "org"
    DOMAIN = "domain"
    AGENT = "agent"


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
    deadline_minutes: int | None = None
    obligations: tuple[Obligation, ...] = ()
    #: counts for so many per cent of cases only; None for all
    canary: float | None = None
    #: ``"bundle/id"``
    ref: str = field(init=False)
    #: what it reads that means nothing unless it was looked up
    counts: bool = field(init=False)
    tells_time: bool = field(init=False)
    layer_name: str = field(init=False)
    #: its answer where it does not match: most of them, so it is made once
    silent: RuleAnswer = field(init=False, compare=False, repr=False)
    #: what is tried before its condition is asked
    pairs: tuple[sieve.Pair, ...] = field(init=False, compare=False, repr=False)
    sieve: tuple[sieve.Part, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        # Worked out once: these are asked for each decision.
        object.__setattr__(self, "ref", f"{self.bundle}/{self.id}")
        object.__setattr__(self, "counts", not COUNTERS.isdisjoint(self.program.facts))
        object.__setattr__(self, "tells_time", not LOCAL_CLOCK.isdisjoint(self.program.facts))
        object.__setattr__(self, "layer_name", self.layer.value)
        object.__setattr__(self, "silent", _silent(self))
        object.__setattr__(self, "sieve", sieve.parts(self.program.tree))
        object.__setattr__(self, "pairs", sieve.pairs(self.program.tree))


def _silent(rule: Rule) -> RuleAnswer:
    return RuleAnswer(
        rule=rule.id,
        bundle=rule.bundle,
        layer=rule.layer_name,
        matched=False,
        outcome=rule.outcome,
        enforcement=rule.enforcement,
        message=rule.message.template,
        when=rule.when,
        names=rule.program.facts,
    )


@dataclass(frozen=True, slots=True)
class Waiver:
    """While it lasts, and where its condition holds, a match of the rule `rule` does not count."""

    id: str
    bundle: str
    rule: str
    program: Program = field(compare=False)
    when: str
    until: datetime
    owner: str
    reason: str

    @property
    def ref(self) -> str:
        return f"{self.bundle}/{self.id}"

    @property
    def counts(self) -> bool:
        return not COUNTERS.isdisjoint(self.program.facts)

    @property
    def tells_time(self) -> bool:
        return not LOCAL_CLOCK.isdisjoint(self.program.facts)


@dataclass(frozen=True, slots=True)
class Autonomy:
    """When history is good enough to propose that something runs by itself, and when that is taken back."""

    #: how often people must have said yes unedited, at least, and how sure that must be
    lower_bound: float = 0.98
    confidence: float = 0.95
    min_decisions: int = 100
    #: more reversals or rejections than this take it back
    max_reversal_rate: float = 0.02
    #: how often it may be taken back by mistake
    alpha: float = 0.05


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
    limits: tuple[Limit, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    authority: Authority | None = None
    never_automatic: frozenset[str] = frozenset()
    autonomy: Autonomy | None = None

    def enforced(self) -> Bundle:
        """The same bundle with its answers counting in full, as its tests see it."""
        rules = tuple(replace(rule, enforcement=Enforcement.ENFORCE, canary=None) for rule in self.rules)
        return replace(self, enforcement=Enforcement.ENFORCE, rules=rules)

    def silent(self) -> Bundle:
        """The same bundle declaring its actions and saying nothing of them, as the tests of others see it."""
        bare = replace(self, rules=(), limits=(), waivers=(), defaults=Defaults())
        return replace(bare, authority=None, never_automatic=frozenset())


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
    limits: tuple[Limit, ...] = ()
    #: by the rule that they waive
    waivers: Mapping[str, tuple[Waiver, ...]] = field(default_factory=dict)
    authority: tuple[Authority, ...] = ()
    never_automatic: bool = False
    #: whom requirements go to where authority does not reach so far, by the roles whose does; filled in as it is asked
    handed_on: dict[tuple[tuple[str, ...], tuple[Requirement, ...]], tuple[Requirement, ...]] = field(
        default_factory=dict, compare=False, repr=False
    )
    #: limits as they are asked of people then, by the roles whose authority reaches so far; filled in as it is asked
    limits_of: dict[tuple[str, ...] | None, tuple[Limit, ...]] = field(default_factory=dict, compare=False, repr=False)
    #: every fact that is looked at, in conditions and in messages
    names: frozenset[str] = frozenset()


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

    @property
    def routes(self) -> tuple[Route, ...]:
        """Every route that there is, each once."""
        return tuple(self._routes.values())

    def names(self, domain: str, kind: str) -> frozenset[str]:
        """The facts that rules for this kind look at: what none of them names need not be looked up."""
        return self.route(domain, kind).names

    @property
    def never_automatic(self) -> frozenset[str]:
        """Kinds that never run without a person, whatever the rules say."""
        return frozenset().union(*(bundle.never_automatic for bundle in _enforced(self.bundles)))

    @property
    def autonomy(self) -> Autonomy:
        """The thresholds of earned autonomy. Of several bundles' the strictest, each by itself."""
        said = [bundle.autonomy for bundle in _enforced(self.bundles) if bundle.autonomy is not None] or [Autonomy()]
        return Autonomy(
            lower_bound=max(one.lower_bound for one in said),
            confidence=max(one.confidence for one in said),
            min_decisions=max(one.min_decisions for one in said),
            max_reversal_rate=min(one.max_reversal_rate for one in said),
            # The sooner it is taken back, the stricter.
            alpha=max(one.alpha for one in said),
        )


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


def _route(bundles: tuple[Bundle, ...], kind: str | None) -> Route:
    in_force = tuple(_enforced(bundles))
    defaults = [bundle.defaults for bundle in in_force]
    wanted = {EVERY_ACTION, kind}
    rules = tuple(rule for bundle in bundles for rule in bundle.rules if rule.actions & wanted)
    requirements = union(d.requirements for d in defaults) or ANYBODY
    refs = {rule.ref for rule in rules}
    waivers: dict[str, tuple[Waiver, ...]] = {}
    for waiver in (waiver for bundle in in_force for waiver in bundle.waivers if waiver.rule in refs):
        waivers[waiver.rule] = (*waivers.get(waiver.rule, ()), waiver)
    return Route(
        known=kind is not None,
        rules=rules,
        unknown_action=_strictest((d.unknown_action for d in defaults), Outcome.DENY),
        no_match=_strictest((d.no_match for d in defaults), Outcome.REVIEW),
        rule_error=_strictest((d.rule_error for d in defaults), Outcome.REVIEW),
        requirements=requirements,
        limits=tuple(
            limit if limit.requirements else replace(limit, requirements=requirements)
            for bundle in in_force
            for limit in bundle.limits
            if limit.actions & wanted
        ),
        waivers=MappingProxyType(waivers),
        authority=tuple(bundle.authority for bundle in in_force if bundle.authority is not None),
        never_automatic=any(kind in bundle.never_automatic for bundle in in_force),
        names=_names(rules, waivers),
    )


def _names(rules: Iterable[Rule], waivers: Mapping[str, Iterable[Waiver]]) -> frozenset[str]:
    found = {name for rule in rules for name in (*rule.program.facts, *rule.message.facts)}
    return frozenset(found.union(*(waiver.program.facts for some in waivers.values() for waiver in some)))


def _enforced(bundles: Iterable[Bundle]) -> Iterable[Bundle]:
    return (bundle for bundle in bundles if bundle.enforcement is Enforcement.ENFORCE)


def _strictest(said: Iterable[Outcome | None], built_in: Outcome) -> Outcome:
    return max((outcome for outcome in said if outcome is not None), default=built_in)

"""Rules that do nothing: that can never match, always match, or match only where a stricter rule matches anyway.

``caseworker policy check`` shows what is proved from the conditions alone; a backtest adds what was never seen to be
otherwise. Each finding says which of the two it is. Pure, and nothing here ever changes what a policy decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from policies import regions
from policies.regions import Case, Undecided
from policies.rules import Policy, Route, Rule
from policies.types import DecisionRecord, Enforcement, Outcome

#: a rule that was asked, or matched, less often than this says nothing by what was seen of it
ENOUGH: Final = 100


class What(StrEnum):
    DEAD = "dead"
    ALWAYS = "always"
    SHADOWED = "shadowed"


class How(StrEnum):
    #: from the conditions: no facts at all could make it otherwise
    PROVED = "proved"
    #: in what was recorded: the next case may be the first
    SEEN = "seen"


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that does nothing. `by` are the rules that overshadow it."""

    rule: str
    what: What
    how: How
    by: tuple[str, ...]
    message: str


class Watch:
    """What rules were seen to do, decision by decision."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._decided: Counter[tuple[str, str]] = Counter()
        self.matched: Counter[str] = Counter()
        #: by rule, those that matched each time that it did
        self.beside: dict[str, frozenset[str]] = {}

    def add(self, record: DecisionRecord) -> None:
        """Take note of one decision of this policy."""
        self._decided[str(record.facts.get("domain", "")), str(record.facts.get("action_kind", ""))] += 1
        together = frozenset(f"{answer.bundle}/{answer.rule}" for answer in record.answers if answer.matched)
        for ref in together:
            self.matched[ref] += 1
            before = self.beside.get(ref)
            self.beside[ref] = together if before is None else before & together

    def asked(self) -> Counter[str]:
        """How often each rule was asked."""
        asked: Counter[str] = Counter()
        for (domain, kind), times in self._decided.items():
            for rule in self._policy.route(domain, kind).rules:
                asked[rule.ref] += times
        return asked


def findings(policy: Policy, records: Iterable[DecisionRecord] = ()) -> tuple[Finding, ...]:
    """Everything that is proved, and what was seen of the other rules in these decisions of the policy."""
    watch = Watch(policy)
    for record in records:
        watch.add(record)
    return (*(known := proved(policy)), *(found for found in seen(policy, watch) if found.rule not in _refs(known)))


def proved(policy: Policy) -> tuple[Finding, ...]:
    """What holds for all facts that there could be. Nothing where the engine cannot say what conditions consist of."""
    known = {rule.ref: read for rule in policy.rules if (read := _read(rule)) is not None}
    found: list[Finding] = []
    for rule in policy.rules:
        read = known.get(rule.ref)
        if read is None:
            continue
        if not read.true:
            found.append(_proved(rule, What.DEAD, "can never match: its conditions contradict each other"))
        elif not read.untrue and rule.program.facts:
            found.append(_proved(rule, What.ALWAYS, "always matches: its conditions leave nothing out; write true"))
    settled = _refs(found)
    living = [rule for rule in policy.rules if rule.ref in known and rule.ref not in settled]
    for rule in living:
        by = tuple(other.ref for other in _over(policy, rule) if other.ref in known and _implies(known, rule, other))
        if by and not _mirrored(policy, known, rule, by):
            found.append(
                _proved(rule, What.SHADOWED, f"decides nothing: wherever it matches, {_listed(by)} does too", by)
            )
    return tuple(sorted(found, key=lambda finding: finding.rule))


def seen(policy: Policy, watch: Watch) -> tuple[Finding, ...]:
    """What was never seen to be otherwise, often enough to be worth a word."""
    found = []
    asked = watch.asked()
    for rule in policy.rules:
        matched = watch.matched[rule.ref]
        if not matched and asked[rule.ref] >= ENOUGH:
            message = f"matched in none of {asked[rule.ref]:,} recorded decisions that it was asked in"
            found.append(Finding(rule.ref, What.DEAD, How.SEEN, (), message))
        elif matched >= ENOUGH:
            there = watch.beside.get(rule.ref, frozenset())
            by = tuple(other.ref for other in _over(policy, rule) if other.ref in there)
            if by:
                message = f"changed nothing: each of the {matched:,} times that it matched, {_listed(by)} did too"
                found.append(Finding(rule.ref, What.SHADOWED, How.SEEN, by, message))
    return tuple(sorted(found, key=lambda finding: finding.rule))


@dataclass(frozen=True, slots=True)
class _Read:
    true: list[Case]
    untrue: list[Case]


def _read(rule: Rule) -> _Read | None:
    tree = rule.program.tree
    if tree is None:
        return None
    try:
        return _Read(regions.true(tree), regions.untrue(tree))
    except Undecided:
        return None


def _over(policy: Policy, rule: Rule) -> list[Rule]:
    """The rules beside which this one adds nothing where both match, in every route that asks it."""
    routes = [route for route in policy.routes if rule in route.rules]
    there = [other for other in policy.rules if all(other in route.rules for route in routes)]
    return [other for other in there if other.ref != rule.ref and _adds_nothing(rule, other, routes)]


def _adds_nothing(rule: Rule, other: Rule, routes: Iterable[Route]) -> bool:
    """Whether the verdict with both is that with the other alone. Only a rule that always counts can stand in for one."""
    if other.enforcement is not Enforcement.ENFORCE or other.canary is not None:
        return False
    if rule.enforcement is not Enforcement.ENFORCE or any(other.ref in route.waivers for route in routes):
        return False
    if other.outcome is Outcome.DENY and rule.outcome < Outcome.DENY:
        return True
    if other.outcome <= Outcome.NOTIFY and other.outcome is not rule.outcome:
        return False  # `notify` permits nothing and `allow` tells nobody: neither does the other's work
    if not set(rule.obligations) <= set(other.obligations) or other.outcome < rule.outcome:
        return False
    if other.outcome > rule.outcome:
        return True
    # Who reviews and who is refused is told every reason: one that says something of its own is there for that.
    if rule.outcome >= Outcome.REVIEW and rule.message != other.message:
        return False
    return (
        rule.requirements == other.requirements
        and set(rule.exclude) <= set(other.exclude)
        and (rule.deadline_minutes is None or rule.deadline_minutes == other.deadline_minutes)
    )


def _implies(known: dict[str, _Read], rule: Rule, other: Rule) -> bool:
    if not set(other.program.facts) <= set(rule.program.facts):
        return False
    try:
        return not regions.possible(known[rule.ref].true, known[other.ref].untrue)
    except Undecided:
        return False


def _mirrored(policy: Policy, known: dict[str, _Read], rule: Rule, by: tuple[str, ...]) -> bool:
    """Of two rules that say the same, one is told of: the second."""
    others = [other for other in policy.rules if other.ref in by]
    return all(
        rule.ref < other.ref and rule in _over(policy, other) and _implies(known, other, rule) for other in others
    )


def _proved(rule: Rule, what: What, message: str, by: tuple[str, ...] = ()) -> Finding:
    return Finding(rule.ref, what, How.PROVED, by, message)


def _refs(findings: Iterable[Finding]) -> set[str]:
    return {finding.rule for finding in findings}


def _listed(refs: Iterable[str]) -> str:
    return " and ".join(refs)

"""Runs the tests that lie beside bundles. `loader` refuses a policy whose tests fail; `testing` shows them to people.

A bundle is tested alone, or beside those that its suite names, and always as if enforced and rolled out: so neither a trial
level nor another installation's stricter bundle breaks it. Each rule must match in one of its own bundle's tests and not in
another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from policies import engine, expectations, record
from policies.documents import Document, Path
from policies.envelope import CaseEntry, SuiteEntry
from policies.errors import Problem
from policies.rules import Bundle, Policy, assemble
from policies.types import LOCAL_CLOCK, DecisionRecord

# Decisions depend on the facts alone; the time is only written into the record.
_AT = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Suite:
    """One test file."""

    document: Document
    entry: SuiteEntry


@dataclass(frozen=True, slots=True)
class Result:
    """One test. `problems` is empty where it passed; `record` is None where its facts are none."""

    bundle: str
    name: str
    problems: tuple[Problem, ...]
    record: DecisionRecord | None

    @property
    def passed(self) -> bool:
        return not self.problems


@dataclass(frozen=True, slots=True)
class Reach:
    """In how many tests of its bundle a rule matched, and in how many it did not."""

    bundle: str
    rule: str
    matched: int
    missed: int
    can_miss: bool


@dataclass(frozen=True, slots=True)
class Proof:
    """All results, how often each rule was met, and all problems: failed tests, rules that no test reaches, bundles
    without tests."""

    results: tuple[Result, ...]
    problems: tuple[Problem, ...]
    reach: tuple[Reach, ...] = ()


def run(policy: Policy, suites: Sequence[Suite], sources: Mapping[str, Document]) -> Proof:
    """`sources` are the bundles' own documents by bundle name, to say where an untested rule stands."""
    results: list[Result] = []
    problems: list[Problem] = []
    bundles = {bundle.name: bundle for bundle in policy.bundles}
    for suite in suites:
        for name in (suite.entry.bundle, *suite.entry.beside):
            if name not in bundles:
                path: Path = ("bundle",) if name == suite.entry.bundle else ("beside",)
                problems.append(suite.document.problem(path, f"there is no bundle {name!r}"))
    if problems:
        return Proof((), tuple(problems))
    for suite in suites:
        judging = {suite.entry.bundle, *suite.entry.beside}
        judges = (bundle.enforced() if bundle.name in judging else bundle.silent() for bundle in policy.bundles)
        results += _results(suite, assemble(judges, policy.environment))
    problems += (problem for result in results for problem in result.problems)
    reach: list[Reach] = []
    for bundle in policy.bundles:
        own = [result.record for result in results if result.bundle == bundle.name and result.record is not None]
        problems += _untested(bundle, own, sources[bundle.name])
        reach += reached(bundle, own)
    return Proof(tuple(results), tuple(problems), tuple(reach))


def _results(suite: Suite, policy: Policy) -> Iterable[Result]:
    for place, group in enumerate(suite.entry.groups):
        for index, case in enumerate(group.tests):
            path: Path = ("groups", place, "tests", index)
            facts = {**suite.entry.given, **group.given, **case.facts}
            yield _result(suite, policy, case, facts, path)


def _result(suite: Suite, policy: Policy, case: CaseEntry, facts: dict[str, Any], path: Path) -> Result:
    bundle = suite.entry.bundle
    try:
        decided = engine.decide(policy, record.facts_from_json(_with_clock(facts)), at=_AT, trace=True)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors())
        problem = suite.document.problem((*path, "facts"), f"test {case.name!r}: not facts: {told}")
        return Result(bundle, case.name, (problem,), None)
    problems = tuple(
        suite.document.problem((*path, "expect"), f"test {case.name!r}: {difference}")
        for difference in expectations.differences(case.expect, decided, bundle)
    )
    return Result(bundle, case.name, problems, decided)


def _with_clock(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The house's clock as it stands at `occurred_at`, where a test does not say it itself."""
    moment, zone = facts.get("occurred_at"), facts.get("time_zone", "UTC")
    if not LOCAL_CLOCK.isdisjoint(facts) or not isinstance(moment, str):
        return facts
    try:
        local = datetime.fromisoformat(moment).astimezone(ZoneInfo(zone))
    except (ValueError, KeyError, TypeError):
        # What is wrong with it is told when the facts are made.
        return facts
    clock = {"local_hour": local.hour, "local_weekday": local.isoweekday(), "local_date": f"{local:%Y-%m-%d}"}
    return {**clock, **facts}


def _untested(bundle: Bundle, records: Sequence[DecisionRecord], source: Document) -> Iterable[Problem]:
    if not records:
        yield source.problem((), f"has no tests: put them into {bundle.name}.test.yaml beside it")
        return
    places = {entry["id"]: place for place, entry in enumerate(source.data["rules"])}
    for reach in reached(bundle, records):
        path: Path = ("rules", places[reach.rule])
        if not reach.matched:
            yield source.problem(path, f"rule {reach.rule!r} is matched by no test of its bundle")
        if reach.can_miss and not reach.missed:
            yield source.problem(path, f"rule {reach.rule!r} is matched by every test of its bundle that reaches it")
    met = {use.limit.ref for made in records for use in made.uses}
    used = {waiver for made in records for waiver in made.verdict.waivers}
    for key, named, seen in (("limits", bundle.limits, met), ("waivers", bundle.waivers, used)):
        ids = [entry["id"] for entry in source.data.get(key, ())]
        for one in named:
            if one.ref not in seen:
                yield source.problem((key, ids.index(one.id)), f"{key[:-1]} {one.id!r} is met by no test of its bundle")


def reached(bundle: Bundle, records: Sequence[DecisionRecord]) -> list[Reach]:
    """How often these decisions, traced, met each of the bundle's rules."""
    answers = [(a.rule, a.matched) for made in records for a in made.answers if a.bundle == bundle.name]
    counted = Counter(answers)
    return [
        # A condition without facts holds always: there is no test that it could fail.
        Reach(bundle.name, rule.id, counted[rule.id, True], counted[rule.id, False], bool(rule.program.facts))
        for rule in bundle.rules
    ]

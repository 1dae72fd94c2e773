"""Runs the tests that lie beside bundles. `loader` refuses a policy whose tests fail; `testing` shows them to people.

A bundle is tested alone, or beside those that its suite names, and always as if enforced: so neither a trial level nor
another installation's stricter bundle breaks it. Each rule must match in one of its own bundle's tests and not in another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from policies import engine, record
from policies.documents import Document, Path
from policies.envelope import CaseEntry, ExpectEntry, SuiteEntry
from policies.errors import Problem
from policies.rules import Bundle, Policy, assemble
from policies.types import DecisionRecord

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
class Proof:
    """All results, and all problems: failed tests, rules that no test reaches, bundles without tests."""

    results: tuple[Result, ...]
    problems: tuple[Problem, ...]


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
    for bundle in policy.bundles:
        own = [result.record for result in results if result.bundle == bundle.name and result.record is not None]
        problems += _untested(bundle, own, sources[bundle.name])
    return Proof(tuple(results), tuple(problems))


def _results(suite: Suite, policy: Policy) -> Iterable[Result]:
    for place, group in enumerate(suite.entry.groups):
        for index, case in enumerate(group.tests):
            path: Path = ("groups", place, "tests", index)
            facts = {**suite.entry.given, **group.given, **case.facts}
            yield _result(suite, policy, case, facts, path)


def _result(suite: Suite, policy: Policy, case: CaseEntry, facts: dict[str, Any], path: Path) -> Result:
    bundle = suite.entry.bundle
    try:
        decided = engine.decide(policy, record.facts_from_json(facts), at=_AT, trace=True)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors())
        problem = suite.document.problem((*path, "facts"), f"test {case.name!r}: not facts: {told}")
        return Result(bundle, case.name, (problem,), None)
    problems = tuple(
        suite.document.problem((*path, "expect"), f"test {case.name!r}: {difference}")
        for difference in _differences(case.expect, decided, bundle)
    )
    return Result(bundle, case.name, problems, decided)


def _differences(expect: ExpectEntry, decided: DecisionRecord, bundle: str) -> Iterable[str]:
    verdict = decided.verdict
    told = f" ({'; '.join(verdict.reasons)})"
    yield from (f"rule {a.bundle}/{a.rule} failed: {a.error}" for a in decided.answers if a.error is not None)
    if (outcome := verdict.outcome.name.lower()) != expect.outcome:
        yield f"expected {expect.outcome}, got {outcome}{told}"
    if expect.rules is not None:
        wanted = sorted(rule if "/" in rule else f"{bundle}/{rule}" for rule in expect.rules)
        if wanted != sorted(verdict.rules):
            yield f"expected the rules {_listed(wanted)}, got {_listed(sorted(verdict.rules))}{told}"
    approvers = {requirement.role: requirement.n for requirement in verdict.requirements}
    if expect.approvers is not None and approvers != expect.approvers:
        yield f"expected the approvers {expect.approvers}, got {approvers}"
    if expect.exclude is not None and set(expect.exclude) != set(verdict.exclude):
        yield f"expected {_listed(expect.exclude)} to be excluded, got {_listed(verdict.exclude)}"
    for reason in expect.reasons:
        if not any(reason in given for given in verdict.reasons):
            yield f"no reason says {reason!r}{told}"


def _untested(bundle: Bundle, records: Sequence[DecisionRecord], source: Document) -> Iterable[Problem]:
    if not records:
        yield source.problem((), f"has no tests: put them into {bundle.name}.test.yaml beside it")
        return
    answers = {(a.rule, a.matched) for r in records for a in r.answers if a.bundle == bundle.name}
    places = {entry["id"]: place for place, entry in enumerate(source.data["rules"])}
    for rule in bundle.rules:
        path: Path = ("rules", places[rule.id])
        if (rule.id, True) not in answers:
            yield source.problem(path, f"rule {rule.id!r} is matched by no test of its bundle")
        # A condition without facts holds always: there is no test that it could fail.
        if rule.program.facts and (rule.id, False) not in answers:
            yield source.problem(path, f"rule {rule.id!r} is matched by every test of its bundle that reaches it")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"

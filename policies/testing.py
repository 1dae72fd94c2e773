"""Checks a policy directory and tells all about it: what ``caseworker policy check`` and ``policy test`` print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from policies import analysis, loader, suites
from policies.documents import Document
from policies.errors import PolicyError, Problem
from policies.rules import Policy
from policies.suites import Reach, Result


@dataclass(frozen=True, slots=True)
class Report:
    """`policy` is None where the files are none; `results` are then empty, as no test could run.

    `warnings` are what a policy may have and somebody should still look at.
    """

    policy: Policy | None
    results: tuple[Result, ...]
    problems: tuple[Problem, ...]
    reach: tuple[Reach, ...] = ()
    warnings: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        return self.policy is not None and not self.problems


def run(directory: Path, *, at: datetime | None = None) -> Report:
    """Load and test everything in `directory`. Raises nothing for what is wrong with the policy. With `at`, what has run
    out by then is warned of."""
    try:
        loaded = loader.examine(loader.read(directory))
    except PolicyError as error:
        return Report(None, (), error.problems)
    if loaded.policy is None:
        return Report(None, (), loaded.problems)
    proof = suites.run(loaded.policy, loaded.suites, loaded.sources)
    warned = () if at is None else tuple(_run_out(loaded.policy, loaded.sources, at))
    idle = tuple(_idle(loaded.policy, loaded.sources))
    return Report(loaded.policy, proof.results, proof.problems, proof.reach, (*warned, *idle))


def _idle(policy: Policy, sources: Mapping[str, Document]) -> Iterator[Problem]:
    for found in analysis.proved(policy):
        bundle, _, rule = found.rule.partition("/")
        source = sources[bundle]
        ids = [entry["id"] for entry in source.data["rules"]]
        yield source.problem(("rules", ids.index(rule), "when"), f"the rule {rule!r} {found.message}")


def _run_out(policy: Policy, sources: Mapping[str, Document], at: datetime) -> Iterator[Problem]:
    for bundle in policy.bundles:
        source = sources[bundle.name]
        ids = [entry["id"] for entry in source.data.get("waivers", ())]
        for waiver in bundle.waivers:
            if waiver.until <= at:
                message = f"the waiver {waiver.id!r} ran out on {waiver.until:%Y-%m-%d}: take it out or have it renewed"
                yield source.problem(("waivers", ids.index(waiver.id), "until"), message)


def lines(report: Report) -> list[str]:
    """The report for a terminal."""
    told = [f"{'ok  ' if result.passed else 'FAIL'} {result.bundle}: {result.name}" for result in report.results]
    told += coverage(report)
    told += (str(problem) for problem in report.problems)
    told += (f"warning: {problem}" for problem in report.warnings)
    if report.policy is not None:
        passed = sum(result.passed for result in report.results)
        rules = f"{len(report.policy.rules)} rules, {passed} of {len(report.results)} tests passed"
        told.append(f"{report.policy.name} ({report.policy.hash[:12]}): {rules}")
    return told


def coverage(report: Report) -> list[str]:
    """Each rule, in how many tests it matched and in how many it did not."""
    if not report.reach:
        return []
    names = [f"{reach.bundle}/{reach.rule}" for reach in report.reach]
    width = max(map(len, names))
    head = f"{'rule':<{width}}  matched  not matched"
    # A dash: its condition holds always, so there is nothing to be told by a test.
    missed = [str(reach.missed) if reach.can_miss else "-" for reach in report.reach]
    rows = zip(names, report.reach, missed, strict=True)
    return [head, *(f"{name:<{width}}  {reach.matched:>7}  {miss:>11}" for name, reach, miss in rows)]

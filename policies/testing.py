"""Checks a policy directory and tells all about it: what ``caseworker policy check`` and ``policy test`` print."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from policies import loader, suites
from policies.errors import PolicyError, Problem
from policies.rules import Policy
from policies.suites import Result


@dataclass(frozen=True, slots=True)
class Report:
    """`policy` is None where the files are none; `results` are then empty, as no test could run."""

    policy: Policy | None
    results: tuple[Result, ...]
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        return self.policy is not None and not self.problems


def run(directory: Path) -> Report:
    """Load and test everything in `directory`. Raises nothing for what is wrong with the policy."""
    try:
        loaded = loader.examine(loader.read(directory))
    except PolicyError as error:
        return Report(None, (), error.problems)
    if loaded.policy is None:
        return Report(None, (), loaded.problems)
    proof = suites.run(loaded.policy, loaded.suites, loaded.sources)
    return Report(loaded.policy, proof.results, proof.problems)


def lines(report: Report) -> list[str]:
    """The report for a terminal."""
    told = [f"{'ok  ' if result.passed else 'FAIL'} {result.bundle}: {result.name}" for result in report.results]
    told += (str(problem) for problem in report.problems)
    if report.policy is not None:
        passed = sum(result.passed for result in report.results)
        rules = f"{len(report.policy.rules)} rules, {passed} of {len(report.results)} tests passed"
        told.append(f"{report.policy.name} ({report.policy.hash[:12]}): {rules}")
    return told

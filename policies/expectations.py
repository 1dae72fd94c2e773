"""What a test expects of a decision against what was decided: each difference in words. Pure; `suites` calls it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from policies.envelope import ExpectEntry
from policies.types import DecisionRecord, Verdict


def differences(expect: ExpectEntry, decided: DecisionRecord, bundle: str) -> Iterable[str]:
    """What is other than expected. Names without a bundle mean those of `bundle`."""
    verdict = decided.verdict
    told = f" ({'; '.join(verdict.reasons)})"
    yield from (f"rule {a.bundle}/{a.rule} failed: {a.error}" for a in decided.answers if a.error is not None)
    if (outcome := verdict.outcome.name.lower()) != expect.outcome:
        yield f"expected {expect.outcome}, got {outcome}{told}"
    for difference in _named(expect, decided, bundle):
        yield f"{difference}{told}"
    yield from _people(expect, verdict)
    for reason in expect.reasons:
        if not any(reason in given for given in verdict.reasons):
            yield f"no reason says {reason!r}{told}"


def _named(expect: ExpectEntry, decided: DecisionRecord, bundle: str) -> Iterable[str]:
    """Rules, limits and waivers."""
    verdict = decided.verdict
    for what, said, got in (
        ("rules", expect.rules, verdict.rules),
        ("limits", expect.limits, [use.limit.ref for use in decided.uses]),
        ("waivers", expect.waivers, verdict.waivers),
    ):
        wanted = None if said is None else sorted(name if "/" in name else f"{bundle}/{name}" for name in said)
        if wanted is not None and wanted != sorted(got):
            yield f"expected the {what} {_listed(wanted)}, got {_listed(sorted(got))}"


def _people(expect: ExpectEntry, verdict: Verdict) -> Iterable[str]:
    """Who is asked, who is not, and what else is obliged to."""
    approvers, stages = _asked(verdict)
    for what, expected, given in (
        ("approvers", expect.approvers, approvers),
        ("stages", expect.stages, stages),
        ("deadline_minutes", expect.deadline_minutes, verdict.deadline_minutes),
    ):
        if expected is not None and given != expected:
            yield f"expected the {what} {expected}, got {given}"
    for named, says, got in (
        (expect.exclude, "excluded", verdict.exclude),
        (expect.authorised, "authorised", verdict.authorised or ()),
        (expect.obligations, "obliged to", [obligation.kind for obligation in verdict.obligations]),
    ):
        if named is not None and sorted(named) != sorted(got):
            yield f"expected {_listed(sorted(named))} to be {says}, got {_listed(sorted(got))}"


def _asked(verdict: Verdict) -> tuple[dict[str, int], list[dict[str, int]]]:
    """Who is asked: of each role over all stages, and stage by stage."""
    over_all: dict[str, int] = {}
    by_stage: dict[int, dict[str, int]] = {}
    for requirement in verdict.requirements:
        over_all[requirement.role] = over_all.get(requirement.role, 0) + requirement.n
        by_stage.setdefault(requirement.stage, {})[requirement.role] = requirement.n
    return over_all, [by_stage[stage] for stage in sorted(by_stage)]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"

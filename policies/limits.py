"""How often, and how much, within a rolling window: what a verdict becomes once it was tried to reserve that.

Pure. `engine` says which limits a decision falls under and what it would use up of them; whoever stores the decision
reserves that in the same commit, and tightens the verdict by what could not be had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from policies.messages import money
from policies.requirements import union
from policies.types import DecisionRecord, Limit, Outcome, Per, Reserved, Use, Verdict

__all__ = ["Limit", "Per", "Reserved", "Use", "tightened", "told"]


def tightened(record: DecisionRecord, reserved: Sequence[Reserved]) -> DecisionRecord:
    """The record after its uses were tried: what was not held makes the verdict stricter, nothing makes it milder."""
    uses = {use.key: use for use in record.uses}
    exceeded = [(uses[tried.key], tried) for tried in reserved if not tried.held]
    verdict = record.verdict
    if exceeded:
        outcome = max(verdict.outcome, *(use.limit.over for use, _ in exceeded))
        reasons = tuple(dict.fromkeys([*verdict.reasons, *(told(use, tried) for use, tried in exceeded)]))
        # What a milder verdict was decided by does not decide this one.
        rules = verdict.rules if outcome is verdict.outcome else ()
        verdict = replace(verdict, outcome=outcome, reasons=reasons, rules=rules)
        verdict = (
            _denied(verdict) if outcome is Outcome.DENY else _reviewed(verdict, [use.limit for use, _ in exceeded])
        )
    return replace(record, verdict=verdict, reserved=tuple(reserved), uses=record.uses if _open(verdict) else ())


def told(use: Use, tried: Reserved) -> str:
    """Why this limit stands in the way, for people."""
    limit = use.limit
    of = f" for the same {' and '.join(limit.per)}" if limit.per else ""
    parts = []
    if limit.max_count is not None:
        parts.append(f"{tried.used_count} of {limit.max_count} used")
    if limit.max_minor is not None:
        currency = limit.currency or ""
        parts.append(
            f"{money(tried.used_minor, currency)} of {money(limit.max_minor, currency)} used,"
            f" {money(use.amount_minor, currency)} more asked for"
        )
    return f"The limit {limit.ref} is reached: {', '.join(parts)} in {window(limit.window_minutes)}{of}"


def window(minutes: int) -> str:
    """``1440`` as ``24 hours``."""
    hours, rest = divmod(minutes, 60)
    if rest:
        return f"{minutes} minutes"
    days, left = divmod(hours, 24)
    if left or days < 2:
        return f"{hours} hour{'' if hours == 1 else 's'}"
    return f"{days} days"


def _open(verdict: Verdict) -> bool:
    return verdict.outcome is not Outcome.DENY


def _reviewed(verdict: Verdict, limits: Sequence[Limit]) -> Verdict:
    asked = [limit.requirements for limit in limits if limit.over is Outcome.REVIEW]
    return replace(verdict, requirements=union([verdict.requirements, *asked]))


def _denied(verdict: Verdict) -> Verdict:
    return replace(
        verdict, requirements=(), exclude=(), authorised=None, obligations=(), deadline_minutes=None, waivers=()
    )

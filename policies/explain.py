"""A decision record in plain words, line by line, for ``caseworker policy explain`` and whoever asks why."""

from __future__ import annotations

from policies.messages import money, plain
from policies.types import DecisionRecord, Enforcement, Outcome, Requirement, RuleAnswer

_MARKS = {True: "+", False: "-", None: "!"}


def explain(record: DecisionRecord) -> list[str]:
    """What was decided, who must say yes, why, and what each rule saw. Matching rules (+) come first."""
    verdict = record.verdict
    lines = [f"{verdict.outcome.name.lower()}: {_action(record)}"]
    if verdict.outcome is Outcome.REVIEW:
        needed = " and ".join(map(_people, verdict.requirements))
        without = f", not whoever is its {' or '.join(verdict.exclude)}" if verdict.exclude else ""
        lines.append(f"needs: {needed}{without}")
    lines += (f"because: {reason}" for reason in verdict.reasons)
    for matched in (True, None, False):
        for answer in record.answers:
            if answer.matched is matched:
                lines += _rule(answer)
    lines.append(
        f"policy {record.policy} ({record.policy_hash[:12]}), {record.engine}, {record.decided_at.isoformat()}"
    )
    return lines


def _action(record: DecisionRecord) -> str:
    facts = record.facts
    kind, domain = facts.get("action_kind", "an action"), facts.get("domain", "no domain")
    amount, currency = facts.get("amount_minor"), facts.get("currency")
    if facts.get("has_amount") is True and isinstance(amount, int) and isinstance(currency, str):
        return f"{kind} of {money(amount, currency)} in {domain}"
    return f"{kind} in {domain}"


def _people(requirement: Requirement) -> str:
    return f"{requirement.n} x {requirement.role or 'anybody who may decide'}"


def _rule(answer: RuleAnswer) -> list[str]:
    level = "" if answer.enforcement is Enforcement.ENFORCE else f", {answer.enforcement.value} only"
    lines = [
        f"  {_MARKS[answer.matched]} {answer.bundle}/{answer.rule} ({answer.outcome.name.lower()}{level}): {answer.message}",
        f"      when {' '.join(answer.when.split())}",
    ]
    if answer.values:
        lines.append(f"      with {', '.join(f'{name} = {plain(value)}' for name, value in answer.values.items())}")
    if answer.error is not None:
        lines.append(f"      failed: {answer.error}")
    return lines

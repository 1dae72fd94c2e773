"""Decisions and rules in plain words, line by line, for ``caseworker policy explain`` and whoever asks why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from policies import limits
from policies.authority import OTHER
from policies.messages import money, plain
from policies.obligations import Cap, Delay, Disclose, Mask, Notify, Obligation, Sample
from policies.rules import Route, Rule
from policies.types import (
    DecisionRecord,
    Enforcement,
    Limit,
    Outcome,
    Requirement,
    Reserved,
    RuleAnswer,
    Use,
    Verdict,
)

EXCLUDED: Final = {
    "editor": "whoever edited it",
    "initiator": "whoever brought the case about",
    "last_approver": "whoever last said yes to this customer's action of this kind",
}
#: why a match does not count, as `RuleAnswer.set_aside` has it
ASIDE: Final = {
    "canary": "not rolled out to this case",
    "suspended": "its permission is taken away by a switch",
    "waiver": "waived by",
}
_MARKS = {True: "+", False: "-", None: "!"}


def explain(record: DecisionRecord) -> list[str]:
    """What was decided, who must say yes, why, and what each rule saw. Matching rules (+) come first, those whose match
    does not count (o) after them."""
    verdict = record.verdict
    lines = [f"{verdict.outcome.name.lower()}: {_action(record)}"]
    lines += _people(verdict) if verdict.outcome is Outcome.REVIEW else []
    lines += (f"obliges: {obligation(said)}" for said in verdict.obligations)
    lines += (f"because: {reason}" for reason in verdict.reasons)
    lines += (f"waived by {waiver}" for waiver in verdict.waivers)
    tried = {each.key: each for each in record.reserved}
    lines += (f"limit: {_limit(use, tried.get(use.key))}" for use in record.uses)
    lines += (f"limit: {each.limit} was reached" for each in record.reserved if not each.held and not record.uses)
    for mark in ("+", "o", "!", "-"):
        for answer in record.answers:
            if _mark(answer) == mark:
                lines += _rule(answer, record.seen(answer))
    lines.append(
        f"policy {record.policy} ({record.policy_hash[:12]}), {record.engine}, {record.decided_at.isoformat()}"
    )
    return lines


def terms(rule: Rule) -> str:
    """What a rule asks for besides its outcome: people in their order, who may not, obligations, how far it is rolled out."""
    told = [_needed(rule.requirements)] if rule.requirements else []
    told += [f"not {' or '.join(EXCLUDED[who] for who in rule.exclude)}"] if rule.exclude else []
    told += [] if rule.deadline_minutes is None else [f"within {limits.window(rule.deadline_minutes)}"]
    told += map(obligation, rule.obligations)
    told += [] if rule.enforcement is Enforcement.ENFORCE else [f"{rule.enforcement.value} only"]
    told += [] if rule.canary is None else [f"for {rule.canary:g} % of cases"]
    return "; ".join(told)


def around(route: Route) -> list[str]:
    """What stands around the rules of a kind: its limits, waivers, authority, and whether it may run by itself at all."""
    lines = ["never done without a person"] if route.never_automatic else []
    for table in route.authority:
        for role, up_to in sorted(table.up_to.items()):
            which = "any other currency" if len(up_to) > 1 else "any currency"
            most = " and ".join(
                f"{minor:,} minor units of {which}" if currency == OTHER else money(minor, currency)
                for currency, minor in sorted(up_to.items())
            )
            lines.append(f"authority: {role} up to {most}")
    lines += (f"limit: {limit_told(limit)}" for limit in route.limits)
    for waivers in route.waivers.values():
        lines += (
            f"waiver: {w.ref} of {w.rule} until {w.until.isoformat()}, by {w.owner}: {w.reason}; when {' '.join(w.when.split())}"
            for w in waivers
        )
    return lines


def obligation(said: Obligation) -> str:
    """An obligation as people say it."""
    match said:
        case Delay():
            return f"wait {limits.window(said.minutes)} after the last yes"
        case Cap():
            return f"at most {money(said.amount_minor, said.currency)}"
        case Mask():
            return f"hide what is of these kinds in the text: {', '.join(said.what)}"
        case Disclose():
            return f"say at the end: {said.text}"
        case Sample():
            return f"{said.percent:g} % are looked at by {said.role or 'people'}"
        case Notify():
            return f"tell {said.role} once it is done"


def _needed(requirements: Sequence[Requirement]) -> str:
    by_stage: dict[int, list[str]] = {}
    for requirement in requirements:
        by_stage.setdefault(requirement.stage, []).append(_asked(requirement))
    return ", then ".join(" and ".join(by_stage[stage]) for stage in sorted(by_stage))


def _people(verdict: Verdict) -> list[str]:
    needed = _needed(verdict.requirements)
    without = f", not {' or '.join(EXCLUDED.get(who, who) for who in verdict.exclude)}" if verdict.exclude else ""
    lines = [f"needs: {needed}{without}"]
    if verdict.authorised is not None:
        lines.append(f"authority over so much: {', '.join(verdict.authorised)}")
    if verdict.deadline_minutes is not None:
        lines.append(f"within: {limits.window(verdict.deadline_minutes)}, else it counts as refused")
    return lines


def limit_told(limit: Limit) -> str:
    """A limit in words."""
    most = [] if limit.max_count is None else [f"{limit.max_count} times"]
    most += [] if limit.max_minor is None else [money(limit.max_minor, limit.currency or "")]
    per = f" for the same {' and '.join(limit.per)}" if limit.per else ""
    trips = ", and the kind is stopped" if limit.trips else ""
    return (
        f"{limit.ref}: {' and '.join(most)} in {limits.window(limit.window_minutes)}{per}, "
        f"else {limit.over.name.lower()}{trips}"
    )


def _limit(use: Use, tried: Reserved | None) -> str:
    told = limit_told(use.limit)
    return told if tried is None else f"{told}; {'there was room' if tried.held else 'reached'}"


def _action(record: DecisionRecord) -> str:
    facts = record.facts
    kind, domain = facts.get("action_kind", "an action"), facts.get("domain", "no domain")
    amount, currency = facts.get("amount_minor"), facts.get("currency")
    if facts.get("has_amount") is True and isinstance(amount, int) and isinstance(currency, str):
        return f"{kind} of {money(amount, currency)} in {domain}"
    return f"{kind} in {domain}"


def _asked(requirement: Requirement) -> str:
    said = f"{requirement.n} x {requirement.role or 'anybody who may decide'}"
    rungs = (f"{rung.role} after {limits.window(rung.after_minutes)}" for rung in requirement.ladder)
    ladder = ", or ".join(rungs)
    return f"{said} (or {ladder})" if ladder else said


def _mark(answer: RuleAnswer) -> str:
    if answer.matched and (answer.set_aside is not None or answer.enforcement is not Enforcement.ENFORCE):
        return "o"
    return _MARKS[answer.matched]


def _rule(answer: RuleAnswer, seen: Mapping[str, Any]) -> list[str]:
    level = "" if answer.enforcement is Enforcement.ENFORCE else f", {answer.enforcement.value} only"
    if answer.set_aside is not None:
        kind, _, waiver = answer.set_aside.partition(":")
        level += f", {ASIDE[kind]}{f' {waiver}' if waiver else ''}"
    lines = [
        f"  {_mark(answer)} {answer.bundle}/{answer.rule} ({answer.outcome.name.lower()}{level}): {answer.message}",
        f"      when {' '.join(answer.when.split())}",
    ]
    if seen:
        lines.append(f"      with {', '.join(f'{name} = {plain(value)}' for name, value in seen.items())}")
    if answer.error is not None:
        lines.append(f"      failed: {answer.error}")
    return lines

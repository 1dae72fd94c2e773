"""The verdict: every rule that applies is evaluated, the strictest answer wins, requirements add up.

Called by the pipeline for each drafted or edited action. Pure: the same policy, facts and time give the same record. It
raises nothing for bad facts or failing rules; whatever cannot be known makes the verdict stricter. `allow` comes from one
place only: a matching allow rule of an enforced bundle, with nothing stricter matched and no rule error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from policies import cel, record
from policies.rules import ANYBODY, Policy, Route, Rule, union
from policies.types import (
    MUST_STATE,
    DecisionRecord,
    Enforcement,
    Facts,
    Outcome,
    Requirement,
    RuleAnswer,
    Verdict,
)

_SHOWN_REFUSALS = 5

__all__ = ["Policy", "decide", "judge"]


def decide(policy: Policy, facts: Facts, *, at: datetime, trace: bool = False) -> DecisionRecord:
    """Judge one action. The record has the answers that explain the verdict: rules that matched or failed, and those
    that would have allowed it; with `trace`, every rule that was asked."""
    route = policy.route(facts.domain, facts.action_kind)
    shown = record.facts_to_json(facts)
    bound = policy.environment.bind(vars(facts))
    answered = []
    for rule in route.rules:
        result = rule.program.evaluate(bound)
        if result is not False or rule.outcome is Outcome.ALLOW or trace:
            answered.append((rule, _answer(rule, result, shown)))
    verdict = _combine(route, answered, facts.domain, facts.action_kind)
    return _record(policy, verdict, tuple(answer for _, answer in answered), shown, at)


def judge(policy: Policy, raw_facts: Mapping[str, Any], *, at: datetime) -> DecisionRecord:
    """Judge one action by facts that nobody has checked yet. Facts that `Facts` refuses get a review at least. The record
    has every rule's answer."""
    told = [f"{record.plain(key)} is no fact" for key in raw_facts if key not in Facts.model_fields]
    told += (f"{name} is not stated" for name in _unstated(raw_facts))
    if told:
        return _refused(policy, raw_facts, told, at)
    try:
        facts = Facts.model_validate(dict(raw_facts))
    except ValidationError as error:
        told = [f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in _details(error)]
        return _refused(policy, raw_facts, told, at)
    return decide(policy, facts, at=at, trace=True)


def _details(error: ValidationError) -> Sequence[Mapping[str, Any]]:
    return error.errors(include_url=False, include_input=False, include_context=False)


def _unstated(raw: Mapping[str, Any]) -> list[str]:
    return [
        name
        for condition, names in MUST_STATE.items()
        if condition is None or raw.get(condition) is True
        for name in names
        if name not in raw
    ]


def _answer(rule: Rule, result: bool | cel.Fault, shown: dict[str, Any]) -> RuleAnswer:
    fault = result if isinstance(result, cel.Fault) else None
    return RuleAnswer(
        rule=rule.id,
        bundle=rule.bundle,
        layer=rule.layer.value,
        matched=None if isinstance(result, cel.Fault) else result,
        outcome=rule.outcome,
        enforcement=rule.enforcement,
        message=rule.message.fill(shown) if result is True else rule.message.template,
        when=rule.when,
        values={name: shown[name] for name in rule.program.facts},
        error=fault.reason if fault else None,
    )


def _combine(route: Route, answered: Sequence[tuple[Rule, RuleAnswer]], domain: str, kind: str) -> Verdict:
    counting = [(rule, answer) for rule, answer in answered if rule.enforcement is Enforcement.ENFORCE]
    matched = [(rule, answer) for rule, answer in counting if answer.matched]
    failed = [rule.ref for rule, answer in counting if answer.error is not None]
    strictest = max((rule.outcome for rule, _ in matched), default=Outcome.ALLOW)

    floors: list[tuple[Outcome, str]] = []
    if not route.known:
        floors.append((route.unknown_action, f"No policy knows the action {kind!r} in the domain {domain!r}"))
    floors += ((route.rule_error, f"The rule {ref} could not be evaluated") for ref in failed)
    # `notify` makes an allowed action heard; only `allow` permits.
    if not floors and strictest < Outcome.REVIEW and not any(rule.outcome is Outcome.ALLOW for rule, _ in matched):
        floors.append((route.no_match, "No rule allows this by itself"))

    outcome = max([strictest, *(floor for floor, _ in floors)])
    deciding = [(rule, answer) for rule, answer in matched if rule.outcome is outcome]
    reasons = [answer.message for _, answer in deciding]
    reasons += (reason for _, reason in floors)
    reasons += (_warning(rule, answer) for rule, answer in answered if _warns(rule, answer))
    return Verdict(
        outcome=outcome,
        requirements=_requirements(route, deciding, outcome, by_default=any(f is outcome for f, _ in floors)),
        reasons=tuple(dict.fromkeys(reasons)),
        rules=tuple(rule.ref for rule, _ in deciding),
        exclude=tuple(sorted({who for rule, _ in deciding for who in rule.exclude})),
    )


def _requirements(
    route: Route, deciding: Sequence[tuple[Rule, RuleAnswer]], outcome: Outcome, *, by_default: bool
) -> tuple[Requirement, ...]:
    if outcome is not Outcome.REVIEW:
        return ()
    asked = [requirement for rule, _ in deciding for requirement in rule.requirements or ANYBODY]
    return union([*asked, *(route.requirements if by_default else ())])


def _warns(rule: Rule, answer: RuleAnswer) -> bool:
    return rule.enforcement is Enforcement.WARN and answer.matched is not False


def _warning(rule: Rule, answer: RuleAnswer) -> str:
    if answer.error is not None:
        return f"Warning: the rule {rule.ref} could not be evaluated"
    return f"Warning: {answer.message}"


def _refused(policy: Policy, raw: Mapping[str, Any], details: list[str], at: datetime) -> DecisionRecord:
    """Nothing can be allowed. What can be known still holds: an unknown action is not for anybody to approve, and rules that
    look at sound facts alone say who must (an amount above the ceiling stays above it when the currency is unreadable)."""
    domain, kind = raw.get("domain"), raw.get("action_kind")
    route = policy.route(domain if isinstance(domain, str) else "", kind if isinstance(kind, str) else "")
    told = details[:_SHOWN_REFUSALS]
    if len(details) > len(told):
        told.append(f"and {len(details) - len(told)} more")
    reasons = [f"The facts about this action cannot be trusted: {'; '.join(told)}"]
    outcome = max(Outcome.REVIEW, route.rule_error)
    if not route.known:
        outcome = max(outcome, route.unknown_action)
        reasons.append(f"No policy knows the action {record.plain(kind)!r} in the domain {record.plain(domain)!r}")
    strict = [(rule, answer) for rule, answer in _certain(policy, route, raw) if answer.outcome >= Outcome.REVIEW]
    outcome = max([outcome, *(rule.outcome for rule, _ in strict)])
    deciding = [(rule, answer) for rule, answer in strict if rule.outcome is outcome]
    verdict = Verdict(
        outcome=outcome,
        requirements=union([*route.requirements, *(r for rule, _ in deciding for r in rule.requirements)])
        if outcome is Outcome.REVIEW
        else (),
        reasons=tuple(dict.fromkeys([*reasons, *(answer.message for _, answer in deciding)])),
        rules=tuple(rule.ref for rule, _ in deciding),
        exclude=tuple(sorted({who for rule, _ in deciding for who in rule.exclude})),
    )
    return _record(policy, verdict, (), {str(record.plain(key)): record.plain(value) for key, value in raw.items()}, at)


def _certain(policy: Policy, route: Route, raw: Mapping[str, Any]) -> list[tuple[Rule, RuleAnswer]]:
    """Enforced rules that match and name none of the facts that were refused or left out."""
    missing = {name for name in Facts.model_fields if name not in raw}
    sound = {name: raw[name] for name in Facts.model_fields if name in raw}
    try:
        facts = Facts.model_validate(sound)
    except ValidationError as error:
        wrong = {str(detail["loc"][0]) for detail in _details(error)}
        try:
            facts = Facts.model_validate({name: value for name, value in sound.items() if name not in wrong})
        except ValidationError:
            return []
        missing |= wrong
    shown = record.facts_to_json(facts)
    bound = policy.environment.bind(vars(facts))
    return [
        (rule, _answer(rule, True, shown))
        for rule in route.rules
        if rule.enforcement is Enforcement.ENFORCE
        and missing.isdisjoint(rule.program.facts)
        and rule.program.evaluate(bound) is True
    ]


def _record(
    policy: Policy, verdict: Verdict, answers: tuple[RuleAnswer, ...], facts: dict[str, Any], at: datetime
) -> DecisionRecord:
    return DecisionRecord(
        verdict=verdict,
        answers=answers,
        facts=facts,
        policy=policy.name,
        policy_hash=policy.hash,
        engine=cel.ENGINE,
        decided_at=at,
    )

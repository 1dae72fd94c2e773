"""The verdict: every rule that applies is evaluated, the strictest answer wins, requirements add up.

Called by the pipeline for each drafted or edited action. Pure: the same policy, facts and time give the same record. It
raises nothing for bad facts or failing rules; whatever cannot be known makes the verdict stricter. `allow` comes from one
place only: a matching allow rule of an enforced bundle that counts, with nothing stricter matched, no rule error, no kill
switch, no sample drawn, no cap exceeded, and a kind that may run by itself at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from policies import cel, combining, conditions, record
from policies.combining import Answered
from policies.rules import Policy, Route, Rule
from policies.types import AT_WORST, MUST_STATE, DecisionRecord, Enforcement, Facts, Outcome, RuleAnswer, Use, Verdict

_SHOWN_REFUSALS = 5
_NAMES = frozenset(Facts.model_fields)
_MUST_STATE = frozenset(name for names in (*MUST_STATE.values(), *AT_WORST.values()) for name in names)

__all__ = ["Policy", "decide", "judge"]


def decide(policy: Policy, facts: Facts, *, at: datetime, trace: bool = False) -> DecisionRecord:
    """Judge one action. The record has the answers that explain the verdict: rules that matched or failed, and those
    that would have allowed it; with `trace`, every rule that was asked."""
    route = policy.route(facts.domain, facts.action_kind)
    shown = record.facts_to_json(facts)
    # `Facts` has seen them all; what no rule that is asked names need not be converted.
    values = vars(facts)
    asked = [rule for rule in route.rules if rule.counts or rule.tells_time or not _sifted_out(rule, values)]
    names = route.names if route.waivers else {name for rule in asked for name in rule.program.facts}
    bound = policy.environment.bind(values, names)
    if isinstance(bound, cel.Fault):
        asked = list(route.rules)
    results = {rule.ref: conditions.evaluated(rule, bound, facts) for rule in asked}
    answers: list[RuleAnswer] = []
    speaking: list[Answered] = []
    silent: list[str] = []
    for rule in route.rules:
        result = results.get(rule.ref, False)
        if result is not False:
            answer = _answer(route, rule, result, bound, facts, shown)
            answers.append(answer)
            speaking.append((rule, answer))
        elif trace:
            answers.append(rule.silent)
        else:
            silent.append(rule.ref)
            if rule.outcome is Outcome.ALLOW:
                answers.append(rule.silent)
    verdict, uses = combining.verdict(route, speaking, facts)
    return _record(policy, verdict, tuple(answers), shown, at, uses, tuple(silent))


def _sifted_out(rule: Rule, values: Mapping[str, Any]) -> bool:
    for part in rule.sieve:
        for name, test in part:
            if test(values[name]) is not False:
                break
        else:
            return True
    return any(test(values[one], values[other]) is False for one, test, other in rule.pairs) if rule.pairs else False


def judge(policy: Policy, raw_facts: Mapping[str, Any], *, at: datetime, trace: bool = True) -> DecisionRecord:
    """Judge one action by facts that nobody has checked yet. Facts that `Facts` refuses get a review at least. The record
    has every rule's answer; without `trace`, of those that do not match only the names, as `decide` has it."""
    stated = raw_facts.keys()
    told = [] if stated <= _NAMES else [f"{record.plain(key)} is no fact" for key in raw_facts if key not in _NAMES]
    if not stated >= _MUST_STATE:
        raw_facts = _at_worst(raw_facts)
        told += (f"{name} is not stated" for name in _unstated(raw_facts))
    if told:
        return _refused(policy, raw_facts, told, at)
    try:
        facts = Facts.model_validate(dict(raw_facts))
    except ValidationError as error:
        told = [f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in _details(error)]
        return _refused(policy, raw_facts, told, at)
    return decide(policy, facts, at=at, trace=trace)


def _details(error: ValidationError) -> Sequence[Mapping[str, Any]]:
    return error.errors(include_url=False, include_input=False, include_context=False)


def _at_worst(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    kind = raw.get("action_kind")
    return {**AT_WORST.get(kind, {}), **raw} if isinstance(kind, str) else raw


def _unstated(raw: Mapping[str, Any]) -> list[str]:
    return [
        name
        for condition, names in MUST_STATE.items()
        if condition is None or raw.get(condition) is True
        for name in names
        if name not in raw
    ]


def _answer(
    route: Route,
    rule: Rule,
    result: bool | cel.Fault,
    bound: cel.Bound | cel.Fault,
    facts: Facts,
    shown: dict[str, Any],
) -> RuleAnswer:
    """Of a rule that matches or fails."""
    fault = result if isinstance(result, cel.Fault) else None
    enforcement, set_aside = rule.enforcement, None
    if not conditions.rolled_out(rule, facts):
        enforcement, set_aside = min(enforcement, Enforcement.OBSERVE, key=_LEVELS.index), "canary"
    elif fault is None and conditions.suspended(rule, facts):
        set_aside = "suspended"
    elif fault is None and route.waivers and (waiver := conditions.waiver_of(route, rule, bound, facts)):
        set_aside = f"waiver:{waiver.ref}"
    return RuleAnswer(
        rule=rule.id,
        bundle=rule.bundle,
        layer=rule.layer_name,
        matched=None if fault else True,
        outcome=rule.outcome,
        enforcement=enforcement,
        message=rule.message.template if fault else rule.message.fill(shown),
        when=rule.when,
        names=rule.program.facts,
        error=fault.reason if fault else None,
        set_aside=set_aside,
    )


_LEVELS = tuple(Enforcement)


def _refused(policy: Policy, raw: Mapping[str, Any], details: list[str], at: datetime) -> DecisionRecord:
    """Nothing can be allowed. What can be known still holds: an unknown action is not for anybody to approve, and rules that
    look at sound facts alone say who must (an amount above the ceiling stays above it when the currency is unreadable)."""
    domain, kind = raw.get("domain"), raw.get("action_kind")
    route = policy.route(domain if isinstance(domain, str) else "", kind if isinstance(kind, str) else "")
    told = details[:_SHOWN_REFUSALS]
    if len(details) > len(told):
        told.append(f"and {len(details) - len(told)} more")
    reasons = [f"The facts about this action cannot be trusted: {'; '.join(told)}"]
    if not route.known:
        reasons.append(f"No policy knows the action {record.plain(kind)!r} in the domain {record.plain(domain)!r}")
    facts, sound = _sound(raw)
    strict = [] if facts is None else _certain(policy, route, facts, sound)
    verdict, uses = combining.refused(route, strict, facts, sound, reasons)
    shown = {str(record.plain(key)): record.plain(value) for key, value in raw.items()}
    return _record(policy, verdict, (), shown, at, uses)


def _sound(raw: Mapping[str, Any]) -> tuple[Facts | None, frozenset[str]]:
    """The facts that are sound by themselves, the others at their defaults, and the names of the sound ones."""
    stated = {name: raw[name] for name in Facts.model_fields if name in raw}
    try:
        return Facts.model_validate(stated), frozenset(stated)
    except ValidationError as error:
        wrong = {str(detail["loc"][0]) for detail in _details(error)}
    stated = {name: value for name, value in stated.items() if name not in wrong}
    try:
        return Facts.model_validate(stated), frozenset(stated)
    except ValidationError:
        return None, frozenset()


def _certain(policy: Policy, route: Route, facts: Facts, sound: frozenset[str]) -> list[Answered]:
    """Rules that match, count, and name none of the facts that were refused or left out. Nothing sets them aside: what a
    waiver or a trial is drawn by may be among what cannot be trusted."""
    shown = record.facts_to_json(facts)
    bound = policy.environment.bind(vars(facts))
    return [
        (rule, _certainly(rule, shown))
        for rule in route.rules
        if rule.enforcement is Enforcement.ENFORCE
        and rule.canary is None
        and sound.issuperset(rule.program.facts)
        and conditions.evaluated(rule, bound, facts) is True
    ]


def _certainly(rule: Rule, shown: dict[str, Any]) -> RuleAnswer:
    return replace(rule.silent, matched=True, message=rule.message.fill(shown))


def _record(
    policy: Policy,
    verdict: Verdict,
    answers: tuple[RuleAnswer, ...],
    facts: dict[str, Any],
    at: datetime,
    uses: tuple[Use, ...],
    unmatched: tuple[str, ...] = (),
) -> DecisionRecord:
    return DecisionRecord(
        verdict=verdict,
        answers=answers,
        facts=facts,
        policy=policy.name,
        policy_hash=policy.hash,
        engine=policy.environment.engine,
        decided_at=at,
        uses=uses,
        unmatched=unmatched,
    )

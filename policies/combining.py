"""From the rules' answers to one verdict: the strictest outcome, and everybody and everything that any of them asks for.

Pure; `engine` calls it. A rule more never makes less of the verdict: outcomes are a maximum, requirements, exclusions and
obligations a union, authority an intersection, deadlines a minimum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from policies import authority, conditions
from policies.obligations import Obligation, Sample
from policies.requirements import ANYBODY, union
from policies.rules import Route, Rule
from policies.types import Enforcement, Facts, Limit, Outcome, Requirement, RuleAnswer, Use, Verdict

Answered = tuple[Rule, RuleAnswer]

#: what requirements come to, and whom they are handed on to, is worked out once for each of so many
_REMEMBERED = 1_000

_MONEY = {"has_amount", "amount_minor", "currency"}

#: a reason that no rule gave, how strict it is, and whom it asks (None: those of the defaults)
_Floor = tuple[Outcome, str, tuple[Requirement, ...] | None]


def verdict(route: Route, answered: Sequence[Answered], facts: Facts) -> tuple[Verdict, tuple[Use, ...]]:
    """What the answers come to, and the limits that the action falls under. Of rules that do not match nothing is needed."""
    matched, failed, warnings, waivers = _counted(answered)
    obligations = _obligations(answered)
    roles = _authorised(route, facts.amount_minor, facts.currency) if _moves(facts) else None

    floors = _floors(route, matched, failed, facts)
    outcome = _strictest(matched, floors)
    if outcome < Outcome.REVIEW and (looks := _second_looks(route, matched, facts)):
        floors += looks
        outcome = Outcome.REVIEW
    if unmet := _unmet(obligations, facts, roles):
        floors += unmet
        outcome = Outcome.DENY

    reasons = [answer.message for rule, answer in matched if rule.outcome is outcome]
    reasons += [reason for _, reason, _ in floors]
    made = _made(route, matched, floors, outcome, roles, [*reasons, *warnings], obligations)
    if waivers:
        made = replace(made, waivers=tuple(sorted(set(waivers))))
    return made, () if outcome is Outcome.DENY else _uses(route, facts, roles)


def _counted(answered: Sequence[Answered]) -> tuple[list[Answered], list[str], list[str], list[str]]:
    """What counts: rules that matched and rules that failed. And beside it: warnings, and the waivers that were used."""
    matched: list[Answered] = []
    failed: list[str] = []
    warnings: list[str] = []
    waivers: list[str] = []
    for rule, answer in answered:
        if answer.set_aside is not None:
            what, _, waiver = answer.set_aside.partition(":")
            if what == "waiver":
                waivers.append(waiver)
        elif answer.enforcement is Enforcement.ENFORCE:
            if answer.matched:
                matched.append((rule, answer))
            elif answer.error is not None:
                failed.append(rule.ref)
        if _warns(answer):
            warnings.append(_warning(rule, answer))
    return matched, failed, warnings, waivers


def _obligations(answered: Iterable[Answered]) -> list[Obligation]:
    """What the rules that match oblige to. A suspended one permits nothing, and obliges as before: else a switch would let out
    what the rule has masked, or holds back for an hour. Only the share of what it would let run by itself is none any more."""
    found: list[Obligation] = []
    for rule, answer in answered:
        if not rule.obligations or not answer.matched or answer.enforcement is not Enforcement.ENFORCE:
            continue
        if answer.set_aside is None:
            found += rule.obligations
        elif answer.set_aside == "suspended":
            found += (said for said in rule.obligations if not isinstance(said, Sample))
    return found


def refused(
    route: Route, certain: Sequence[Answered], facts: Facts | None, sound: frozenset[str], reasons: Sequence[str]
) -> tuple[Verdict, tuple[Use, ...]]:
    """What stands of an action whose facts cannot be trusted: never less than a review, by whomever the defaults name."""
    floors: list[_Floor] = [(max(Outcome.REVIEW, route.rule_error), reason, None) for reason in reasons]
    if not route.known:
        floors.append((route.unknown_action, reasons[-1], None))
    known = {} if facts is None else {name: said for name, said in _money_facts(facts).items() if name in sound}
    roles = None
    if route.authority:
        amount, currency = known.get("amount_minor"), known.get("currency")
        if known.keys() != _MONEY or known["has_amount"] or amount:
            roles = _authorised(route, amount, currency)
    if facts is not None:
        floors += ((Outcome.REVIEW, reason, None) for reason in conditions.held_by(facts.thrown_switches))
    obligations = [obligation for rule, _ in certain for obligation in rule.obligations]
    floors += ((Outcome.DENY, reason, None) for reason in conditions.uncapped(obligations, known))
    outcome = _strictest(certain, floors)
    strict = [(rule, answer) for rule, answer in certain if rule.outcome is outcome]
    said = [*(reason for _, reason, _ in floors), *(answer.message for _, answer in strict)]
    uses = () if facts is None or outcome is Outcome.DENY else _uses(route, facts, roles)
    return _made(route, certain, floors, outcome, roles, said, obligations, look=False), uses


def _floors(route: Route, matched: Sequence[Answered], failed: Sequence[str], facts: Facts) -> list[_Floor]:
    """What holds whatever the rules that matched say."""
    floors: list[_Floor] = []
    if not route.known:
        what = f"No policy knows the action {facts.action_kind!r} in the domain {facts.domain!r}"
        floors.append((route.unknown_action, what, None))
    floors += [(route.rule_error, f"The rule {ref} could not be evaluated", None) for ref in failed]
    said = [rule.outcome for rule, _ in matched]
    if facts.thrown_switches:
        # Where a rule asks people anyway, a switch only tells them: what they approve is held until it is released.
        asked = () if Outcome.REVIEW in said else None
        floors += [(Outcome.REVIEW, why, asked) for why in conditions.held_by(facts.thrown_switches)]
    spoken = Outcome.ALLOW in said or Outcome.REVIEW in said or Outcome.DENY in said
    # `notify` makes an allowed action heard; only `allow` permits. Where a stricter reason is given, this one says nothing.
    if route.known and not spoken and all(floor < route.no_match for floor, _, _ in floors):
        floors.append((route.no_match, "No rule allows this by itself", None))
    return floors


def _second_looks(route: Route, matched: Sequence[Answered], facts: Facts) -> list[_Floor]:
    """Why people look at what would run by itself."""
    floors: list[_Floor] = []
    if route.never_automatic:
        floors.append((Outcome.REVIEW, f"{facts.action_kind} is never done without a person", None))
    for rule, _ in matched:
        for sample in conditions.sampled(rule, facts) if rule.obligations else ():
            asked = (Requirement(sample.role),) if sample.role else None
            floors.append((Outcome.REVIEW, f"Drawn for a second look, as {sample.percent:g} % of these are", asked))
    return floors


def _unmet(obligations: Sequence[Obligation], facts: Facts, roles: tuple[str, ...] | None) -> list[_Floor]:
    told = conditions.uncapped(obligations, _money_facts(facts)) if obligations else []
    if roles == ():
        told.append("Nobody has the authority to approve so much")
    return [(Outcome.DENY, reason, None) for reason in told]


def _money_facts(facts: Facts) -> dict[str, Any]:
    return {"has_amount": facts.has_amount, "amount_minor": facts.amount_minor, "currency": facts.currency}


def _made(
    route: Route,
    matched: Sequence[Answered],
    floors: Sequence[_Floor],
    outcome: Outcome,
    roles: tuple[str, ...] | None,
    reasons: Iterable[str],
    obligations: Sequence[Obligation],
    *,
    look: bool = True,
) -> Verdict:
    """The verdict at this outcome. `look`: a review that names nobody asks for anybody; else the defaults name them."""
    deciding = [rule for rule, _ in matched if rule.outcome is outcome]
    told, rules = tuple(dict.fromkeys(reasons)), tuple(rule.ref for rule in deciding)
    if outcome is Outcome.DENY:
        return Verdict(outcome, (), told, rules)
    requirements: tuple[Requirement, ...] = ()
    if outcome is Outcome.REVIEW:
        parts = [rule.requirements or (ANYBODY if look else ()) for rule in deciding]
        parts += (route.requirements if asked is None else asked for floor, _, asked in floors if floor is outcome)
        # What one part asks for was put together when it was loaded.
        requirements = _handed_on(route, roles, parts[0] if len(parts) == 1 else _together(tuple(parts)))
    deadlines = [rule.deadline_minutes for rule in deciding if rule.deadline_minutes is not None]
    return Verdict(
        outcome=outcome,
        requirements=requirements,
        reasons=told,
        rules=rules,
        exclude=tuple(sorted({who for rule in deciding for who in rule.exclude})),
        authorised=roles,
        obligations=conditions.together(obligations) if obligations else (),
        deadline_minutes=min(deadlines, default=None),
    )


@lru_cache(_REMEMBERED)
def _together(parts: tuple[tuple[Requirement, ...], ...]) -> tuple[Requirement, ...]:
    return union(parts)


def _strictest(matched: Sequence[Answered], floors: Sequence[_Floor]) -> Outcome:
    said = [rule.outcome for rule, _ in matched]
    said += [floor for floor, _, _ in floors]
    return max(said, default=Outcome.ALLOW)


def _moves(facts: Facts) -> bool:
    return facts.has_amount or facts.amount_minor != 0


def _authorised(route: Route, amount: int | None, currency: str | None) -> tuple[str, ...] | None:
    return authority.authorised(route.authority, amount, currency) if route.authority else None


def _handed_on(route: Route, roles: tuple[str, ...] | None, asked: tuple[Requirement, ...]) -> tuple[Requirement, ...]:
    if roles is None:
        return asked
    found = route.handed_on.get((roles, asked))
    if found is None:
        found = union([authority.handed_on(route.authority, roles, asked)])
        if len(route.handed_on) < _REMEMBERED:
            route.handed_on[roles, asked] = found
    return found


def _uses(route: Route, facts: Facts, roles: tuple[str, ...] | None) -> tuple[Use, ...]:
    uses = []
    for limit in _limits(route, roles) if route.limits else ():
        counted = limit.currency is not None and facts.currency == limit.currency
        # A limit on euros alone says nothing of yen; one on how many says it of all.
        if limit.max_count is not None or counted:
            uses.append(Use(limit, _key(limit, facts), max(facts.amount_minor, 0) if counted else 0))
    return tuple(uses)


def _limits(route: Route, roles: tuple[str, ...] | None) -> tuple[Limit, ...]:
    """The route's limits, asking those whose authority reaches so far."""
    found = route.limits_of.get(roles)
    if found is None:
        found = tuple(
            replace(limit, requirements=_handed_on(route, roles, limit.requirements)) for limit in route.limits
        )
        if len(route.limits_of) < _REMEMBERED:
            route.limits_of[roles] = found
    return found


def _key(limit: Limit, facts: Facts) -> str:
    apart = {
        "customer": facts.customer_id,
        "domain": facts.domain,
        "kind": facts.action_kind,
        "vendor": facts.vendor,
    }
    return "|".join([limit.ref, *(f"{per}:{apart[per]}" for per in limit.per)])


def _warns(answer: RuleAnswer) -> bool:
    return answer.enforcement is Enforcement.WARN and answer.matched is not False


def _warning(rule: Rule, answer: RuleAnswer) -> str:
    if answer.error is not None:
        return f"Warning: the rule {rule.ref} could not be evaluated"
    return f"Warning: {answer.message}"

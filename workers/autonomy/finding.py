"""From what people decided to what might run by itself: the widest condition that the decisions bear out.

Reads decisions and the policy, asks and changes nothing. A condition is borne out when the share of plain yeses may be relied
on at the policy's threshold, reckoned so that neither the number of conditions tried nor the number of looks can be held
against it, and when the decisions are many, recent, by several people and about many customers. Kinds that must never run
by themselves are not looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from policies import engine, record
from policies.evidence import first_alarm, lasting_bound, lower_bound, suspicion
from policies.rules import Autonomy, Layer, Policy
from policies.types import Facts, Outcome, RuleAnswer
from workers.actions.base import ActionKind, Risk
from workers.actions.catalogue import CATALOGUE
from workers.autonomy import conditions
from workers.autonomy.conditions import SAFE, Condition, Part
from workers.store import autonomy
from workers.store.autonomy import Decided
from workers.store.database import Tx

#: how far back decisions are looked at, and how many of the newest at most
HISTORY = timedelta(days=365)
MOST = 5_000
#: people decide otherwise in new times: the newest is at most so old, and a fair part younger than that
NEWEST = timedelta(days=30)
RECENT, RECENT_SHARE = timedelta(days=90), 0.2
PEOPLE, MOST_BY_ONE = 2, 0.9
CUSTOMERS, MOST_OF_ONE = 20, 0.2
#: a rule that asks people in so many of the cases is what stands in the way; one that seldom does is an exception, and stays
IN_THE_WAY = 0.5
_POINTS = 60


@dataclass(frozen=True, slots=True)
class Evidence:
    """What bears a condition out. `bound` is the exact one of a single look, `lasting` the one that decides."""

    agreed: int
    seen: int
    bound: float
    lasting: float
    tried: int
    edited: int
    rejected: int
    failed: int
    reversed: int
    customers: int
    people: Mapping[str, tuple[int, int]]
    months: Mapping[str, tuple[int, int]]
    #: (decisions, exact bound, lasting bound) over time
    path: Sequence[tuple[int, float, float]]
    yeses: Sequence[bool]
    first: datetime
    last: datetime
    busiest_day: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that might run by itself: the condition, the rules that ask people today, and why it should not need them."""

    domain: str
    kind: ActionKind
    condition: Condition
    parts: Sequence[Part]
    in_the_way: Sequence[str]
    #: groups that those rules ask
    asked: Sequence[str]
    evidence: Evidence
    #: a decision that is like the others, for the tests of the proposal
    example: Facts


@dataclass(frozen=True, slots=True)
class Lacking:
    """A kind for which nothing is proposed, and what is missing for the best of its conditions."""

    domain: str
    kind: str
    why: str
    agreed: int = 0
    seen: int = 0


@dataclass(frozen=True, slots=True)
class _Situation:
    """One decision with the facts as the engine takes them, and what the policy says of it today."""

    decided: Decided
    facts: Facts
    #: rules that ask people; None where it is not for a domain's rules alone to change that
    asking: frozenset[str] | None
    bound: Any

    @property
    def agreed(self) -> bool:
        return self.decided.verdict == "approved" and self.decided.fate == "done"


def never(policy: Policy, domain: str, kind: ActionKind) -> str:
    """Why this kind is never proposed; "" where it may be."""
    if policy.route(domain, kind.name).never_automatic:
        return "the policy says that it never runs by itself"
    if kind.risk is Risk.HIGH and not kind.reversible:
        return "it is of high risk and cannot be taken back"
    return ""


def findings(tx: Tx, policy: Policy, now: datetime) -> tuple[list[Finding], list[Lacking]]:
    """What might run by itself, and what is missing for the rest."""
    found: list[Finding] = []
    lacking: list[Lacking] = []
    for domain, name in autonomy.kinds_decided(tx, now - HISTORY):
        kind = CATALOGUE.get(name)
        if kind is None or not policy.route(domain, name).known:
            continue
        if why := never(policy, domain, kind):
            lacking.append(Lacking(domain, name, why))
            continue
        decided = autonomy.decided(tx, domain, name, now - HISTORY, MOST)
        made = find(policy, domain, kind, decided, now)
        if isinstance(made, Finding):
            people = autonomy.names(tx, list(made.evidence.people))
            by = {people.get(who, "somebody"): counts for who, counts in made.evidence.people.items()}
            found.append(replace(made, evidence=replace(made.evidence, people=by)))
        else:
            lacking.append(made)
    return found, lacking


def find(policy: Policy, domain: str, kind: ActionKind, decided: Iterable[Decided], now: datetime) -> Finding | Lacking:
    """The widest condition that these decisions bear out, or what is missing."""
    thresholds = policy.autonomy
    situations = [situation for one in decided if (situation := _situation(policy, one)) is not None]
    safe = _matching(policy, situations, [Part(cel, "", broken) for cel, broken in SAFE.items()])
    money = any(one.facts.has_amount for one in situations)
    tried = conditions.tried(money=money)
    best = Lacking(domain, kind.name, "too few decisions on proposals that were safe", seen=len(safe))
    widest: Finding | None = None
    for condition in conditions.candidates([one.facts for one in safe], money=money) if safe else ():
        made = _borne_out(policy, thresholds, domain, kind, condition, safe, tried, now)
        if isinstance(made, Finding):
            if widest is None or _wider(made, widest):
                widest = made
        elif made.seen and (made.agreed / made.seen, made.seen) > (best.agreed / max(best.seen, 1), best.seen):
            best = made
    return best if widest is None else replace(widest, evidence=_over_time(widest.evidence, thresholds.confidence))


def _wider(one: Finding, other: Finding) -> bool:
    return (one.evidence.seen, -len(one.parts)) > (other.evidence.seen, -len(other.parts))


def _situation(policy: Policy, decided: Decided) -> _Situation | None:
    if decided.verdict == "approved" and not decided.fate:
        # Still under way, or never carried out without anybody's no: out of date, withdrawn, taken over.
        return None
    try:
        facts = record.facts_from_json({**record.facts_of({"facts": dict(decided.facts), "usual_left_out": True})})
    except ValidationError:
        # Kept under a version whose facts were others.
        return None
    judged = engine.decide(policy, facts, at=decided.decided_at)
    if any(answer.outcome is Outcome.ALLOW and _counts(answer) for answer in judged.answers):
        allowed = all(answer.outcome < Outcome.REVIEW or not _counts(answer) for answer in judged.answers)
        if allowed:
            # It runs by itself already; people saw it as a sample.
            return None
    return _Situation(decided, facts, _asking(judged.answers), policy.environment.bind(vars(facts)))


def _counts(answer: RuleAnswer) -> bool:
    return answer.matched is True and answer.set_aside is None and answer.enforcement.value == "enforce"


def _asking(answers: Sequence[RuleAnswer]) -> frozenset[str] | None:
    counting = [answer for answer in answers if _counts(answer)]
    if any(answer.error is not None for answer in answers) or any(a.outcome is Outcome.DENY for a in counting):
        return None
    asking = [answer for answer in counting if answer.outcome is Outcome.REVIEW]
    if any(answer.layer == Layer.PLATFORM.value for answer in asking):
        return None
    return frozenset(f"{answer.bundle}/{answer.rule}" for answer in asking)


def _matching(policy: Policy, situations: Iterable[_Situation], parts: Sequence[Part]) -> list[_Situation]:
    programs = [policy.environment.compile(part.cel) for part in parts]
    return [one for one in situations if all(program.evaluate(one.bound) is True for program in programs)]


def _borne_out(
    policy: Policy,
    thresholds: Autonomy,
    domain: str,
    kind: ActionKind,
    condition: Condition,
    safe: Sequence[_Situation],
    tried: int,
    now: datetime,
) -> Finding | Lacking:
    group = [one for one in _matching(policy, safe, condition.parts) if one.asking is not None]
    counted = Counter(ref for one in group for ref in one.asking or ())
    in_the_way = frozenset(ref for ref, times in counted.items() if times >= IN_THE_WAY * len(group))
    # What other rules ask people about goes on being theirs, and proves nothing here.
    group = [one for one in group if one.asking is not None and one.asking <= in_the_way]
    looked_at = _looked_at(policy, domain, kind.name, in_the_way) - conditions.named(condition.parts)
    usual = conditions.ordinary([one.facts for one in group], looked_at)
    group = [one for one in group if _ordinary(one.facts, looked_at, usual)]
    agreed = sum(one.agreed for one in group)

    def lacks(why: str) -> Lacking:
        return Lacking(domain, kind.name, f"{condition.words}: {why}", agreed, len(group))

    if len(group) < max(thresholds.min_decisions, 1):
        return lacks(f"{len(group)} decisions of {thresholds.min_decisions}")
    confidence = 1 - (1 - thresholds.confidence) / tried
    lasting = lasting_bound(agreed, len(group), confidence)
    if lasting < thresholds.lower_bound:
        return lacks(f"relied on to {lasting:.1%}, {thresholds.lower_bound:.1%} are asked for")
    if why := _narrow(group, now):
        return lacks(why)
    wrong = [not one.agreed for one in group]
    if first_alarm(suspicion(wrong, thresholds.max_reversal_rate)[-1:], thresholds.alpha) is not None:
        return lacks("lately more was refused than is tolerated")
    evidence = _evidence(group, agreed, lasting, tried, thresholds.confidence)
    sure = conditions.confident(one.facts for one in group)
    looked_at -= conditions.named(sure)
    return Finding(
        domain=domain,
        kind=kind,
        condition=condition,
        parts=[*condition.parts, *sure, *conditions.within([one.facts for one in group], looked_at)],
        in_the_way=sorted(in_the_way),
        asked=_asked(policy, domain, kind.name, in_the_way),
        evidence=evidence,
        example=next(one.facts for one in reversed(group) if one.agreed),
    )


def _narrow(group: Sequence[_Situation], now: datetime) -> str:
    """What makes many decisions prove little; "" where they prove what they seem to."""
    newest = group[-1].decided.decided_at
    if now - newest > NEWEST:
        return f"the newest decision is of {newest:%Y-%m-%d}"
    recent = sum(1 for one in group if now - one.decided.decided_at <= RECENT)
    if recent < RECENT_SHARE * len(group):
        return f"{recent} of {len(group)} decisions are of the last {RECENT.days} days"
    people = Counter(one.decided.person_id or "" for one in group)
    if len(people) < PEOPLE or max(people.values()) > MOST_BY_ONE * len(group):
        return "one person decided nearly all of them"
    customers = Counter(one.decided.customer or one.decided.case_id for one in group)
    if len(customers) < CUSTOMERS or max(customers.values()) > MOST_OF_ONE * len(group):
        return f"they are about {len(customers)} customers"
    return ""


def _looked_at(policy: Policy, domain: str, kind: str, in_the_way: frozenset[str]) -> set[str]:
    return {name for rule in policy.route(domain, kind).rules if rule.ref in in_the_way for name in rule.program.facts}


def _ordinary(facts: Facts, names: Iterable[str], usual: set[tuple[str, str]]) -> bool:
    return all((name, value) in usual for name in names if isinstance(value := getattr(facts, name), str))


def _asked(policy: Policy, domain: str, kind: str, in_the_way: frozenset[str]) -> list[str]:
    rules = [rule for rule in policy.route(domain, kind).rules if rule.ref in in_the_way]
    return sorted({requirement.role for rule in rules for requirement in rule.requirements if requirement.role})


def _evidence(group: Sequence[_Situation], agreed: int, lasting: float, tried: int, confidence: float) -> Evidence:
    verdicts = Counter(one.decided.verdict for one in group)
    fates = Counter(one.decided.fate for one in group)
    days = Counter(f"{one.decided.decided_at:%Y-%m-%d}" for one in group)
    return Evidence(
        agreed=agreed,
        seen=len(group),
        bound=lower_bound(agreed, len(group), confidence),
        lasting=lasting,
        tried=tried,
        edited=verdicts["edited"],
        rejected=verdicts["rejected"] + verdicts["changes"] + fates["stopped"],
        failed=fates["failed"] + fates["uncertain"],
        reversed=fates["reversed"],
        customers=len({one.decided.customer or one.decided.case_id for one in group}),
        people=_counted((one.decided.person_id or "", one.agreed) for one in group),
        months=_counted((f"{one.decided.decided_at:%Y-%m}", one.agreed) for one in group),
        path=(),
        yeses=tuple(one.agreed for one in group),
        first=group[0].decided.decided_at,
        last=group[-1].decided.decided_at,
        busiest_day=max(days.values()),
    )


def _counted(said: Iterable[tuple[str, bool]]) -> dict[str, tuple[int, int]]:
    made: dict[str, tuple[int, int]] = {}
    for key, agreed in said:
        yeses, seen = made.get(key, (0, 0))
        made[key] = (yeses + agreed, seen + 1)
    return dict(sorted(made.items()))


def _over_time(evidence: Evidence, confidence: float) -> Evidence:
    """With how the bounds came about, which is reckoned for what is proposed alone."""
    return replace(evidence, path=_path(evidence.yeses, confidence, 1 - (1 - confidence) / evidence.tried))


def _path(agreed: Sequence[bool], confidence: float, shared: float) -> list[tuple[int, float, float]]:
    every = max(1, len(agreed) // _POINTS)
    made, yeses = [], 0
    for seen, yes in enumerate(agreed, start=1):
        yeses += yes
        if seen % every == 0 or seen == len(agreed):
            made.append((seen, lower_bound(yeses, seen, confidence), lasting_bound(yeses, seen, shared)))
    return made


def as_json(evidence: Evidence) -> dict[str, Any]:
    """As it is kept with a proposal."""
    return {
        **{name: getattr(evidence, name) for name in _PLAIN},
        "people": {who: list(counts) for who, counts in evidence.people.items()},
        "months": {month: list(counts) for month, counts in evidence.months.items()},
        "path": [list(point) for point in evidence.path],
        "first": evidence.first.isoformat(),
        "last": evidence.last.isoformat(),
    }


_PLAIN = (
    *("agreed", "seen", "bound", "lasting", "tried", "edited", "rejected", "failed", "reversed", "customers"),
    "busiest_day",
)

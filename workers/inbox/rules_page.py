"""The pages ``/policy`` and ``/policy/rules/…``: every rule in force, how often it matched of late, and on which actions.

Show and change nothing. Hits are counted beside the work; what was decided in the last minutes is added when a page is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from policies import analysis, limits
from policies.authority import OTHER
from policies.explain import EXCLUDED, obligation
from policies.messages import money
from policies.rules import Bundle, Policy, Rule
from policies.types import Limit, Outcome, Requirement
from workers.inbox.bars import Bar, Plot, draw
from workers.inbox.identity import Refused, Visitor, system_of
from workers.inbox.pages import GET, pages_of
from workers.rehearsal import hits
from workers.store import decided
from workers.store.database import Tx
from workers.store.rule_hits import RuleDay

DAYS = 30
#: actions that a rule's page lists
LISTED = 50

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class RuleView:
    """One rule with what it asks for, in words, and its hits of the last days."""

    rule: Rule
    people: str
    also: Sequence[str]
    matched: int
    decided: int
    last_at: datetime | None
    spark: Plot
    #: that it does nothing, and why, where its condition proves that
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class BundleView:
    bundle: Bundle
    rules: Sequence[RuleView]
    limits: Sequence[tuple[Limit, str]]
    authority: Sequence[str]


@dataclass(frozen=True, slots=True)
class View:
    bundles: Sequence[BundleView]
    days: int
    #: more was decided since the last count than a page looks at
    behind: bool


@router.api_route("/policy", methods=GET)
def show_rules(request: Request, identity: Visitor) -> Response:
    system = system_of(request)
    policy = system.policy
    with system.db.read() as tx:
        view = load(tx, policy, now=system.clock())
    return pages_of(request).page(request, "policy.html", {"policy": policy, "view": view}, identity=identity)


@router.api_route("/policy/rules/{bundle}/{rule}", methods=GET)
def show_rule(request: Request, bundle: str, rule: str, identity: Visitor) -> Response:
    """One rule and the last actions that it matched, as far as they are not archived."""
    system = system_of(request)
    ref, now = f"{bundle}/{rule}", system.clock()
    with system.db.read() as tx:
        days, _ = hits.lately(tx, now, DAYS)
        mine = [day for day in days if day.rule == ref]
        found = next((one for one in system.policy.rules if one.ref == ref), None)
        if found is None and not mine:
            raise Refused(404, "There is no such rule in force, and none matched anything of late.")
        named = [action for day in reversed(mine) for action in day.actions]
        matched = decided.matching(tx, named[:LISTED])
    context = {
        "ref": ref,
        "one": _rule(found, mine, now) if found is not None else None,
        "plot": _plot(mine, now, ref),
        "matched": sum(day.matched for day in mine),
        "days": DAYS,
        "first": f"{now - timedelta(days=DAYS - 1):%Y-%m-%d}",
        "last": f"{now:%Y-%m-%d}",
        "actions": matched,
    }
    return pages_of(request).page(request, "policy_rule.html", context, identity=identity)


def load(tx: Tx, policy: Policy, *, now: datetime) -> View:
    days, behind = hits.lately(tx, now, DAYS)
    by_rule: dict[str, list[RuleDay]] = {}
    for day in days:
        by_rule.setdefault(day.rule, []).append(day)
    idle: dict[str, list[str]] = {}
    for finding in analysis.proved(policy):
        idle.setdefault(finding.rule, []).append(finding.message)
    bundles = [
        BundleView(
            bundle,
            [_rule(rule, by_rule.get(rule.ref, []), now, idle.get(rule.ref, ())) for rule in bundle.rules],
            [(limit, limited(limit)) for limit in bundle.limits],
            _authority(bundle),
        )
        for bundle in policy.bundles
    ]
    return View(bundles, DAYS, behind)


def asked(requirements: Iterable[Requirement]) -> str:
    """Who must say yes: ``2 of finance (or 1 of lead after 4 hours), then 1 of legal``."""
    stages: dict[int, list[str]] = {}
    for one in requirements:
        rungs = "".join(f", or {rung.role} after {_span(rung.after_minutes)}" for rung in one.ladder)
        stages.setdefault(one.stage, []).append(f"{one.n} of {one.role or 'anybody'}{rungs}")
    return ", then ".join(" and ".join(stages[stage]) for stage in sorted(stages))


def limited(limit: Limit) -> str:
    """A limit in words: how much, how often, over what, and what follows."""
    most = [] if limit.max_count is None else ["once" if limit.max_count == 1 else f"{limit.max_count} times"]
    most += [] if limit.max_minor is None else [money(limit.max_minor, limit.currency or "")]
    per = f" for the same {' and '.join(limit.per)}" if limit.per else ""
    then = "it is refused" if limit.over is Outcome.DENY else "a person looks"
    stop = ", and the kind is stopped" if limit.trips else ""
    return f"{' and '.join(most)} in {_span(limit.window_minutes)}{per}; beyond that {then}{stop}"


def _rule(rule: Rule, days: Sequence[RuleDay], now: datetime, warnings: Sequence[str] = ()) -> RuleView:
    return RuleView(
        rule=rule,
        people=asked(rule.requirements),
        also=tuple(_also(rule)),
        matched=sum(day.matched for day in days),
        decided=sum(day.decided for day in days),
        last_at=max((day.last_at for day in days), default=None),
        spark=_plot(days, now, rule.ref),
        warnings=warnings,
    )


def _also(rule: Rule) -> Iterable[str]:
    for who in rule.exclude:
        yield f"not {EXCLUDED.get(who, who)}"
    if rule.deadline_minutes is not None:
        yield f"within {_span(rule.deadline_minutes)}, else it counts as refused"
    for one in rule.obligations:
        yield obligation(one)


def _authority(bundle: Bundle) -> list[str]:
    """Who may approve how much: roles that may approve the same together."""
    table = bundle.authority.up_to if bundle.authority is not None else {}
    alike: dict[str, list[str]] = {}
    for role, up_to in sorted(table.items()):
        most = ", ".join(_amount(currency, minor, len(up_to)) for currency, minor in sorted(up_to.items()))
        alike.setdefault(most, []).append(role)
    return [f"{' and '.join(roles)} up to {most}" for most, roles in alike.items()]


def _amount(currency: str, minor: int, named: int) -> str:
    if currency != OTHER:
        return money(minor, currency)
    which = "any other currency" if named > 1 else "any currency"
    # No one number of digits is right for every currency, so both kinds are shown.
    return f"{minor:,} minor units of {which} ({money(minor, 'EUR')}, {money(minor, 'JPY')})"


def _span(minutes: int) -> str:
    said = limits.window(minutes)
    return said.removesuffix("s") if said.startswith("1 ") else said


def _plot(days: Sequence[RuleDay], now: datetime, ref: str) -> Plot:
    by_day = {day.day: day for day in days}
    names = [f"{now - timedelta(days=back):%Y-%m-%d}" for back in reversed(range(DAYS))]
    bars = [_bar(name, by_day.get(name)) for name in names]
    return draw(bars, kinds=("fresh", "cached"), label=f"Matches of {ref} a day, those that it decided below")


def _bar(name: str, day: RuleDay | None) -> Bar:
    if day is None:
        return Bar((0.0, 0.0), f"{name}: none")
    parts = (float(day.decided), float(day.matched - day.decided))
    return Bar(parts, f"{name}: {day.matched} matched, {day.decided} decided")

"""A backtest's report in words and rows, made from what is stored of it: one telling for the terminal, the page and a file.

Pure. What is counted is said as a count of actions; nothing is rounded into a share that hides how few there were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.messages import money

OUTCOMES = ("allow", "notify", "review", "deny")
AUTOMATIC = ("allow", "notify")
#: what became of an action, as it follows “of these”
BECAME = {
    "approved": "approved unedited",
    "edited": "edited by a person first",
    "rejected": "rejected",
    "reversed": "taken back later",
    "failed": "tried without success",
    "automatic": "carried out by rule",
    "unknown": "not known yet",
}


@dataclass(frozen=True, slots=True)
class RuleLine:
    """What one rule has to do with it: how many it matches, how many it decided and would decide."""

    rule: str
    matched: int
    failed: int
    before: int
    after: int
    gained: int
    lost: int


@dataclass(frozen=True, slots=True)
class MoneyLine:
    currency: str
    move: str
    count: int
    amount: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One action that would be judged otherwise."""

    id: str
    domain: str
    kind: str
    amount: str
    was: str
    would_be: str
    rules: str
    became: str


@dataclass(frozen=True, slots=True)
class Told:
    """Everything that is said of one report. `dangerous`: more would run alone of which a person is known to be needed."""

    policy: str
    policy_hash: str
    judged: int
    differing: int
    headline: str
    sentences: Sequence[str]
    dangerous: bool
    sides: Sequence[tuple[str, int, int]]
    rules: Sequence[RuleLine]
    money: Sequence[MoneyLine]
    changes: Sequence[Difference]


def tell(report: Mapping[str, Any], *, archived: int = 0) -> Told:
    """All of it, from `Report.as_json`."""
    judged, differing = int(report["judged"]), int(report["differing"])
    return Told(
        policy=str(report["policy"]),
        policy_hash=str(report["policy_hash"]),
        judged=judged,
        differing=differing,
        headline=_headline(report, judged, differing),
        sentences=tuple(_sentences(report, archived)),
        dangerous=report["let_through"] > report["let_through_before"],
        sides=tuple((name, report["before"].get(name, 0), report["after"].get(name, 0)) for name in OUTCOMES),
        rules=tuple(_rules(report)),
        money=tuple(_money(report)),
        changes=tuple(map(_difference, report["changes"])),
    )


def requirement(needed: Sequence[Mapping[str, Any]]) -> str:
    """Who is asked, in words: ``2 of finance, then 1 of legal``."""
    stages: dict[int, list[str]] = {}
    for one in needed:
        stages.setdefault(int(one.get("stage", 0)), []).append(f"{one.get('n', 1)} of {one['role'] or 'anybody'}")
    return ", then ".join(" and ".join(stages[stage]) for stage in sorted(stages))


def _headline(report: Mapping[str, Any], judged: int, differing: int) -> str:
    if not judged:
        return "Nothing was decided in this time, so there is nothing to say."
    if not differing:
        return f"All {judged:,} would be judged as they were."
    more = int(report["to_review"])
    automatic = sum(report["after"].get(o, 0) - report["before"].get(o, 0) for o in AUTOMATIC)
    refused = report["after"].get("deny", 0) - report["before"].get("deny", 0)
    return (
        f"{differing:,} of {judged:,} would be judged differently: "
        f"{more:+,} to review, {automatic:+,} automatic, {refused:+,} denied."
    )


def _sentences(report: Mapping[str, Any], archived: int) -> Iterable[str]:
    known = report["known"]
    freed = _fates(known, before=("review", "deny"), after=AUTOMATIC)
    if freed:
        yield _of(freed, "would now run by themselves")
    held = _fates(known, before=AUTOMATIC, after=("review", "deny"))
    if held:
        yield _of(held, "would no longer run by themselves")
    if report["let_through"] != report["let_through_before"]:
        yield (
            f"Let through although a person was needed: {report['let_through_before']:,} as it was, "
            f"{report['let_through']:,} under the other policy."
        )
    if report["agreement"] is not None:
        yield f"Of those whose end is known, {report['agreement']:.1%} would be treated as that end asks for."
    if report["unreadable"]:
        yield f"{report['unreadable']:,} records could not be read, erased ones among them; they are not compared."
    if archived:
        yield f"{archived:,} cases lie in archives and were not looked at."


def _fates(known: Mapping[str, Mapping[str, int]], *, before: Sequence[str], after: Sequence[str]) -> dict[str, int]:
    moves = {f"{b}>{a}" for b in before for a in after}
    counted = {became: sum(n for move, n in by_move.items() if move in moves) for became, by_move in known.items()}
    return {became: counted[became] for became in BECAME if counted.get(became)}


def _of(fates: Mapping[str, int], what: str) -> str:
    total = sum(fates.values())
    each = ", ".join(f"{count:,} {BECAME[became]}" for became, count in fates.items())
    return f"Of the {total:,} that {what}: {each}."


def _rules(report: Mapping[str, Any]) -> Iterable[RuleLine]:
    lines = [
        RuleLine(
            rule,
            shift["matched"],
            shift["failed"],
            shift["decided_before"],
            shift["decided_after"],
            shift["gained"],
            shift["lost"],
        )
        for rule, shift in report["rules"].items()
    ]
    concerned = [one for one in lines if one.gained or one.lost or one.failed]
    return sorted(concerned, key=lambda one: (-(one.gained + one.lost), one.rule))


def _money(report: Mapping[str, Any]) -> Iterable[MoneyLine]:
    for currency, moves in sorted(report["money"].items()):
        for move, held in sorted(moves.items()):
            was, would_be = move.split(">")
            if was != would_be:
                amount = money(int(held["minor"]), currency)
                yield MoneyLine(currency, f"{was} → {would_be}", int(held["count"]), amount)


def _difference(change: Mapping[str, Any]) -> Difference:
    minor = change["amount_minor"]
    return Difference(
        id=str(change["id"]),
        domain=str(change["domain"]),
        kind=str(change["kind"]),
        amount=money(int(minor), change["currency"]) if minor is not None else "",
        was=_said(change["before"]),
        would_be=_said(change["after"]),
        rules=decided_by(change["after"]["rules"]),
        became=BECAME.get(change["became"], change["became"]),
    )


def decided_by(rules: Sequence[str]) -> str:
    """Where no rule's answer was the strictest, what rules oblige to was (a cap, a sample), or what holds where none matched."""
    return ", ".join(rules) or "an obligation or a default"


def _said(said: Mapping[str, Any]) -> str:
    needed = requirement(said["requirements"])
    return f"{said['outcome']} by {needed}" if needed else str(said["outcome"])

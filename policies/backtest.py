"""What a policy would have said of decisions that were made already: the kernel of a backtest, pure and in one pass.

Whoever has a store hands over what it kept; the same serves a shadow policy that is judged beside the live one. Nothing is
asked again of anybody and nothing is changed: recorded facts go in, a `Report` comes out, the differing decisions in it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from policies import engine, record
from policies.comparison import Became, Change, Money, Move, Report, RuleShift, Said
from policies.rules import Policy
from policies.types import DecisionRecord, Facts

CAP: Final = 200
EVERY: Final = 1_000

__all__ = ["Became", "Change", "Money", "Move", "Recorded", "Report", "RuleShift", "Said", "Tally", "again", "run"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """One decision as it was kept: `record` is the decision record's JSON, read or not, and what became of the action."""

    id: str
    record: Mapping[str, Any] | str | bytes
    became: Became = Became.UNKNOWN


def run(
    policy: Policy,
    recorded: Iterable[Recorded],
    *,
    cap: int = CAP,
    progress: Callable[[int], None] | None = None,
    every: int = EVERY,
) -> Report:
    """Judge them all again. `progress` hears how many are done, each `every` and at the end."""
    tally = Tally(policy, cap=cap)
    for item in recorded:
        tally.add(item)
        if progress is not None and tally.judged % every == 0:
            progress(tally.judged)
    if progress is not None:
        progress(tally.judged)
    return tally.report()


def again(policy: Policy, kept: Mapping[str, Any]) -> DecisionRecord:
    """The decision that `policy` makes of the facts that `kept` (a decision record's JSON) holds."""
    at = datetime.fromisoformat(kept["decided_at"])
    raw = record.unchecked(record.facts_of(kept))
    if kept.get("usual_left_out"):
        try:
            facts = Facts.model_validate(raw)
        except ValidationError:
            pass  # what was a fact then is none any more: as unchecked facts are judged
        else:
            return engine.decide(policy, facts, at=at)
    return engine.judge(policy, raw, at=at)


class Tally:
    """Counts what differs, decision by decision. One for each policy that is tried."""

    def __init__(self, policy: Policy, *, cap: int = CAP) -> None:
        self.judged = 0
        self._policy = policy
        self._cap = cap
        self._unreadable = 0
        self._differing = 0
        self._moves: Counter[Move] = Counter()
        self._known: Counter[tuple[Became, Move]] = Counter()
        self._money: dict[tuple[str, Move], list[int]] = {}
        self._kinds: Counter[tuple[str, Move]] = Counter()
        self._days: Counter[tuple[str, Move]] = Counter()
        self._rules: dict[str, RuleShift] = {rule.ref: RuleShift() for rule in policy.rules}
        self._changes: list[Change] = []

    def add(self, item: Recorded) -> DecisionRecord | None:
        """Judge one again and count it; None where what was kept cannot be read as a decision at all."""
        try:
            kept = json.loads(item.record) if isinstance(item.record, str | bytes) else item.record
            was = Said.kept(kept)
            now = again(self._policy, kept)
        except (KeyError, TypeError, ValueError, AttributeError):
            self.judged += 1
            self._unreadable += 1
            return None
        self.compare(item.id, was, now, became=item.became)
        return now

    def compare(self, id_: str, was: Said, now: DecisionRecord, *, became: Became = Became.UNKNOWN) -> None:
        """Count a decision that was judged elsewhere, as where a shadow policy runs beside the live one."""
        self.judged += 1
        said = Said.of(now.verdict)
        move = Move(was.outcome, said.outcome)
        self._moves[move] += 1
        self._known[became, move] += 1
        facts = now.facts
        domain, kind = str(facts.get("domain", "")), str(facts.get("action_kind", ""))
        self._kinds[f"{domain}/{kind}", move] += 1
        self._days[str(facts.get("occurred_at", ""))[:10], move] += 1
        amount, currency = _money(facts)
        if amount is not None:
            money = self._money.setdefault((currency, move), [0, 0])
            money[0] += 1
            money[1] += amount
        differs = was.outcome is not said.outcome or was.asked != said.asked
        self._count_rules(was, said, now, differs=differs)
        if not differs:
            return
        self._differing += 1
        if len(self._changes) < self._cap:
            reasons = now.verdict.reasons
            self._changes.append(Change(id_, domain, kind, amount, currency, was, said, reasons, became))

    def report(self) -> Report:
        """All that was counted so far."""
        return Report(
            policy=self._policy.name,
            policy_hash=self._policy.hash,
            judged=self.judged,
            unreadable=self._unreadable,
            moves=dict(self._moves),
            known=dict(self._known),
            money={key: Money(count, minor) for key, (count, minor) in self._money.items()},
            kinds=dict(self._kinds),
            days=dict(self._days),
            rules={ref: replace(shift) for ref, shift in self._rules.items()},
            differing=self._differing,
            changes=tuple(self._changes),
        )

    def _count_rules(self, was: Said, said: Said, now: DecisionRecord, *, differs: bool) -> None:
        rules = self._rules
        for answer in now.answers:
            if answer.matched:
                rules[f"{answer.bundle}/{answer.rule}"].matched += 1
            elif answer.matched is None:
                rules[f"{answer.bundle}/{answer.rule}"].failed += 1
        for ref in was.rules:
            shift = rules.get(ref) or rules.setdefault(ref, RuleShift())
            shift.decided_before += 1
            shift.lost += differs and ref not in said.rules
        for ref in said.rules:
            shift = rules.get(ref) or rules.setdefault(ref, RuleShift())
            shift.decided_after += 1
            shift.gained += differs and ref not in was.rules


def _money(facts: Mapping[str, Any]) -> tuple[int | None, str]:
    amount, currency = facts.get("amount_minor"), facts.get("currency")
    if facts.get("has_amount") is True and isinstance(amount, int) and isinstance(currency, str):
        return amount, currency
    return None, ""

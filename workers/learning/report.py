"""Many measured drafts as one table: agreement, distance, cost, time, and the dangerous errors apart. Pure.

Read by ``caseworker eval`` and by the page on learning. What the live drafts did stands beside each figure, for a candidate is
judged against what it would replace and not against perfection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from workers.learning.measure import Measured
from workers.learning.replay import Replayed
from workers.store.shadows import Shadow


@dataclass(frozen=True, slots=True)
class Column:
    """What drafts of one kind came to."""

    cases: int
    agreed: int
    values: float | None
    text: float | None
    missing: int
    extra: int
    asks_more: int
    #: drafts with a dangerous error, and how often each was made
    dangerous: int = 0
    dangers: dict[str, int] = field(default_factory=dict)

    @property
    def agreement(self) -> float | None:
        return self.agreed / self.cases if self.cases else None


@dataclass(frozen=True, slots=True)
class Report:
    """`failed` cases gave nothing that can be used; they count as no agreement."""

    candidate: str
    cases: int
    failed: int
    live: Column
    then: Column
    cost_usd: Decimal | None
    calls: int
    latency_ms: int | None
    slow_ms: int | None
    worst: tuple[tuple[str, str], ...]

    def as_json(self) -> dict[str, Any]:
        made = asdict(self)
        for name, column in (("live", self.live), ("then", self.then)):
            made[name]["agreement"] = column.agreement
        return made

    def rows(self) -> list[tuple[str, str, str]]:
        """(what, as it was, candidate) in words."""
        live, then = self.live, self.then
        told = [
            ("the same actions with the same values", _share(live.agreement), _share(then.agreement)),
            ("values that differ", _share(live.values), _share(then.values)),
            ("distance of texts", _share(live.text), _share(then.text)),
            ("actions that people wanted and it lacks", str(live.missing), str(then.missing)),
            ("actions that nobody wanted", str(live.extra), str(then.extra)),
            ("asks for more money than was let through", str(live.asks_more), str(then.asks_more)),
            ("DANGEROUS drafts", str(live.dangerous), str(then.dangerous)),
        ]
        told += [
            (f"  {what}", str(live.dangers.get(what, 0)), str(then.dangers.get(what, 0)))
            for what in sorted({*live.dangers, *then.dangers})
        ]
        cost = "not priced" if self.cost_usd is None else f"{self.cost_usd:.4f} USD"
        if self.calls:
            told += [
                ("cost of the drafts", "", cost),
                ("time of a draft, half of them within", "", f"{self.latency_ms} ms"),
            ]
            told += [("95 of 100 within", "", f"{self.slow_ms} ms")]
        return told

    def markdown(self) -> str:
        lines = [
            f"**{self.candidate}** on {self.cases} decided cases ({self.failed} without a usable answer)",
            "",
            "| | as it was | candidate |",
            "|---|---|---|",
            *(f"| {what.strip()} | {was} | {now} |" for what, was, now in self.rows()),
        ]
        return "\n".join([*lines, "", *(f"- `{case}`: {danger}" for case, danger in self.worst)]).rstrip()


def of_replay(candidate: str, replayed: Sequence[Replayed]) -> Report:
    return _report(
        candidate,
        [(one.case_id, one.live, one.then) for one in replayed],
        [one.cost_usd for one in replayed],
        [one.usage.latency_ms for one in replayed if one.usage is not None],
    )


def of_shadow(candidate: str, answers: Sequence[Shadow]) -> Report:
    return _report(
        candidate,
        [
            (one.case_id, Measured.from_json(one.live), Measured.from_json(one.measured) if one.measured else None)
            for one in answers
            if one.live is not None
        ],
        [one.cost_usd for one in answers],
        [one.latency_ms for one in answers if one.measured is not None],
    )


def _report(
    candidate: str,
    measured: Sequence[tuple[str, Measured, Measured | None]],
    costs: Iterable[Decimal | None],
    latencies: Sequence[int],
) -> Report:
    priced = [cost for cost in costs if cost is not None]
    ordered = sorted(latencies)
    return Report(
        candidate=candidate,
        cases=len(measured),
        failed=sum(1 for _, _, then in measured if then is None),
        live=_column([live for _, live, _ in measured], len(measured)),
        then=_column([then for _, _, then in measured if then is not None], len(measured)),
        cost_usd=sum(priced, Decimal(0)) if priced else None,
        calls=len(ordered),
        latency_ms=ordered[len(ordered) // 2] if ordered else None,
        slow_ms=ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)] if ordered else None,
        worst=tuple((case, str(danger)) for case, _, then in measured if then is not None for danger in then.dangers),
    )


def _column(measured: Sequence[Measured], cases: int) -> Column:
    return Column(
        cases=cases,
        agreed=sum(1 for one in measured if one.agrees),
        values=_mean([one.values for one in measured]),
        text=_mean([one.text for one in measured]),
        missing=sum(len(one.missing) for one in measured),
        extra=sum(len(one.extra) for one in measured),
        asks_more=sum(1 for one in measured if one.asks_more),
        dangerous=sum(1 for one in measured if one.dangers),
        dangers=dict(Counter(danger.what for one in measured for danger in one.dangers)),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 4) if known else None


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"

"""The page ``/cost``: what models have cost, day by day, for whom and for what, and how much of the budgets is left.

Shows and changes nothing. The figures are those of ``caseworker cost``, from `workers.store.bill`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from workers.bill.budgets import Limits
from workers.inbox.bars import Bar, Plot, draw
from workers.inbox.identity import Visitor, system_of
from workers.inbox.pages import GET, pages_of
from workers.store import bill, cases
from workers.store.bill import Line
from workers.store.database import Tx

SPANS = (7, 30, 90)
MOST_CASES = 10
MOST_LINES = 50

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Allowance:
    """A budget of today and what of it was spent."""

    name: str
    spent: Decimal
    limit: Decimal

    @property
    def used_up(self) -> bool:
        return self.spent >= self.limit


@dataclass(frozen=True, slots=True)
class CaseCost:
    id: str
    title: str
    line: Line


@dataclass(frozen=True, slots=True)
class Bill:
    """What the page shows of so many days."""

    days: int
    first: str
    last: str
    total: Line
    usd: Plot
    tokens: Plot
    allowances: Sequence[Allowance]
    case_limit: Decimal | None
    by_domain: Sequence[Line]
    by_model: Sequence[Line]
    by_task: Sequence[Line]
    cases: Sequence[CaseCost]


@router.api_route("/cost", methods=GET)
def show_cost(request: Request, identity: Visitor, days: Annotated[int, Query(ge=1, le=366)] = 30) -> Response:
    system = system_of(request)
    with system.db.read() as tx:
        view = load(tx, Limits.of(system.settings), days=days, now=system.clock())
    return pages_of(request).page(request, "cost.html", {"view": view, "spans": SPANS}, identity=identity)


def load(tx: Tx, limits: Limits, *, days: int, now: datetime) -> Bill:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    since = midnight - timedelta(days=days - 1)
    by_day = {line.key: line for line in bill.lines(tx, "day", since=since, limit=days + 1)}
    names = [f"{since + timedelta(days=day):%Y-%m-%d}" for day in range(days)]
    of_days = [(name, by_day.get(name)) for name in names]
    today = bill.spent_since(tx, midnight)
    return Bill(
        days=days,
        first=names[0],
        last=names[-1],
        total=bill.total(tx, since=since),
        usd=draw([_usd(*day) for day in of_days], kinds=("usd",), label=f"US dollars a day over {days} days"),
        tokens=draw(
            [_tokens(*day) for day in of_days],
            kinds=("fresh", "cached", "written"),
            label=f"Tokens a day over {days} days",
        ),
        allowances=_allowances(limits, today),
        case_limit=limits.case,
        by_domain=bill.lines(tx, "domain", since=since, limit=MOST_LINES),
        by_model=bill.lines(tx, "model", since=since, limit=MOST_LINES),
        by_task=bill.lines(tx, "task", since=since, limit=MOST_LINES),
        cases=_dearest(tx, since),
    )


def _dearest(tx: Tx, since: datetime) -> Sequence[CaseCost]:
    """The cases that cost something, the dearest first."""
    found = []
    for line in bill.lines(tx, "case", since=since, limit=MOST_CASES):
        case = cases.get(tx, line.key)
        if case is not None and line.cost_usd:
            found.append(CaseCost(case.id, case.title, line))
    return found


def _allowances(limits: Limits, today: dict[str, Decimal]) -> Sequence[Allowance]:
    domains = sorted({*limits.domains, *(today if limits.domain is not None else ())})
    found = [
        Allowance(domain, today.get(domain, Decimal(0)), limit)
        for domain in domains
        if (limit := limits.of_domain(domain)) is not None
    ]
    if limits.day is not None:
        found.append(Allowance("", sum(today.values(), Decimal(0)), limits.day))
    return found


def _usd(day: str, line: Line | None) -> Bar:
    if line is None:
        return Bar((0.0,), f"{day}: nothing")
    return Bar((float(line.cost_usd),), f"{day}: {line.cost_usd:.2f} USD, {line.calls:,} calls")


def _tokens(day: str, line: Line | None) -> Bar:
    if line is None:
        return Bar((0.0, 0.0, 0.0), f"{day}: nothing")
    fresh, cached, written = line.input_tokens + line.cache_write_tokens, line.cached_tokens, line.output_tokens
    said = f"{day}: {fresh:,} read, {cached:,} read from the cache, {written:,} written"
    return Bar((float(fresh), float(cached), float(written)), said)

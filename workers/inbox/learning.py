"""The page ``/learning``: what was kept of people's decisions, which habits are followed, and how a shadow compares.

Shows and changes nothing. The figures are those of ``caseworker eval shadow``; habits are reckoned from the examples as each
worker reckons them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from integrations.models.amendments import Amendment
from workers.inbox.bars import Bar, Plot, draw
from workers.inbox.identity import Visitor, system_of
from workers.inbox.pages import GET, pages_of
from workers.learning.measure import Measured
from workers.learning.report import Report, of_shadow
from workers.lessons.habits import found_in
from workers.lessons.notebook import KEPT
from workers.store import examples, shadows
from workers.store.database import Tx
from workers.store.shadows import Shadow

SPANS = (7, 30, 90)
MOST_CANDIDATES = 5

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Followed:
    """The habits of one domain."""

    domain: str
    habits: Sequence[Amendment]


@dataclass(frozen=True, slots=True)
class Beside:
    """One candidate in these days: its table, and day by day how often it and the live drafts were as people had it."""

    report: Report
    candidate: Plot
    live: Plot


@dataclass(frozen=True, slots=True)
class View:
    days: int
    first: str
    last: str
    kept: Mapping[str, int]
    followed: Sequence[Followed]
    beside: Sequence[Beside]


@router.api_route("/learning", methods=GET)
def show_learning(request: Request, identity: Visitor, days: Annotated[int, Query(ge=1, le=366)] = 30) -> Response:
    system = system_of(request)
    with system.db.read() as tx:
        view = load(tx, system.agents, days=days, now=system.clock())
    return pages_of(request).page(request, "learning.html", {"view": view, "spans": SPANS}, identity=identity)


def load(tx: Tx, domains: Mapping[str, object], *, days: int, now: datetime) -> View:
    since = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    names = [f"{since + timedelta(days=day):%Y-%m-%d}" for day in range(days)]
    found = [Followed(domain, found_in(examples.of_domain(tx, domain, KEPT))) for domain in domains]
    answers = [
        (name, shadows.listing(tx, candidate=name, since=since)) for name, _ in shadows.candidates(tx)[:MOST_CANDIDATES]
    ]
    return View(
        days=days,
        first=names[0],
        last=names[-1],
        kept=examples.count(tx),
        followed=[one for one in found if one.habits],
        beside=[_beside(name, given, names) for name, given in answers if given],
    )


def _beside(name: str, answers: Sequence[Shadow], days: Sequence[str]) -> Beside:
    def plot(which: str, of: str) -> Plot:
        bars = [_day(day, [one for one in answers if f"{one.at:%Y-%m-%d}" == day], which) for day in days]
        return draw(
            bars, kinds=("fresh", "written"), label=f"Drafts of {of} a day, those that were as people had it below"
        )

    return Beside(of_shadow(name, answers), plot("measured", name), plot("live", "the live model"))


def _day(day: str, answers: Sequence[Shadow], which: str) -> Bar:
    given = [one for one in answers if one.live is not None]
    agreed = sum(
        1 for one in given if (measured := getattr(one, which)) is not None and Measured.from_json(measured).agrees
    )
    return Bar((float(agreed), float(len(given) - agreed)), f"{day}: {agreed} of {len(given)} as people had it")

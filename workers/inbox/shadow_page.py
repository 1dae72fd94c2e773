"""The page ``/policy/shadow``: what other policies say of the decisions of these days, beside the one in force.

Shows and changes nothing. The figures are those of ``caseworker policy shadow``.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from workers.inbox.bars import Bar, Plot, draw
from workers.inbox.identity import Visitor, system_of
from workers.inbox.pages import GET, pages_of
from workers.rehearsal import beside
from workers.rehearsal.beside import Beside
from workers.store import shadow_verdicts

SPANS = (7, 30, 90)
MOST = 5
LISTED = 50

router = APIRouter(include_in_schema=False)


@router.api_route("/policy/shadow", methods=GET)
def show_shadow(request: Request, identity: Visitor, days: Annotated[int, Query(ge=1, le=90)] = 30) -> Response:
    system = system_of(request)
    now = system.clock()
    with system.db.read() as tx:
        known = shadow_verdicts.known(tx)[:MOST]
        found = [beside.gather(tx, one, days=days, now=now, limit=LISTED) for one in known]
    context = {"found": [(one, _plot(one)) for one in found], "days": days, "spans": SPANS}
    return pages_of(request).page(request, "policy_shadow.html", context, identity=identity)


def _plot(found: Beside) -> Plot:
    bars = [
        Bar((float(differing), float(same)), f"{day}: {differing} differ, {same} the same")
        for day, same, differing in found.by_day
    ]
    return draw(bars, kinds=("written", "cached"), label="Decisions a day, those that differ below")

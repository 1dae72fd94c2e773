"""The page “Away”: who is away and who stands in for them, and the form by which people name their stand-in.

GET shows; the forms carry the session's CSRF token and lead back to the page. `absence` says what may be arranged.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from workers.inbox.absence import Absence, arrange, call_off, may_arrange
from workers.inbox.identity import Form, Identity, Poster, Visitor, line_of, system_of
from workers.inbox.pages import GET, SEE_OTHER, pages_of
from workers.inbox.words import DecisionError, Invalid, NotAllowed, NotFound
from workers.quorum import LEAD, Staff
from workers.store import delegations

MOST_BYTES = 16_384

router = APIRouter(include_in_schema=False)


@router.api_route("/away", methods=GET)
def show_away(request: Request, identity: Visitor) -> Response:
    return _page(request, identity)


@router.post("/away", max_body_size=MOST_BYTES)
def go_away(request: Request, identity: Poster, form: Form) -> Response:
    system = system_of(request)
    typed = {name: line_of(form, name) for name in ("person", "stand_in", "first", "last", "reason")}
    me, now = identity.person, system.clock()
    try:
        absence = Absence.of_days(_day(typed["first"], "first"), _day(typed["last"], "last"), system.settings.time_zone)
        with system.db.write() as tx:
            arrange(
                tx,
                typed["person"] or me.id,
                typed["stand_in"],
                absence,
                by=me,
                reason=typed["reason"],
                actor=me.actor,
                now=now,
            )
    except DecisionError as error:
        return _page(request, identity, problem=error, typed=typed)
    return RedirectResponse("/away", SEE_OTHER)


@router.post("/away/{delegation_id}/end", max_body_size=MOST_BYTES)
def come_back(request: Request, delegation_id: str, identity: Poster) -> Response:
    system = system_of(request)
    me = identity.person
    try:
        with system.db.write() as tx:
            call_off(tx, delegation_id, actor=me.actor, by=me, now=system.clock())
    except DecisionError as error:
        return _page(request, identity, problem=error)
    return RedirectResponse("/away", SEE_OTHER)


def _page(
    request: Request,
    identity: Identity,
    *,
    problem: DecisionError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    system = system_of(request)
    now, me = system.clock(), identity.person
    with system.db.read() as tx:
        staff = Staff.at(tx, now)
        found = delegations.not_over(tx, now)
    rows = [
        {
            "id": one.id,
            "person": staff.name(one.person_id),
            "stand_in": staff.name(one.stand_in_id),
            "mine": one.person_id == me.id,
            "now": one.starts_at <= now,
            "first": _on(one.starts_at, system.settings.time_zone),
            # The end is the first moment that is no longer part of it.
            "last": _on(one.ends_at, system.settings.time_zone, before=True),
            "reason": one.reason,
            "can_end": me.id == one.stand_in_id or may_arrange(me, one.person_id),
        }
        for one in found
    ]
    active = sorted((p for p in staff.everyone.values() if p.active), key=lambda p: (p.name, p.email))
    statuses = {NotAllowed: 403, NotFound: 404}
    context = {
        "rows": rows,
        "people": active,
        "leads": LEAD in me.groups,
        "problem": str(problem) if problem is not None else "",
        "typed": typed or {},
        "today": _on(now, system.settings.time_zone),
        "zone": system.settings.time_zone,
        "for_me": [p.name for p in staff.stands_in_for(me)],
    }
    status = 200 if problem is None else statuses.get(type(problem), 422)
    return pages_of(request).page(request, "away.html", context, identity=identity, status=status)


def _on(at: datetime, zone: str, *, before: bool = False) -> date:
    moment = at - timedelta(microseconds=1) if before else at
    return moment.astimezone(ZoneInfo(zone)).date()


def _day(text: str, which: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Invalid(f"Say the {which} day: a date such as 2026-11-27.") from error

"""The page ``/switches``: stop and let go on, with what is held back right now and who did what before.

Every button opens a line for the reason, and the button beside it does it; without JavaScript too. GET changes nothing.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from workers.inbox import switching
from workers.inbox.identity import Form, Identity, Poster, Visitor, system_of
from workers.inbox.pages import GET, SEE_OTHER, pages_of
from workers.inbox.posting import MOST_BYTES
from workers.inbox.words import DecisionError, Invalid, NotAllowed, NotFound

router = APIRouter(include_in_schema=False)


@router.api_route("/switches", methods=GET)
def show_switches(request: Request, identity: Visitor) -> Response:
    return _page(request, identity)


@router.post("/switches/throw", max_body_size=MOST_BYTES)
def throw_switch(request: Request, form: Form, identity: Poster) -> Response:
    scope, reason = _text(form.get("scope")), _text(form.get("reason"))
    try:
        switching.throw(system_of(request), identity.person, scope, reason)
    except DecisionError as error:
        return _page(request, identity, problem=error)
    return RedirectResponse("/switches", SEE_OTHER)


@router.post("/switches/release", max_body_size=MOST_BYTES)
def release_switch(request: Request, form: Form, identity: Poster) -> Response:
    scope, reason = _text(form.get("scope")), _text(form.get("reason"))
    try:
        switching.release(system_of(request), identity.person, scope, reason)
    except DecisionError as error:
        return _page(request, identity, problem=error)
    return RedirectResponse("/switches", SEE_OTHER)


def _page(request: Request, identity: Identity, *, problem: DecisionError | None = None) -> Response:
    system = system_of(request)
    with system.db.read() as tx:
        board = switching.load(system, tx, identity.person)
    statuses: dict[type[DecisionError] | None, int] = {None: 200, Invalid: 422, NotAllowed: 403, NotFound: 404}
    context = {"board": board, "problem": str(problem) if problem is not None else ""}
    status = statuses[type(problem) if problem is not None else None]
    return pages_of(request).page(request, "switches.html", context, identity=identity, status=status)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

"""The JSON API: all that the pages do, for programs. Typed, documented at ``/docs``, and never deciding by itself.

GET shows, POST decides. Who decides comes from the session or the token alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from workers import renewal
from workers.inbox import service, timeline
from workers.inbox.case_service import decide_case
from workers.inbox.identity import Refused, decider, deciding, reader, system_of
from workers.inbox.live import Live
from workers.inbox.schemas import (
    TOO_LARGE,
    ActionDetail,
    ActionOut,
    Actions,
    CaseDecisionIn,
    CaseOut,
    Cases,
    Conflict,
    DecisionIn,
    Problem,
    Timeline,
)
from workers.inbox.words import Choice
from workers.store import actions, cases, inbox
from workers.store.records import ActionState, CaseState, Person

MOST_BYTES = 262_144
MOST_ROWS = 200
#: of an entry's id; more are no id
MOST_DIGITS = 18

_REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "Nobody is signed in, and no valid token was sent."},
    403: {"model": Problem, "description": "The token lacks the scope, or this person may not decide this."},
    404: {"model": Problem, "description": "There is no such thing."},
}
_DECIDING: dict[int | str, dict[str, Any]] = {
    **_REFUSALS,
    409: {"model": Conflict, "description": "Already decided, or changed since it was seen: who, what and when."},
    **TOO_LARGE,
}

router = APIRouter(prefix="/api/v1")

Limit = Annotated[int, Query(ge=1, le=MOST_ROWS)]
Before = Annotated[str | None, Query(max_length=40, description="The id to page on from (`next` of the page before).")]


@router.get("/cases", tags=["Cases"], responses={401: _REFUSALS[401], 403: _REFUSALS[403]})
def list_cases(
    request: Request,
    _: Annotated[None, Depends(reader)],
    state: Annotated[list[CaseState] | None, Query()] = None,
    domain: Annotated[str | None, Query(max_length=32)] = None,
    before: Before = None,
    limit: Limit = 50,
) -> Cases:
    """Cases, newest first."""
    with system_of(request).db.read() as tx:
        found = inbox.find_cases(tx, states=state or (), domain=domain, before=before, limit=limit)
    return Cases(cases=[CaseOut.model_validate(c) for c in found], next=found[-1].id if len(found) == limit else None)


@router.get("/cases/{case_id}", tags=["Cases"], responses=_REFUSALS)
def show_case(request: Request, case_id: str, _: Annotated[None, Depends(reader)]) -> CaseOut:
    """One case."""
    with system_of(request).db.read() as tx:
        case = cases.get(tx, case_id)
    if case is None:
        raise Refused(404, "There is no such case.")
    return CaseOut.model_validate(case)


@router.get("/cases/{case_id}/timeline", tags=["Cases"], responses=_REFUSALS)
def show_timeline(request: Request, case_id: str, _: Annotated[None, Depends(reader)]) -> Timeline:
    """Everything that happened in a case, in order."""
    with system_of(request).db.read() as tx:
        life = timeline.load(tx, case_id)
    if life is None:
        raise Refused(404, "There is no such case.")
    return Timeline.model_validate({"case": life.case, "entries": [asdict(entry) for entry in life.entries]})


@router.post("/cases/{case_id}/decision", tags=["Cases"], responses=_DECIDING, max_body_size=MOST_BYTES)
def decide_on_case(
    request: Request, case_id: str, body: CaseDecisionIn, person: Annotated[Person, Depends(decider)]
) -> CaseOut:
    """Let the agent try again, take the case over by hand, or close it."""
    return CaseOut.model_validate(decide_case(system_of(request), person, case_id, body.decision, body.reason))


@router.get("/actions", tags=["Actions"], responses={401: _REFUSALS[401], 403: _REFUSALS[403]})
def list_actions(
    request: Request,
    _: Annotated[None, Depends(reader)],
    state: Annotated[list[ActionState] | None, Query()] = None,
    case: Annotated[str | None, Query(max_length=40)] = None,
    before: Before = None,
    limit: Limit = 100,
) -> Actions:
    """Actions, newest first. `?state=pending` are those that wait for people."""
    with system_of(request).db.read() as tx:
        found = inbox.list_actions(tx, states=state or (), case_id=case, before=before, limit=limit)
    return Actions(
        actions=[ActionOut.model_validate(a) for a in found], next=found[-1].id if len(found) == limit else None
    )


@router.get("/actions/{action_id}", tags=["Actions"], responses=_REFUSALS)
def show_action(request: Request, action_id: str, _: Annotated[None, Depends(reader)]) -> ActionDetail:
    """One action with its revisions, decisions and attempts."""
    renewal.renew(system_of(request), action_id)
    with system_of(request).db.read() as tx:
        action = actions.get(tx, action_id)
        if action is None:
            raise Refused(404, "There is no such action.")
        history = {
            "revisions": actions.revisions_of(tx, action_id),
            "decisions": actions.decisions_of(tx, action_id),
            "attempts": actions.attempts_of(tx, action_id),
        }
    return ActionDetail.model_validate({**asdict(action), **history})


@router.post(
    "/actions/{action_id}/decision",
    tags=["Actions"],
    response_model=ActionOut,
    responses=_DECIDING,
    max_body_size=MOST_BYTES,
)
def decide_on_action(
    request: Request, action_id: str, body: DecisionIn, who: Annotated[Callable[[], Person], Depends(deciding)]
) -> Response:
    """Decide one revision of an action. Answers with the action as it is after the decision."""
    person = who()
    choice = Choice(
        word=body.decision,
        revision=body.revision,
        digest=body.digest,
        arguments=body.arguments,
        reason=body.reason,
        until=body.until,
        group=body.group,
        channel="api",
        state=body.state,
    )
    done = ActionOut.model_validate(service.decide(system_of(request), person, action_id, choice))
    # Written out here: whoever waits for the effect has a use for the processor that checking it once more would take.
    return Response(done.model_dump_json(), media_type="application/json")


@router.get(
    "/stream",
    tags=["Live"],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}, 401: _REFUSALS[401], 403: _REFUSALS[403]},
)
def stream(
    request: Request,
    _: Annotated[None, Depends(reader)],
    after: Annotated[int | None, Query(ge=0, description="An id to go on from, like `Last-Event-ID`.")] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """Server-sent events, one `change` for each thing written down: `{"id", "case", "verb", "action", "at"}`.

    A hint to look again, never the content itself.
    """
    live: Live = request.app.state.live
    # On its own return a browser sends the header; the address still holds where it began.
    told_last = last_event_id or ""
    resumed = int(told_last) if told_last.isdecimal() and len(told_last) <= MOST_DIGITS else after
    told: AsyncIterator[str] = live.stream(resumed, partial(_may_read, request))
    return StreamingResponse(told, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


def _may_read(request: Request) -> bool:
    try:
        reader(request)
    except Refused:
        return False
    return True

"""The page “Notices” and its doors for programs: what somebody was told of, unread first, and marking it as read.

GET shows and marks nothing, so that a mail scanner reads nothing in anybody's name. A notice leads to its action.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from workers.access import Scope, bearer_of
from workers.inbox.api import MOST_BYTES
from workers.inbox.identity import Form, Poster, Refused, Visitor, decider, reader, signed_in, system_of
from workers.inbox.pages import GET, SEE_OTHER, pages_of
from workers.inbox.schemas import TOO_LARGE, Out, Problem, Text
from workers.obligations import telling
from workers.store import notices
from workers.store.notices import Notice
from workers.store.records import Person
from workers.wiring import System

#: shown on the page at most: of those that are new, and of all
MOST = 100

router = APIRouter()

_REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "Nobody is signed in, and no valid token was sent."},
    403: {"model": Problem, "description": "The token lacks the scope, or it stands for nobody."},
}

Id = Annotated[Text, Field(max_length=40)]


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.api_route("/notices", methods=GET, include_in_schema=False)
def show_notices(request: Request, identity: Visitor) -> Response:
    system = system_of(request)
    with system.db.read() as tx:
        who = notices.reader(tx, identity.person, system.clock())
        fresh = notices.listing(tx, who, only_unread=True, limit=MOST)
        found = notices.listing(tx, who, limit=MOST)
    context = {"fresh": fresh, "earlier": [one for one in found if one.read], "why": telling.in_words}
    return pages_of(request).page(request, "notices.html", context, identity=identity)


@router.post("/notices/read", max_body_size=MOST_BYTES, include_in_schema=False)
def read_notices(request: Request, identity: Poster, form: Form) -> Response:
    """One, or all up to the newest that was shown."""
    ids = [one[:40] for one in form.getlist("notice") if isinstance(one, str)]
    _mark(system_of(request), identity.person, ids, _time(form.get("upto")))
    return RedirectResponse("/notices", SEE_OTHER)


# ── for programs ─────────────────────────────────────────────────────────────────────────────────────────────────────


class NoticeOut(Out):
    """One thing that somebody was told of."""

    id: str
    action_id: str
    case_id: str
    role: str = Field(description="The group that was told; empty for everybody.")
    cause: str = Field(description="outcome, obligation, rung or taken_back.")
    why: str = Field(description="The cause in words.")
    at: datetime
    read: bool
    kind: str | None
    sentence: str | None = Field(description="What the action does; null where it has been archived since.")
    domain: str | None
    title: str | None


class Notices(BaseModel):
    notices: list[NoticeOut]
    unread: int = Field(description="How many are unread, up to 100.")
    next: str | None = Field(description="Pass as `before` for the next page; null at the end.")


class ReadIn(BaseModel):
    """What to mark as read: some, or all up to a moment."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[Id], Field(max_length=500)] = []
    upto: AwareDatetime | None = Field(None, description="Everything up to here: `at` of the newest that was seen.")

    @model_validator(mode="after")
    def _says_what(self) -> ReadIn:
        if not self.ids and self.upto is None:
            raise ValueError("say which: ids, or upto")
        return self


class Marked(BaseModel):
    marked: int
    unread: int


def recipient(request: Request, _: Annotated[None, Depends(reader)]) -> Person:
    """Whose notices: of the session, or of the person that a token with the scope ``read`` stands for."""
    system = system_of(request)
    if "authorization" in request.headers:
        found = bearer_of(system, request.headers.raw, Scope.READ)
        person = found[1] if found is not None else None
    else:
        identity = signed_in(request)
        person = identity.person if identity is not None else None
    if person is None or not person.active:
        raise Refused(403, "This token stands for nobody who could be told of anything.")
    return person


@router.get("/api/v1/notices", tags=["Notices"], responses=_REFUSALS)
def list_notices(
    request: Request,
    person: Annotated[Person, Depends(recipient)],
    unread: Annotated[bool, Query(description="Only what is unread.")] = False,
    before: Annotated[str | None, Query(max_length=40, description="The id to page on from.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Notices:
    """What you were told of, newest first."""
    system = system_of(request)
    with system.db.read() as tx:
        who = notices.reader(tx, person, system.clock())
        found = notices.listing(tx, who, only_unread=unread, before=before, limit=limit)
        fresh = notices.unread(tx, who)
    return Notices(
        notices=[_out(one) for one in found], unread=fresh, next=found[-1].id if len(found) == limit else None
    )


@router.post("/api/v1/notices/read", tags=["Notices"], responses={**_REFUSALS, **TOO_LARGE}, max_body_size=MOST_BYTES)
def mark_notices(request: Request, body: ReadIn, person: Annotated[Person, Depends(decider)]) -> Marked:
    """Mark notices of yours as read."""
    return _mark(system_of(request), person, body.ids, body.upto)


def _mark(system: System, person: Person, ids: Sequence[str], upto: datetime | None) -> Marked:
    now, marked = system.clock(), 0
    with system.db.write() as tx:
        who = notices.reader(tx, person, now)
        if ids:
            marked += notices.mark_read(tx, who, ids, now)
        if upto is not None:
            # Nobody has seen what is still to come.
            marked += notices.mark_all_read(tx, who, min(upto, now), now)
        return Marked(marked=marked, unread=notices.unread_of(tx, person, now))


def _out(one: Notice) -> NoticeOut:
    return NoticeOut(
        id=one.id,
        action_id=one.action_id,
        case_id=one.case_id,
        role=one.role,
        cause=one.cause,
        why=telling.in_words(one.cause, one.role),
        at=one.at,
        read=one.read,
        kind=one.kind,
        sentence=one.sentence,
        domain=one.domain,
        title=one.title,
    )


def _time(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at

"""Who is away and who stands in, for programs: looking, naming a stand-in, ending it. Documented at ``/docs`` and in docs/approvals.md.

What the page “Away” does, by the same rules (`absence`). A token with the scope ``decide`` arranges as its person: for themselves,
and for others where they are a lead.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from workers.inbox.absence import MOST_REASON, Absence, arrange, call_off
from workers.inbox.api import MOST_BYTES
from workers.inbox.identity import decider, reader, system_of
from workers.inbox.schemas import TOO_LARGE, Problem, Text, Unfit
from workers.quorum import Staff
from workers.store import delegations
from workers.store.records import Delegation, Person

router = APIRouter(
    prefix="/api/v1/away",
    tags=["Stand-ins"],
    responses={
        401: {"model": Problem, "description": "Nobody is signed in, and no valid token was sent."},
        403: {"model": Problem, "description": "The token lacks the scope, or this person may not arrange this."},
    },
)


class Somebody(BaseModel):
    """Somebody who has an account."""

    id: str
    name: str
    email: str = Field(description="Empty for an account that is gone.")


class StandInOut(BaseModel):
    """Who stands in for whom, and when. Days count whole, in the house's time zone."""

    id: str
    person: Somebody = Field(description="Who is away.")
    stand_in: Somebody
    first: date = Field(description="The first day.")
    last: date = Field(description="The last day.")
    starts_at: datetime
    ends_at: datetime = Field(description="The first moment that is no longer part of it.")
    now: bool = Field(description="Whether it holds at this moment.")
    reason: str
    created_by: str
    created_at: datetime


class StandIns(BaseModel):
    time_zone: str = Field(description="In which days are counted.")
    stand_ins: list[StandInOut]


class StandInIn(BaseModel):
    """Whom to name, for whom, and for how long."""

    model_config = ConfigDict(extra="forbid")

    stand_in: Annotated[Text, Field(min_length=1, max_length=320, examples=["bo@firm.example"])] = Field(
        description="Who stands in: an e-mail address, or a person's id."
    )
    person: Annotated[Text, Field(max_length=320)] = Field(
        "", description="Who is away, in the same way; you yourself where nobody is named. For others only as a lead."
    )
    first: date | None = Field(None, description="The first day; today where none is named.")
    last: date = Field(description="The last day.", examples=["2026-11-27"])
    reason: Annotated[Text, Field(max_length=MOST_REASON)] = Field("", description="Everybody sees it.")


@router.get("")
def list_stand_ins(request: Request, _: Annotated[None, Depends(reader)]) -> StandIns:
    """Who is away and who will be, the first to go first. What is over is not listed."""
    system = system_of(request)
    now, zone = system.clock(), system.settings.time_zone
    with system.db.read() as tx:
        everyone, found = Staff.at(tx, now).everyone, delegations.not_over(tx, now)
    return StandIns(time_zone=zone, stand_ins=[_shown(one, everyone, zone, now) for one in found])


@router.post(
    "",
    status_code=201,
    max_body_size=MOST_BYTES,
    responses={**TOO_LARGE, 422: {"model": Unfit, "description": "It cannot be arranged so; the answer says why."}},
)
def name_stand_in(request: Request, body: StandInIn, me: Annotated[Person, Depends(decider)]) -> StandInOut:
    """Let somebody decide in the name of another from now or a later day on, for a year at most."""
    system = system_of(request)
    now, zone = system.clock(), system.settings.time_zone
    absence = Absence.of_days(body.first or now.astimezone(ZoneInfo(zone)).date(), body.last, zone)
    with system.db.write() as tx:
        made = arrange(
            tx, body.person or me.id, body.stand_in, absence, by=me, reason=body.reason, actor=me.actor, now=now
        )
        everyone = Staff.at(tx, now).everyone
    return _shown(made, everyone, zone, now)


@router.delete(
    "/{delegation_id}",
    status_code=204,
    responses={
        404: {"model": Problem, "description": "There is none of this id."},
        422: {"model": Unfit, "description": "It is over already."},
    },
)
def end_stand_in(request: Request, delegation_id: str, me: Annotated[Person, Depends(decider)]) -> None:
    """End it before its time, or call it off before it begins. For those two, and for leads."""
    system = system_of(request)
    with system.db.write() as tx:
        call_off(tx, delegation_id, actor=me.actor, by=me, now=system.clock())


def _shown(one: Delegation, everyone: Mapping[str, Person], zone: str, now: datetime) -> StandInOut:
    there = ZoneInfo(zone)
    return StandInOut(
        id=one.id,
        person=_somebody(one.person_id, everyone),
        stand_in=_somebody(one.stand_in_id, everyone),
        first=one.starts_at.astimezone(there).date(),
        last=(one.ends_at - timedelta(microseconds=1)).astimezone(there).date(),
        starts_at=one.starts_at,
        ends_at=one.ends_at,
        now=one.starts_at <= now,
        reason=one.reason,
        created_by=one.created_by,
        created_at=one.created_at,
    )


def _somebody(person_id: str, everyone: Mapping[str, Person]) -> Somebody:
    person = everyone.get(person_id)
    if person is None:
        return Somebody(id=person_id, name="somebody who is gone", email="")
    return Somebody(id=person.id, name=person.name, email=person.email)

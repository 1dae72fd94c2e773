"""The kill switches for programs: what is thrown, throwing, releasing. Documented at ``/docs`` and in docs/limits.md.

A token with the scope ``decide`` acts as its person, who must be a lead to release.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from workers.inbox import switching
from workers.inbox.api import MOST_BYTES
from workers.inbox.identity import decider, reader, system_of
from workers.inbox.schemas import TOO_LARGE, Out, Problem, Text
from workers.store import switches
from workers.store.records import Person

router = APIRouter(
    prefix="/api/v1/switches",
    tags=["Switches"],
    responses={
        401: {"model": Problem, "description": "Nobody is signed in, and no valid token was sent."},
        403: {"model": Problem, "description": "The token lacks the scope, or this person may not do this."},
    },
)


class SwitchOut(Out):
    """A thrown switch."""

    scope: str
    reason: str
    actor: str
    thrown_at: datetime


class Switches(BaseModel):
    switches: list[SwitchOut]


class SwitchIn(BaseModel):
    """Which switch to throw, and why."""

    model_config = ConfigDict(extra="forbid")

    scope: Annotated[Text, Field(max_length=140, examples=["action:refund_payment"])]
    reason: Annotated[Text, Field(min_length=1, max_length=switching.MOST_REASON)]


@router.get("")
def list_switches(request: Request, _: Annotated[None, Depends(reader)]) -> Switches:
    """The switches that are thrown; of one that is not listed, nothing is held back."""
    with system_of(request).db.read() as tx:
        return Switches(switches=[SwitchOut.model_validate(switch) for switch in switches.listing(tx)])


@router.post("", status_code=201, responses=TOO_LARGE, max_body_size=MOST_BYTES)
def throw_switch(request: Request, body: SwitchIn, person: Annotated[Person, Depends(decider)]) -> SwitchOut:
    """Stop everything, a domain, a kind of action, a vendor, or what one rule allows. Anybody who may decide can."""
    return SwitchOut.model_validate(switching.throw(system_of(request), person, body.scope, body.reason))


@router.delete(
    "/{scope:path}", status_code=204, responses={404: {"model": Problem, "description": "It is not thrown."}}
)
def release_switch(
    request: Request,
    scope: str,
    person: Annotated[Person, Depends(decider)],
    reason: Annotated[str, Query(max_length=switching.MOST_REASON)] = "",
) -> None:
    """Let go on what a switch stopped. For people of the group `lead`."""
    switching.release(system_of(request), person, scope, reason)

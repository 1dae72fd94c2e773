"""The policy's life for programs: what was in force, each policy as it was, and proposing another one.

A proposal puts nothing in force: it answers with the action that people decide on. Who proposes is whoever the session or
token belongs to.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, model_validator
from starlette.requests import Request

from policies.errors import PolicyError
from workers.governance import NotProposed, propose
from workers.governance.proposing import MOST_BYTES, MOST_FILES
from workers.governance.rights import may_propose
from workers.inbox.identity import Refused, decider, reader, system_of
from workers.inbox.schemas import TOO_LARGE, ActionOut, Files, Out, Problem, Text, Unfit
from workers.store import actions, policy_sets
from workers.store.records import Person

_REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "Nobody is signed in, and no valid token was sent."},
    403: {"model": Problem, "description": "The token lacks the scope, or this person may not propose."},
    404: {"model": Problem, "description": "There is no such policy."},
    422: {"model": Unfit, "description": "The files are no policy, its tests fail, or there is nothing to decide."},
}

router = APIRouter(
    prefix="/api/v1/policy",
    tags=["Policy"],
)


class ActivationOut(Out):
    """One time that a policy came into force."""

    seq: int
    hash: str
    from_hash: str | None
    how: str = Field(description="genesis, approved or folder.")
    by: str
    action_id: str | None = Field(description="The action that people approved; none where nobody was asked.")
    at: datetime


class PolicyHistory(BaseModel):
    in_force: str
    activations: list[ActivationOut]


class PolicySetOut(Out):
    """A policy as it was added, with its files."""

    hash: str
    name: str
    state: str
    added_by: str
    added_at: datetime
    why: str
    files: dict[str, str]


class ProposalIn(BaseModel):
    """Either all files of a policy by name, or the hash of one that is kept already."""

    why: Text = Field(description="Read by those who decide.")
    files: Annotated[Files, Field(max_length=MOST_FILES)] | None = None
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> ProposalIn:
        if (self.files is None) == (self.hash is None):
            raise ValueError("give either files or hash")
        return self


@router.get("/history", responses={code: _REFUSALS[code] for code in (401, 403)})
def show_history(request: Request, _: Annotated[None, Depends(reader)]) -> PolicyHistory:
    """What was in force, newest first."""
    system = system_of(request)
    with system.db.read() as tx:
        past = policy_sets.history(tx)
    return PolicyHistory(in_force=system.policy.hash, activations=[ActivationOut.model_validate(one) for one in past])


@router.get("/sets/{hash_}", responses={code: _REFUSALS[code] for code in (401, 403, 404)})
def show_set(request: Request, hash_: str, _: Annotated[None, Depends(reader)]) -> PolicySetOut:
    """A policy as it was added. The first characters of its hash are enough where they name only one."""
    with system_of(request).db.read() as tx:
        found = policy_sets.beginning_with(tx, hash_) if len(hash_) >= 8 else []
        files = policy_sets.of_hash(tx, found[0].hash) if len(found) == 1 else None
    if files is None:
        raise Refused(404, "There is no such policy.")
    kept = found[0]
    return PolicySetOut(
        hash=kept.hash,
        name=kept.name,
        state=kept.state,
        added_by=kept.added_by,
        added_at=kept.added_at,
        why=kept.why,
        files=files,
    )


@router.post("/proposals", status_code=201, responses={**_REFUSALS, **TOO_LARGE}, max_body_size=2 * MOST_BYTES)
def propose_one(request: Request, body: ProposalIn, person: Annotated[Person, Depends(decider)]) -> ActionOut:
    """Propose another policy. Answers with the action on which people decide; until they did, nothing changes."""
    system = system_of(request)
    if not may_propose(person):
        raise Refused(403, "Only a lead, or somebody of the group admin, may propose a change of the policy.")
    files: dict[str, str | bytes] = dict(body.files or {})
    if body.hash is not None:
        with system.db.read() as tx:
            kept = policy_sets.of_hash(tx, body.hash)
        if kept is None:
            raise Refused(404, "There is no such policy.")
        files = dict(kept)
    try:
        case = propose(system, files, body.why, person.actor)
    except (PolicyError, NotProposed) as error:
        raise Refused(422, str(error)) from error
    with system.db.read() as tx:
        (action, *_) = actions.of_case(tx, case.id)
    return ActionOut.model_validate(action)

"""The JSON API's models: what goes out, and what a decision must look like to come in. Documented in docs/api.md."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StrictInt

from workers.inbox.words import Word
from workers.store.records import ActionState, CaseState


def _storable(value: Any) -> Any:
    """No control characters and lone surrogates anywhere: no page shows them and PostgreSQL does not keep NUL."""
    if isinstance(value, str):
        if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\r\t" for c in value):
            raise ValueError("control characters are refused")
    elif isinstance(value, dict):
        for key, item in value.items():
            _storable(key)
            _storable(item)
    elif isinstance(value, list):
        for item in value:
            _storable(item)
    return value


Text = Annotated[str, Field(max_length=4000), AfterValidator(_storable)]
#: texts by file name
Files = Annotated[dict[str, str], AfterValidator(_storable)]


def _in_utc(at: datetime) -> datetime:
    """As it is stored. At the ends of the calendar a zone leads out of it."""
    try:
        return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError("no calendar holds this time in UTC") from error


Moment = Annotated[datetime, AfterValidator(_in_utc)]
AwareMoment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class CaseOut(Out):
    """A case: the work that an event opened."""

    id: str
    domain: str
    subject: str
    source: str
    title: str
    customer: str
    state: CaseState
    step: str
    round: int
    priority: str
    events_total: int
    waiting_for: str | None = Field(description="What the case waits for outside, where it waits.")
    attention: str | None = Field(description="Why a person must look, where one must.")
    outcome: str | None
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None


class Rung(Out):
    after_minutes: int
    role: str


class Requirement(Out):
    role: str = Field(description="The group that must say yes; empty for anybody.")
    n: int
    stage: int = Field(0, description="Places of a later stage open when those before are full.")
    ladder: list[Rung] = Field([], description="Who may say yes instead once it was asked for so long.")


class Verdict(Out):
    outcome: Literal["allow", "notify", "review", "deny"]
    requirements: list[Requirement]
    reasons: list[str]
    rules: list[str]
    exclude: list[str] = Field([], description="Who may not approve: editor, initiator, last_approver.")
    authorised: list[str] | None = Field(None, description="The groups that may approve so much; null: no limit.")
    deadline_minutes: int | None = None
    obligations: list[dict[str, Any]] = Field([], description="What must happen besides the yes: docs/obligations.md.")
    changed: list[str] = Field([], description="What the policy itself changed in the arguments, in words.")
    policy: str = ""


class ActionOut(Out):
    """A drafted change to the outside world. A decision names its `revision` and `digest`."""

    id: str
    case_id: str
    round: int
    kind: str
    state: ActionState
    revision: int
    digest: str
    sentence: str
    arguments: dict[str, Any]
    target: str
    verdict: Verdict
    rationale: str
    citations: list[str]
    confidence: float
    rests_on: list[str]
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    waiting_for: str | None
    receipt: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    wake_at: datetime | None = Field(
        None, description="When it is due next: of an approved action, when it goes out unless it is stopped."
    )
    settled_at: datetime | None
    snoozed_until: datetime | None


class RevisionOut(Out):
    revision: int
    digest: str
    author: str
    arguments: dict[str, Any]
    created_at: datetime


class DecisionOut(Out):
    decision: str
    revision: int
    digest: str
    actor: str
    reason: str | None
    channel: str
    decided_at: datetime
    on_behalf_of: str | None = Field(description="The id of the person for whom a stand-in said it.")


class AttemptOut(Out):
    number: int
    outcome: str | None
    started_at: datetime
    finished_at: datetime | None
    receipt: dict[str, Any] | None
    error: str | None


class ActionDetail(ActionOut):
    """An action with its revisions, decisions and attempts."""

    revisions: list[RevisionOut]
    decisions: list[DecisionOut]
    attempts: list[AttemptOut]


class TimelineEntry(Out):
    at: datetime
    kind: str = Field(
        description="event, step, question, answer, action, revision, limit, switch, passed_on, decision, attempt or closed."
    )
    title: str
    who: str
    text: str
    ref: str
    round: int | None
    data: dict[str, Any]


class Cases(BaseModel):
    cases: list[CaseOut]
    next: str | None = Field(description="Pass as `before` for the next page; null at the end.")


class Actions(BaseModel):
    actions: list[ActionOut]
    next: str | None = Field(description="Pass as `before` for the next page; null at the end.")


class Timeline(BaseModel):
    case: CaseOut
    entries: list[TimelineEntry]


class DecisionIn(BaseModel):
    """What to decide of which revision. Who decides is whoever the session or token belongs to, never a field here."""

    decision: Word
    revision: StrictInt = Field(description="The revision that was seen.")
    digest: Annotated[str, Field(min_length=64, max_length=64)] = Field(description="The digest that was seen.")
    state: ActionState | None = Field(
        None, description="The state that was seen. Needed to approve or reject what is `uncertain`."
    )
    arguments: Annotated[dict[str, Any], AfterValidator(_storable)] | None = Field(
        None, description="With `approve`: the whole arguments as they shall be instead. Judged by the policy anew."
    )
    reason: Text | None = Field(None, description="Needed to reject, to request changes and to stop.")
    until: AwareMoment | None = Field(None, description="With `snooze`: until when.")
    group: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")] | None = Field(
        None, description="With `escalate`: the group to ask as well."
    )


class CaseDecisionIn(BaseModel):
    """What to do with a case that asks for a person."""

    decision: Literal["retry", "take_over", "close"]
    reason: Text | None = None


class Problem(BaseModel):
    """Why a request was not carried out."""

    detail: str


class Conflict(BaseModel):
    """Somebody was first, or the draft changed. Says who decided what, and when."""

    detail: str
    state: str
    decided_by: str | None
    decision: str | None
    decided_at: datetime | None


class Misfit(BaseModel):
    """What of a request could not be read, and why."""

    loc: list[str | int]
    msg: str
    type: str


class Unfit(BaseModel):
    """Why a request cannot be carried out: in words, or field by field where it could not even be read."""

    detail: str | list[Misfit]


TOO_LARGE: dict[int | str, dict[str, Any]] = {413: {"model": Problem, "description": "The body is too large."}}
#: what any operation may answer, besides what it says of itself
ANYWHERE: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The address or the body cannot be read at all."},
    422: {"model": Unfit, "description": "Something in the request does not fit; the answer says what."},
    503: {
        "model": Problem,
        "description": "The database is not available; nothing was changed. Try again in a moment.",
    },
}

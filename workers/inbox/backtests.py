"""Backtests from the inbox: the pages that ask for one and show what came of it, and the same for programs.

Asking is for leads; looking is for everybody who may look at the inbox. What is uploaded is checked whole before it is kept,
and every problem is named. The work itself is done beside the work of now, by `workers.rehearsal.jobs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from workers.inbox import schemas
from workers.inbox.backtest_report import by_rule, sides
from workers.inbox.explanation import REFUSALS
from workers.inbox.identity import Form, Identity, Poster, Refused, Visitor, decider, reader, system_of
from workers.inbox.pages import GET, SEE_OTHER, pages_of
from workers.inbox.schemas import TOO_LARGE, Files, Moment, Problem, Text
from workers.rehearsal import folder, jobs
from workers.rehearsal.folder import MOST_TOGETHER, Unfit
from workers.rehearsal.jobs import TooMany
from workers.rehearsal.told import tell
from workers.store import backtests, policy_sets
from workers.store.backtests import Backtest, State
from workers.store.database import Tx
from workers.store.decided import Window
from workers.store.policy_sets import PolicySet, SetState
from workers.store.records import Person

#: the group whose people may ask for one
MAY = "lead"
MOST_BYTES = MOST_TOGETHER + 64 * 1024
SPANS = (7, 30, 90, 365)

router = APIRouter()


class BacktestIn(BaseModel):
    """A policy to try on what was decided: its files by name, or the hash of one that is kept."""

    model_config = ConfigDict(extra="forbid")

    files: Files = Field(default_factory=dict, description="YAML by file name.")
    hash: Annotated[Text, Field(max_length=64)] | None = Field(
        None, description="Instead of files: a policy that was proposed or in force."
    )
    since: Moment | None = Field(None, description="Only what was drafted since; a time without a zone is UTC.")
    domain: Annotated[Text, Field(max_length=32)] | None = None
    kind: Annotated[Text, Field(max_length=40)] | None = None
    limit: int | None = Field(None, ge=1, description="At most so many, the latest.")


class BacktestOut(BaseModel):
    """A backtest: `waiting`, `running`, `done` (with `report`) or `failed` (with `error`)."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    state: str
    name: str
    policy_hash: str
    options: dict[str, Any]
    asked_by: str
    done: int
    total: int
    error: str | None
    asked_at: datetime
    finished_at: datetime | None
    report: dict[str, Any] | None


class Backtests(BaseModel):
    backtests: list[BacktestOut]


class Problems(schemas.Unfit):
    """Everything that is wrong with a policy."""

    problems: list[str] = Field([], description="Where the request could be read.")


# ── pages ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.api_route("/policy/backtests", methods=GET, include_in_schema=False)
def show_backtests(request: Request, identity: Visitor) -> Response:
    return _page(request, identity)


@router.post("/policy/backtests", include_in_schema=False, max_body_size=MOST_BYTES)
def ask_on_page(request: Request, identity: Poster, form: Form) -> Response:
    """Take the upload or the chosen policy; back to the page with every problem where it is none."""
    system = system_of(request)
    try:
        _may(identity.person)
        with system.db.write() as tx:
            files = _chosen(tx, str(form.get("hash") or ""), _uploads(form))
            made = jobs.ask(tx, files, _window(form, system.clock()), by=identity.person.actor, now=system.clock())
    except Unfit as error:
        return _page(request, identity, status=422, problems=error.problems)
    except TooMany as error:
        return _page(request, identity, status=429, problems=[str(error)])
    except Refused as error:
        return _page(request, identity, status=error.status, problems=[error.message])
    return RedirectResponse(f"/policy/backtests/{made}", SEE_OTHER)


@router.api_route("/policy/backtests/{backtest_id}", methods=GET, include_in_schema=False)
def show_backtest(request: Request, backtest_id: str, identity: Visitor) -> Response:
    """How far it is, or its report."""
    job = _found(request, backtest_id)
    context: dict[str, Any] = {"job": job, "told": None}
    if job.report is not None:
        told = tell(job.report, archived=int(job.report.get("archived", 0)))
        context |= {"told": told, "sides": sides(told), "lanes": by_rule(told), "links": True}
    return pages_of(request).page(request, "policy_backtest.html", context, identity=identity)


@router.api_route("/policy/backtests/{backtest_id}/progress", methods=GET, include_in_schema=False)
def show_progress(request: Request, backtest_id: str, identity: Visitor) -> Response:
    """The part of the page that follows the run; once it is over the page is loaded anew."""
    job = _found(request, backtest_id)
    over = {"HX-Refresh": "true"} if job.finished_at is not None else None
    shown = pages_of(request)
    return shown.page(request, "_policy_progress.html", {"job": job}, identity=identity, headers=over)


# ── for programs ─────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/api/v1/policy/backtests", tags=["Policy"], responses={k: REFUSALS[k] for k in (401, 403)})
def list_backtests(request: Request, _: Annotated[None, Depends(reader)]) -> Backtests:
    """The latest backtests, newest first, without their reports."""
    with system_of(request).db.read() as tx:
        found = backtests.listing(tx)
    return Backtests(backtests=[BacktestOut.model_validate(one).model_copy(update={"report": None}) for one in found])


@router.get("/api/v1/policy/backtests/{backtest_id}", tags=["Policy"], responses=REFUSALS)
def read_backtest(request: Request, backtest_id: str, _: Annotated[None, Depends(reader)]) -> BacktestOut:
    """One backtest with its report, once it is done."""
    return BacktestOut.model_validate(_found(request, backtest_id))


@router.post(
    "/api/v1/policy/backtests",
    tags=["Policy"],
    status_code=202,
    response_model=BacktestOut,
    responses={
        **REFUSALS,
        **TOO_LARGE,
        422: {"model": Problems, "description": "The policy is not sound; every problem is named."},
        429: {"model": Problem, "description": "This person has enough of them waiting or running."},
    },
    max_body_size=MOST_BYTES,
)
def ask_for_backtest(request: Request, body: BacktestIn, person: Annotated[Person, Depends(decider)]) -> Any:
    """Try a policy on what was decided. It runs beside the work; ask for it again until its state is `done`."""
    system = system_of(request)
    _may(person)
    window = Window(since=body.since, domain=body.domain, kind=body.kind, limit=body.limit)
    uploads = [(name, text.encode("utf-8", "replace")) for name, text in body.files.items()]
    try:
        with system.db.write() as tx:
            files = _chosen(tx, body.hash or "", uploads)
            made = jobs.ask(tx, files, window, by=person.actor, now=system.clock())
    except Unfit as error:
        return JSONResponse({"detail": "The policy is not sound.", "problems": list(error.problems)}, status_code=422)
    except TooMany as error:
        raise Refused(429, str(error)) from error
    return BacktestOut.model_validate(_found(request, made))


# ── what was asked for ───────────────────────────────────────────────────────────────────────────────────────────────


def _may(person: Person) -> None:
    if MAY not in person.groups:
        raise Refused(403, f"Only people of the group “{MAY}” ask for backtests.")


def _chosen(tx: Tx, hash_: str, uploads: Sequence[tuple[str, bytes]]) -> dict[str, str]:
    """The files of what is to be tried. Raise `Unfit`."""
    if hash_ and uploads:
        raise Unfit(["Choose a policy that is kept, or upload files: not both."])
    if not hash_:
        return folder.files(uploads)
    kept = policy_sets.of_hash(tx, hash_)
    if kept is None:
        raise Unfit([f"No policy {hash_[:12]} is kept here."])
    return kept


def _uploads(form: FormData) -> list[tuple[str, bytes]]:
    return [
        (held.filename, held.file.read())
        for held in form.getlist("files")
        if isinstance(held, UploadFile) and held.filename
    ]


def _window(form: Mapping[str, Any], now: datetime) -> Window:
    """Anything but a span that is offered means all there is."""
    days = str(form.get("days") or "")
    span = int(days) if days in map(str, SPANS) else None
    domain = str(form.get("domain") or "")[:32]
    return Window(since=now - timedelta(days=span) if span is not None else None, domain=domain or None)


def _found(request: Request, backtest_id: str) -> Backtest:
    with system_of(request).db.read() as tx:
        job = backtests.get(tx, backtest_id)
    if job is None:
        raise Refused(404, "There is no such backtest. Only the latest are kept.")
    return job


def _page(request: Request, identity: Identity, *, status: int = 200, problems: Sequence[str] = ()) -> Response:
    system = system_of(request)
    with system.db.read() as tx:
        listed = backtests.listing(tx)
        proposed: list[PolicySet] = [
            *policy_sets.in_state(tx, SetState.PROPOSED),
            *policy_sets.in_state(tx, SetState.SHADOW),
        ]
    context = {
        "jobs": listed,
        "proposed": proposed,
        "domains": sorted(system.agents),
        "spans": SPANS,
        "may": MAY in identity.person.groups,
        "group": MAY,
        "problems": problems,
        "states": {
            State.WAITING: ("○", "open", "Waits"),
            State.RUNNING: ("◐", "open", "Runs"),
            State.DONE: ("✓", "good", "Done"),
            State.FAILED: ("✕", "bad", "Failed"),
        },
    }
    return pages_of(request).page(request, "policy_backtests.html", context, identity=identity, status=status)

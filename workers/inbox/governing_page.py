"""The pages of the policy's life: what was in force when and who said yes, each policy as it was, and the forms to propose one.

GET shows; a form proposes or withdraws, carries the session's CSRF token, and leads to the card on which people decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from policies.errors import PolicyError
from workers.governance import NotProposed, propose, staffing, withdraw
from workers.governance.book import policy_of
from workers.governance.folder import Folder, differing
from workers.governance.proposing import DOMAIN, MOST_BYTES
from workers.governance.rights import may_propose
from workers.inbox.changed_policy import compared
from workers.inbox.identity import Form, Identity, Poster, Refused, Visitor, system_of
from workers.inbox.pages import GET, SEE_OTHER, pages_of
from workers.store import actions, inbox, policy_sets
from workers.store.database import Tx
from workers.store.policy_sets import Activation, PolicySet
from workers.store.records import Action, Case
from workers.wiring import System

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Was:
    """One time that a policy was in force."""

    activation: Activation
    policy: PolicySet | None
    case_id: str | None


@dataclass(frozen=True, slots=True)
class Open:
    """A proposal that waits."""

    case: Case
    action: Action | None


@router.api_route("/policy/history", methods=GET)
def show_history(request: Request, identity: Visitor) -> Response:
    return _history(request, identity)


@router.api_route("/policy/sets/{hash_}", methods=GET)
def show_set(request: Request, hash_: str, identity: Visitor) -> Response:
    system = system_of(request)
    with system.db.read() as tx:
        found = policy_sets.beginning_with(tx, hash_) if len(hash_) >= 8 else []
        if len(found) != 1:
            raise Refused(404, "There is no such policy. It may belong to another installation.")
        kept = found[0]
        files = policy_sets.of_hash(tx, kept.hash) or {}
    policy, in_force = policy_of(system, kept.hash), system.policy
    context = {
        "kept": kept,
        "files": files,
        "sound": policy is not None,
        "in_force": in_force.hash == kept.hash,
        "compared": compared(system, in_force, policy),
        "may": may_propose(identity.person),
    }
    return pages_of(request).page(request, "rulebook_set.html", context, identity=identity)


@router.post("/policy/proposals", max_body_size=2 * MOST_BYTES)
def propose_one(request: Request, identity: Poster, form: Form) -> Response:
    """Files that were picked, or a policy that is kept already."""
    system = system_of(request)
    why = str(form.get("why") or "").strip()[:2000]
    try:
        files = _files(system, form)
        _allowed(identity)
        case = propose(system, files, why, identity.person.actor)
    except (PolicyError, NotProposed) as error:
        return _history(request, identity, problem=str(error), why=why)
    with system.db.read() as tx:
        (action, *_) = actions.of_case(tx, case.id)
    return RedirectResponse(f"/actions/{action.id}", SEE_OTHER)


@router.post("/policy/proposals/{hash_}/withdraw", max_body_size=MOST_BYTES)
def withdraw_one(request: Request, hash_: str, identity: Poster, form: Form) -> Response:
    try:
        _allowed(identity)
        withdraw(system_of(request), hash_, str(form.get("why") or ""), identity.person.actor)
    except NotProposed as error:
        return _history(request, identity, problem=str(error))
    return RedirectResponse("/policy/history", SEE_OTHER)


def _history(request: Request, identity: Identity, *, problem: str = "", why: str = "") -> Response:
    system = system_of(request)
    in_force = system.policy
    differs: Folder | None = differing(system.settings.policy_dir, in_force) if may_propose(identity.person) else None
    with system.db.read() as tx:
        decided = policy_sets.in_force(tx)
        if differs is not None and decided is not None and differs.hash == decided.hash:
            # People have just decided on exactly these files, and this process is yet to follow.
            differs = None
        known = {kept.hash: kept for kept in policy_sets.listing(tx)}
        context: Mapping[str, Any] = {
            "policy": in_force,
            "trouble": system.rulebook.trouble,
            "past": [_was(tx, one, known) for one in policy_sets.history(tx)],
            "open": _open(tx),
            "folder": differs,
            "obstacle": staffing.obstacle(tx, in_force, system.clock()),
            "may": may_propose(identity.person),
            "problem": problem,
            "why": why,
        }
    status = 422 if problem else 200
    return pages_of(request).page(request, "rulebook_history.html", context, identity=identity, status=status)


def _was(tx: Tx, activation: Activation, known: Mapping[str, PolicySet]) -> Was:
    action = actions.get(tx, activation.action_id) if activation.action_id is not None else None
    return Was(activation, known.get(activation.hash), action.case_id if action is not None else None)


def _open(tx: Tx) -> list[Open]:
    found = inbox.find_cases(tx, domain=DOMAIN, limit=100)
    waiting = [case for case in found if case.closed_at is None]
    return [Open(case, next(iter(actions.of_case(tx, case.id)), None)) for case in waiting]


def _allowed(identity: Identity) -> None:
    if not may_propose(identity.person):
        raise NotProposed("Only a lead, or somebody of the group admin, may propose a change of the policy.")


def _files(system: System, form: FormData) -> Mapping[str, str | bytes]:
    """What the form brought. Uploads are small, and are in memory or a temporary file by now."""
    kept = form.get("hash")
    if isinstance(kept, str) and kept:
        with system.db.read() as tx:
            found = policy_sets.of_hash(tx, kept)
        if found is None:
            raise NotProposed("There is no such policy here.")
        return found
    picked = [item for item in form.getlist("files") if isinstance(item, UploadFile) and item.filename]
    if not picked:
        raise NotProposed("Pick the policy's files: every bundle and its tests, not only those that changed.")
    files: dict[str, str | bytes] = {}
    for item in picked:
        if item.filename in files:
            raise NotProposed(f"Two files are called {item.filename!r}.")
        files[str(item.filename)] = item.file.read()
    return files

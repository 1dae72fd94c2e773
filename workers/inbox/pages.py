"""The pages: the inbox, the card, cases. GET shows and changes nothing; `posting` takes the forms.

Each page works without JavaScript. Pages are rendered from views (`lists`, `cards`, `timeline`); no template queries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from workers import renewal
from workers.inbox import cards, lists, timeline
from workers.inbox.changed_policy import changed_policy
from workers.inbox.identity import Identity, Refused, Visitor, system_of
from workers.inbox.lists import Tab
from workers.inbox.offers import groups_to_ask, snooze_until
from workers.inbox.remembered import remembered
from workers.inbox.rendering import Pages
from workers.inbox.wording import who
from workers.store import actions, audit, inbox
from workers.store.database import Tx
from workers.store.records import Action, ActionState, CaseState, Decision

PAGE = 50
#: the methods of whatever shows a page
GET = ["GET", "HEAD"]
SEE_OTHER = 303

router = APIRouter(include_in_schema=False)
Domain = Annotated[str, Query(max_length=32)]
After = Annotated[str, Query(max_length=40)]


def pages_of(request: Request) -> Pages:
    pages: Pages = request.app.state.pages
    return pages


@router.api_route("/", methods=GET)
def show_inbox(
    request: Request, identity: Visitor, tab: Tab = Tab.MINE, domain: Domain = "", after: After = ""
) -> Response:
    system = system_of(request)
    with system.db.read() as tx:
        last_change = audit.last_id(tx)
        view = lists.load(tx, identity.person, tab=tab, domain=domain, domains=system.agents, now=system.clock())
        context = {"view": view, "flash": flash(tx, after), "last_change": last_change}
    return pages_of(request).page(request, "inbox.html", context, identity=identity)


@router.api_route("/actions/{action_id}", methods=GET)
def show_action(
    request: Request, action_id: str, identity: Visitor, tab: Tab = Tab.MINE, domain: Domain = "", after: After = ""
) -> Response:
    return card_page(request, identity, action_id, tab=tab, domain=domain, after=after)


def card_page(
    request: Request,
    identity: Identity,
    action_id: str,
    *,
    tab: Tab,
    domain: str,
    after: str = "",
    status: int = 200,
    context: Mapping[str, Any] | None = None,
) -> Response:
    """The card as it is now, with what a refused decision has to say."""
    system = system_of(request)
    # Nobody should read, let alone decide by, what a policy said that is gone.
    renewal.renew(system, action_id)
    now = system.clock()
    with system.db.read() as tx:
        last_change = audit.last_id(tx)  # before the card: what comes between is told once more, never missed
        card = cards.load(tx, action_id, identity.person, now=now)
        if card is None:
            raise Refused(404, "There is no such action. It may belong to another installation.")
        before, following = lists.neighbours(tx, identity.person, action_id, tab=tab, domain=domain, now=now)
        shown = {
            "card": card,
            "last_change": last_change,
            "fields": () if card.kind is not None and card.kind.fixed else card.fields,
            "previous_id": before,
            "next_id": following,
            "tab": tab,
            "domain": domain,
            "flash": flash(tx, after),
            "problem": "",
            "lost": (),
            "snooze_until": snooze_until(card.position),
            "groups": groups_to_ask(system.policy, card.position),
        }
    return pages_of(request).page(
        request,
        "action.html",
        {**shown, "change": changed_policy(system, card.action), **(context or {})},
        identity=identity,
        status=status,
    )


@router.api_route("/actions/{action_id}/changes", methods=GET)
def show_changes(
    request: Request,
    action_id: str,
    identity: Visitor,
    revision: int,
    digest: Annotated[str, Query(max_length=64)],
    since: int = 0,
    state: Annotated[str, Query(max_length=16)] = "",
) -> Response:
    """What happened to a card while it was open; `locked` where it can no longer be decided as it is shown."""
    with system_of(request).db.read() as tx:
        action = actions.get(tx, action_id)
        if action is None:
            raise Refused(404, "There is no such action.")
        log = [entry for entry in audit.of_chain(tx, action.case_id) if entry.id > since]
        last = inbox.last_decision(tx, action_id)
    moved = action.revision != revision or action.digest != digest
    # What is approved can still be stopped, by whoever saw it approved.
    going = action.state == state == ActionState.APPROVED
    closed = action.state not in (ActionState.PENDING, ActionState.UNCERTAIN) and not going
    context = {
        "action": action,
        "log": [entry for entry in log if entry.data.get("action") in (None, action_id)],
        "last": last if last is not None and (moved or closed) else None,
        "moved": moved,
        "closed": closed,
        "locked": moved or closed,
    }
    return pages_of(request).page(request, "_changed.html", context, identity=identity)


@router.api_route("/cases", methods=GET)
def show_cases(
    request: Request,
    identity: Visitor,
    q: Annotated[str, Query(max_length=200)] = "",
    state: Annotated[str, Query(max_length=16)] = "",
    domain: Domain = "",
    before: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    system = system_of(request)
    states = [state] if state in list(CaseState) else []
    with system.db.read() as tx:
        found = inbox.find_cases(
            tx, text=q.strip(), states=states, domain=domain or None, before=before or None, limit=PAGE + 1
        )
        context = {
            "cases": found[:PAGE],
            "older": found[PAGE - 1].id if len(found) > PAGE else None,
            "domains": sorted(system.agents),
            "states": list(CaseState),
            "q": q,
            "state": state,
            "domain": domain,
            "before": before,
        }
    return pages_of(request).page(request, "cases.html", context, identity=identity)


@router.api_route("/cases/{case_id}", methods=GET)
def show_case(request: Request, case_id: str, identity: Visitor) -> Response:
    return case_page(request, identity, case_id)


def case_page(request: Request, identity: Identity, case_id: str, *, status: int = 200, problem: str = "") -> Response:
    with system_of(request).db.read() as tx:
        life = timeline.load(tx, case_id)
    if life is None:
        raise Refused(404, "There is no such case. It may belong to another installation.")
    context = {"life": life, "problem": problem, "remembered": remembered(system_of(request), life)}
    return pages_of(request).page(request, "case.html", context, identity=identity, status=status)


def flash(tx: Tx, action_id: str) -> str:
    """What the reader's last decision led to, read from the action itself."""
    action = actions.get(tx, action_id) if action_id else None
    last = inbox.last_decision(tx, action_id) if action is not None else None
    if action is None or last is None:
        return ""
    return f"{_became(action, last)}: {action.sentence}"


def _became(action: Action, last: Decision) -> str:
    match last.decision, action.state:
        case "edit", ActionState.PENDING:
            return f"Saved as revision {action.revision}, which waits for somebody else"
        case "approve", ActionState.PENDING:
            return action.waiting_for or "Approved in part"
        case "approve" | "edit", ActionState.DENIED:
            return "The policy refuses this draft"
        case "approve" | "edit", _:
            return "Approved"
        case "reject", ActionState.FAILED:
            return "Left as not done"
        case "stop", _:
            return "Stopped: it does not go out"
        case "confirm", _:
            return "Noted that it happened"
        case "snooze", _ if action.snoozed_until is not None:
            return f"Snoozed until {action.snoozed_until:%Y-%m-%d %H:%M} UTC"
        case "escalate", _:
            return "Escalated"
    return f"{last.decision.replace('_', ' ').capitalize()} by {who(last.actor)}"

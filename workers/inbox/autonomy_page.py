"""The page “Autonomy”: what runs by itself and how its test stands, what was taken back and why, what was proposed and on which
evidence; and the forms by which somebody looks for more, and proposes it.

GET shows and reckons nothing that lasts. Looking changes nothing either, but takes seconds, so it is asked for. A proposal
leads to the card on which people decide. Giving back what was taken is for the page of the switches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from policies import evidence
from policies.errors import PolicyError
from workers.autonomy.drafting import is_earned
from workers.autonomy.proposing import Looked, look, propose
from workers.autonomy.watching import MOST
from workers.governance import NotProposed
from workers.governance.rights import may_propose
from workers.inbox import curves
from workers.inbox.identity import Form, Identity, Poster, Visitor, system_of
from workers.inbox.pages import GET, SEE_OTHER, pages_of
from workers.store import actions, autonomy, autonomy_watches
from workers.store.autonomy import Proposed
from workers.store.autonomy_watches import Outcome, Watch
from workers.store.database import Tx

MOST_BYTES = 4096
#: outcomes that went wrong and are listed with a rule
LISTED = 12

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Tested:
    """A rule's test, drawn."""

    watch: Watch
    earned: bool
    alarm: float
    plot: Markup
    wrong: Sequence[Outcome]
    in_force: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """A proposal as it was made, with where it stands."""

    proposed: Proposed
    plot: Markup | None
    action_id: str | None
    standing: str


@router.api_route("/policy/autonomy", methods=GET)
def show_autonomy(request: Request, identity: Visitor) -> Response:
    return _page(request, identity)


@router.post("/policy/autonomy/look", max_body_size=MOST_BYTES)
def look_for_more(request: Request, identity: Poster) -> Response:
    return _page(request, identity, looked=look(system_of(request), identity.person.actor))


@router.post("/policy/autonomy/propose", max_body_size=MOST_BYTES)
def propose_one(request: Request, identity: Poster, form: Form) -> Response:
    system = system_of(request)
    rule = str(form.get("rule") or "")
    looked = look(system, identity.person.actor)
    found = next((one for one in looked.suggestions if one.rule == rule), None)
    if not may_propose(identity.person) or found is None:
        told = (
            "What was decided since then no longer bears this out."
            if found is None
            else "Only a lead may propose this."
        )
        return _page(request, identity, looked=looked, problem=told)
    try:
        case = propose(system, found, identity.person.actor)
    except (PolicyError, NotProposed) as error:
        return _page(request, identity, looked=looked, problem=str(error))
    with system.db.read() as tx:
        (action, *_) = actions.of_case(tx, case.id)
    return RedirectResponse(f"/actions/{action.id}", SEE_OTHER)


def _page(request: Request, identity: Identity, *, looked: Looked | None = None, problem: str = "") -> Response:
    system = system_of(request)
    policy = system.policy
    in_force = {rule.ref for rule in policy.rules}
    with system.db.read() as tx:
        tested = [_tested(tx, watch, watch.rule in in_force) for watch in autonomy_watches.listing(tx)]
        kept = [_kept(tx, one, policy.autonomy.lower_bound) for one in autonomy.proposals(tx)]
    context = {
        "tested": tested,
        "kept": kept,
        "looked": looked,
        "problem": problem,
        "wanted": policy.autonomy,
        "may": may_propose(identity.person),
    }
    return pages_of(request).page(
        request, "policy_autonomy.html", context, identity=identity, status=409 if problem else 200
    )


def _tested(tx: Tx, watch: Watch, in_force: bool) -> Tested:
    found = autonomy_watches.outcomes(tx, watch.rule, watch.epoch, MOST)
    path = evidence.suspicion([one.wrong for one in found], watch.tolerated)
    wrong = [number for number, one in enumerate(found, start=1) if one.wrong]
    alarm = 1 / watch.alpha
    label = f"Suspicion against {watch.rule} after each of {len(path)} outcomes; at {alarm:g} it is taken back"
    return Tested(
        watch=watch,
        earned=is_earned(watch.rule),
        alarm=alarm,
        plot=curves.suspicion(path, alarm=alarm, wrong=wrong, label=label),
        wrong=[one for one in reversed(found) if one.wrong][:LISTED],
        in_force=in_force,
    )


def _kept(tx: Tx, one: Proposed, wanted: float) -> Kept:
    path = one.evidence.get("path")
    case_actions = actions.of_case(tx, one.in_case) if one.in_case else []
    action = case_actions[0] if case_actions else None
    return Kept(
        proposed=one,
        plot=curves.bounds(path, wanted=wanted, label=f"The bound over {one.evidence['seen']} decisions")
        if path
        else None,
        action_id=action.id if action is not None else None,
        standing=str(action.state) if action is not None else "",
    )

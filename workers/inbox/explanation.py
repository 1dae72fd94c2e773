"""The page ``/actions/{id}/explanation``: everything about one verdict, and whether it can be reached again.

Every rule that was asked with what it saw, what the limits said, which switches were thrown, who has to say yes in which
order, what the verdict obliges to, and under exactly which policy. Shows and changes nothing; where the policy of then is
still kept the answers are worked out again, otherwise those are shown that were stored.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from policies import limits, record
from policies.explain import ASIDE, EXCLUDED, obligation
from policies.messages import money
from policies.types import DecisionRecord, Enforcement, Reserved, RuleAnswer, Use
from workers.inbox.explained import value_of
from workers.inbox.forms import label
from workers.inbox.identity import Refused, Visitor, reader, system_of
from workers.inbox.pages import GET, pages_of
from workers.inbox.rules_page import asked, limited
from workers.inbox.schemas import Problem
from workers.rehearsal.earlier import known
from workers.rehearsal.replay import CHANGED, Replayed, Result, reach, replay
from workers.store import actions, decided
from workers.store.decided import Kept
from workers.store.judgements import Standing, standing
from workers.store.records import Action
from workers.wiring import System

router = APIRouter()
#: names of facts that say nothing by themselves
_INNER = {"draw"}

REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "Nobody is signed in, and no valid token was sent."},
    403: {"model": Problem, "description": "The token lacks the scope, or this person may not ask for this."},
    404: {"model": Problem, "description": "There is no such thing."},
}

Revision = Annotated[int | None, Query(ge=1, le=1_000_000)]


@dataclass(frozen=True, slots=True)
class Asked:
    """One rule's answer. `standing`: counts, aside (with `why`), failed or silent."""

    ref: str
    outcome: str
    message: str
    when: str
    values: Sequence[tuple[str, str]]
    standing: str
    decided: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One revision's verdict in all its parts. `rules` are in the order in which they are worth reading."""

    revision: int
    author: str
    decided_at: datetime
    outcome: str
    reasons: Sequence[str]
    people: str
    terms: Sequence[str]
    obligations: Sequence[str]
    waivers: Sequence[str]
    limits: Sequence[str]
    switches: Sequence[str]
    rules: Sequence[Asked]
    #: those that were asked and did not match, where their answers could not be had again
    silent: Sequence[str]
    facts: Sequence[tuple[str, str]]
    policy: str
    policy_hash: str
    engine: str
    replayed: Replayed


class ReplayOut(BaseModel):
    """Whether a decision is what its policy and its facts lead to: `same`, `different` or `unknown`."""

    action: str
    revision: int
    result: Result
    policy: str
    policy_hash: str
    differences: list[str]
    reason: str
    #: whether the record is the one that was written when it was judged, as the audit log tells
    record: Standing


@router.api_route("/actions/{action_id}/explanation", methods=GET, include_in_schema=False)
def show_explanation(request: Request, action_id: str, identity: Visitor, revision: Revision = None) -> Response:
    system = system_of(request)
    action, kept = kept_of(system, action_id)
    context = {
        "action": action,
        "revisions": [one.revision for one in kept],
        "one": explain(system, chosen(kept, revision)),
    }
    return pages_of(request).page(request, "policy_explanation.html", context, identity=identity)


@router.get("/api/v1/actions/{action_id}/replay", tags=["Policy"], responses=REFUSALS)
def replay_action(
    request: Request, action_id: str, _: Annotated[None, Depends(reader)], revision: Revision = None
) -> ReplayOut:
    """Decide once more, with the very policy and facts of then, and compare with what is stored, value by value."""
    system = system_of(request)
    kept = kept_of(system, action_id)[1]
    done = replay(chosen(kept, revision), known(system.db, system.policy))
    return ReplayOut(
        action=done.action_id,
        revision=done.revision,
        result=done.result,
        policy=done.policy,
        policy_hash=done.policy_hash,
        differences=list(done.differences),
        reason=done.reason,
        record=done.record,
    )


def explain(system: System, kept: Kept) -> Explanation:
    """One stored decision explained. Raise `Refused` where nothing of it can be read any more."""
    of_hash = known(system.db, system.policy)
    try:
        stored = json.loads(kept.record)
        held = record.from_json(stored)
    except (KeyError, TypeError, ValueError) as error:
        if standing(kept.record, kept.digest, erased=kept.erased) is Standing.CHANGED:
            raise Refused(410, f"What was decided here cannot be read any more. {CHANGED}") from error
        raise Refused(410, "What was decided here was erased.") from error
    policy = of_hash(held.policy_hash)
    replayed = replay(kept, of_hash)
    full = held
    if policy is not None and replayed.result is Result.SAME:
        # The stored answers are what was decided; those of rules that stayed silent are only in the one made again.
        full = reach(policy, stored, asked_besides=kept.escalated)
    deciding = set(held.verdict.rules)
    verdict = held.verdict
    return Explanation(
        revision=kept.revision,
        author=kept.author,
        decided_at=held.decided_at,
        outcome=verdict.outcome.name,
        reasons=verdict.reasons,
        people=asked(verdict.requirements),
        terms=tuple(_terms(held)),
        obligations=tuple(obligation(one) for one in verdict.obligations) + tuple(f"unmet: {u}" for u in held.unmet),
        waivers=verdict.waivers,
        limits=tuple(_limits(held.uses, held.reserved)),
        switches=tuple(str(name) for name in held.facts.get("thrown_switches") or ()),
        rules=sorted((_asked(answer, deciding, held.facts) for answer in full.answers), key=_order),
        silent=tuple(stored.get("unmatched") or ()) if full is held else (),
        facts=tuple(_facts(stored, held.facts)),
        policy=held.policy,
        policy_hash=held.policy_hash,
        engine=held.engine,
        replayed=replayed,
    )


def kept_of(system: System, action_id: str) -> tuple[Action, list[Kept]]:
    with system.db.read() as tx:
        action = actions.get(tx, action_id)
        kept = decided.records_of(tx, action_id)
    if action is None or not kept:
        raise Refused(404, "There is no such action. It may belong to another installation, or be archived.")
    return action, kept


def chosen(kept: Sequence[Kept], revision: int | None) -> Kept:
    found = [one for one in kept if revision in (None, one.revision)]
    if not found:
        raise Refused(404, "This action has no such revision.")
    return found[-1]


def _terms(held: DecisionRecord) -> Iterable[str]:
    verdict = held.verdict
    for who in verdict.exclude:
        yield f"Not {EXCLUDED.get(who, who)}."
    if verdict.authorised is not None:
        yield f"May approve so much: {', '.join(verdict.authorised) or 'nobody'}."
    if verdict.deadline_minutes is not None:
        yield f"Within {limits.window(verdict.deadline_minutes)}, else it counts as refused."


def _limits(uses: Sequence[Use], reserved: Sequence[Reserved]) -> Iterable[str]:
    tried = {one.key: one for one in reserved}
    for use in uses:
        yield f"{use.limit.ref}: {limited(use.limit)}.{_room(use, tried.pop(use.key, None))}"
    for one in tried.values():
        yield f"{one.limit}: {'there was room' if one.held else 'it was reached'}, {one.used_count} used before."


def _room(use: Use, tried: Reserved | None) -> str:
    if tried is None:
        return " It is reserved with the last yes."
    before = f"{tried.used_count} times"
    if use.limit.currency:
        before += f" and {money(tried.used_minor, use.limit.currency)}"
    return f" There was {'room' if tried.held else 'no room'}: {before} used before."


def _asked(answer: RuleAnswer, deciding: set[str], facts: Mapping[str, Any]) -> Asked:
    ref = f"{answer.bundle}/{answer.rule}"
    standing, why = "silent", ""
    if answer.error is not None:
        standing, why = "failed", answer.error
    elif answer.matched and answer.set_aside is not None:
        kind, _, waiver = answer.set_aside.partition(":")
        standing, why = "aside", " ".join(filter(None, (ASIDE.get(kind, kind), waiver)))
    elif answer.matched and answer.enforcement is not Enforcement.ENFORCE:
        standing, why = "aside", f"{answer.enforcement.value} only"
    elif answer.matched:
        standing = "counts"
    values = tuple((name, value_of(name, facts[name], facts)) for name in answer.names)
    when = " ".join(answer.when.split())
    return Asked(ref, answer.outcome.name, answer.message, when, values, standing, ref in deciding, why)


def _order(one: Asked) -> tuple[int, int, str]:
    return (not one.decided, ("counts", "failed", "aside", "silent").index(one.standing), one.ref)


def _facts(stored: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Facts that are not as usual: of a hundred, the few that say something."""
    told = stored.get("facts") or {}
    for name in sorted(told if stored.get("usual_left_out") else facts):
        if name not in _INNER:
            yield label(name), value_of(name, facts[name], facts)

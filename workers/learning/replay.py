"""Replaying the past: decided cases against a candidate, and what would have come of it. No vendor is asked, nothing is done.

What the agent had read is taken from the record, so only the draft is made anew, and then judged by the policy as in the
pipeline. The case's own bill shows what that cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from integrations.errors import IntegrationError, Permanent, Temporary
from integrations.models.base import Usage
from integrations.models.budget import OverBudget
from integrations.models.failures import paid
from policies import record
from policies.rules import Policy
from workers.agents.base import Agent, Draft
from workers.drafting import checked, version_of
from workers.journal import usage_rows
from workers.judgement import judge
from workers.learning import past
from workers.learning.candidate import Candidate
from workers.learning.measure import Measured, Proposed, Wanted, measure
from workers.learning.past import Judged, Past
from workers.store import actions, steps
from workers.store.database import Database

_ALONE = ("allow", "notify")


@dataclass(frozen=True, slots=True)
class Replayed:
    """One case: how the draft that was made, and the candidate's, compare with what people decided."""

    case_id: str
    customer: str
    domain: str
    live: Measured
    then: Measured | None
    usage: Usage | None
    cost_usd: Decimal | None
    error: str | None
    output: Mapping[str, Any] | None = None
    #: nothing came back for now; later it may
    passing: bool = False
    #: nobody was asked, as a budget is used up
    over_budget: bool = False


def replay(
    db: Database,
    agents: Mapping[str, Agent],
    candidate: Candidate,
    case_ids: Sequence[str],
    *,
    task: str,
    clock: Callable[[], datetime],
    at_once: int = 4,
    told: Callable[[], None] = lambda: None,
) -> Iterator[Replayed]:
    """Each case in turn, in any order. `task` is the name under which its cost stands on the case's bill."""

    def one(case_id: str) -> Replayed | None:
        with db.read() as tx:
            found = past.of_case(tx, case_id)
        agent = agents.get(found.case.domain) if found is not None else None
        return None if found is None or agent is None else _replayed(db, agent, candidate, found, task, clock)

    with ThreadPoolExecutor(max_workers=max(1, at_once)) as pool:
        for replayed in pool.map(one, case_ids):
            told()
            if replayed is not None:
                yield replayed


def _replayed(
    db: Database, agent: Agent, candidate: Candidate, found: Past, task: str, clock: Callable[[], datetime]
) -> Replayed:
    wanted = list(wants(found))
    silent = [judged for judged in found.proposals if not judged.verdict]
    aside = tuple({judged.action.kind for judged in silent})
    unasked = [j.proposed for j in silent if j.by_itself and j.action.state in past.APPROVED]
    live = measure([_as_it_was(judged) for judged in found.proposals], wanted, aside=aside, unasked=unasked)
    drafted, model, answer, error = found.draft, found.model, None, None
    used: tuple[Usage, ...] = ()
    passing = over_budget = False
    if candidate.model is not None:
        try:
            answer = candidate.model.answer(candidate.changed(found.request(agent)))
        except IntegrationError as failed:
            error, used = str(failed), paid(failed)
            passing, over_budget = isinstance(failed, Temporary), isinstance(failed, OverBudget)
        else:
            used = (*answer.earlier, answer.usage)
            drafted = Draft.model_validate(answer.output.model_dump(mode="json"))
            model = (answer.usage.provider, answer.usage.model)
    elif drafted is None:
        error = "No draft of this round is on record."
    then = None
    if error is None and drafted is not None:
        try:
            anew = _judged_anew(db, agent, candidate.policy, found, drafted, model)
            then = measure(anew, wanted, aside=aside, unasked=unasked)
        except Permanent as refused:
            error = str(refused)
    _pay(db, found, used, task, clock(), answered=answer is not None)
    priced = [usage.cost_usd for usage in used if usage.cost_usd is not None]
    return Replayed(
        case_id=found.case.id,
        customer=found.case.customer.strip().casefold(),
        domain=found.case.domain,
        live=live,
        then=then,
        usage=used[-1] if used else None,
        cost_usd=sum(priced, Decimal(0)) if priced else None,
        error=error,
        output=drafted.model_dump(mode="json") if answer is not None and drafted is not None else None,
        passing=passing,
        over_budget=over_budget,
    )


def wants(found: Past) -> Iterator[Wanted]:
    """What people made of the case in the end: refused here, let through here, or let through once it was drafted anew."""
    for judged in found.proposals:
        if judged.verdict == "rejected":
            yield Wanted(judged.action.kind, judged.action.target, judged.proposed, "rejected")
    here = [judged for judged in found.proposals if judged.made is not None]
    # Changes were asked for, so what counts is what came of that; a later message would be another matter.
    if any(judged.verdict == "changes" for judged in found.proposals):
        anew = min((judged.action.round for judged in found.later), default=0)
        here += [judged for judged in found.later if judged.action.round == anew and judged.made is not None]
    for judged in here:
        yield Wanted(judged.action.kind, judged.action.target, judged.made or {}, judged.verdict)


def _as_it_was(judged: Judged) -> Proposed:
    return Proposed(
        judged.action.kind, judged.first.target, judged.proposed, judged.by_itself, denied=judged.outcome == "deny"
    )


def _judged_anew(
    db: Database, agent: Agent, policy: Policy, found: Past, drafted: Draft, model: tuple[str, str]
) -> list[Proposed]:
    """What the policy says of each proposal, on the facts of then."""
    matter = found.matter(model)
    then = {(j.action.kind, j.first.target): record.facts_of(j.first.record) for j in found.proposals}
    at = found.proposals[0].action.created_at if found.proposals else found.case.updated_at
    proposed: list[Proposed] = []
    with db.read() as tx:
        for proposal in drafted.actions:
            kind, arguments = checked(agent, proposal)
            target = kind.target(arguments, found.case.subject)
            known = then.get((kind.name, target))
            repeats = (
                bool(known.get("repeats_earlier_action"))
                if known is not None
                else bool(actions.same_kind_and_target(tx, kind.name, target))
            )
            judged = judge(
                policy,
                matter,
                kind,
                arguments,
                target=target,
                target_version=version_of(matter, target) if kind.guarded else "",
                revision=1,
                confidence=proposal.confidence,
                repeats=repeats or any(one.kind == kind.name and one.target == target for one in proposed),
                edited=False,
                now=at,
            )
            outcome = judged.verdict["outcome"]
            proposed.append(Proposed(kind.name, target, arguments, outcome in _ALONE, denied=outcome == "deny"))
    return proposed


def _pay(db: Database, found: Past, used: Sequence[Usage], task: str, now: datetime, *, answered: bool) -> None:
    """What was used, on the case's bill: also where it gave nothing."""
    if used:
        case = replace(found.case, round=found.round)
        with db.write() as tx:
            for row in usage_rows(case, task, used, now, answered=answered):
                steps.add_usage(tx, row)

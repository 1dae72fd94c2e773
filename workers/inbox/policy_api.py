"""The policy for programs: its rules with their hits, one verdict explained, and what shadow policies say.

What the pages show, as JSON. GET only: nothing here decides or changes anything.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request

from workers.inbox import rules_page
from workers.inbox.explanation import REFUSALS, Revision, chosen, explain, kept_of
from workers.inbox.identity import reader, system_of
from workers.rehearsal import beside
from workers.store import shadow_verdicts

_LOOKING: dict[int | str, dict[str, Any]] = {code: REFUSALS[code] for code in (401, 403)}

router = APIRouter(prefix="/api/v1", tags=["Policy"])


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class RuleOut(BaseModel):
    """A rule in force. `matched` and `decided` count actions drafted in the last days; `warnings` say why it does nothing."""

    rule: str
    layer: str
    domain: str | None
    outcome: str
    enforcement: str
    canary: float | None
    actions: list[str]
    when: str
    message: str
    people: str
    also: list[str]
    matched: int
    decided: int
    last_at: datetime | None
    warnings: list[str]


class RulesOut(BaseModel):
    policy: str
    policy_hash: str
    days: int
    rules: list[RuleOut]


class AskedOut(_Out):
    """One rule that was asked: `counts`, `aside` (with `why`), `failed` or `silent`."""

    ref: str
    outcome: str
    message: str
    when: str
    values: list[tuple[str, str]]
    standing: str
    decided: bool
    why: str


class ExplanationOut(_Out):
    """A verdict in all its parts, in words. `silent` names rules whose answers could not be had again."""

    revision: int
    author: str
    decided_at: datetime
    outcome: str
    reasons: list[str]
    people: str
    terms: list[str]
    obligations: list[str]
    waivers: list[str]
    limits: list[str]
    switches: list[str]
    rules: list[AskedOut]
    silent: list[str]
    facts: list[tuple[str, str]]
    policy: str
    policy_hash: str
    engine: str


class DifferenceOut(_Out):
    action_id: str
    revision: int
    domain: str
    kind: str
    was: str
    would_be: str
    rules: str
    became: str
    decided_at: datetime


class ShadowOut(BaseModel):
    """One shadow over some days: `moves` are (was, would be, how many), `by_day` (day, the same, differing)."""

    shadow: str
    name: str
    judged: int
    same: int
    asked: int
    moves: list[tuple[str, str, int]]
    by_day: list[tuple[str, int, int]]
    differences: list[DifferenceOut]


class ShadowsOut(BaseModel):
    shadows: list[ShadowOut]


@router.get("/policy/rules", responses=_LOOKING)
def list_rules(request: Request, _: Annotated[None, Depends(reader)]) -> RulesOut:
    """Every rule in force with its hits of the last 30 days."""
    system = system_of(request)
    policy = system.policy
    with system.db.read() as tx:
        view = rules_page.load(tx, policy, now=system.clock())
    rules = [_rule(part.bundle.domain, one) for part in view.bundles for one in part.rules]
    return RulesOut(policy=policy.name, policy_hash=policy.hash, days=view.days, rules=rules)


@router.get("/actions/{action_id}/explanation", responses=REFUSALS)
def explain_action(
    request: Request, action_id: str, _: Annotated[None, Depends(reader)], revision: Revision = None
) -> ExplanationOut:
    """Why an action was judged so: every rule that was asked, what it saw, and all that the verdict asks for."""
    system = system_of(request)
    return ExplanationOut.model_validate(explain(system, chosen(kept_of(system, action_id)[1], revision)))


@router.get("/policy/shadow", responses=_LOOKING)
def list_shadows(
    request: Request, _: Annotated[None, Depends(reader)], days: Annotated[int, Query(ge=1, le=90)] = 30
) -> ShadowsOut:
    """What shadow policies say of the decisions of these days."""
    system = system_of(request)
    with system.db.read() as tx:
        found = [beside.gather(tx, one, days=days, now=system.clock()) for one in shadow_verdicts.known(tx)]
    return ShadowsOut(shadows=[_shadow(one) for one in found])


def _rule(domain: str | None, one: rules_page.RuleView) -> RuleOut:
    return RuleOut(
        rule=one.rule.ref,
        layer=one.rule.layer.value,
        domain=domain,
        outcome=one.rule.outcome.name.lower(),
        enforcement=one.rule.enforcement.value,
        canary=one.rule.canary,
        actions=sorted(one.rule.actions),
        when=one.rule.when,
        message=one.rule.message.template,
        people=one.people,
        also=list(one.also),
        matched=one.matched,
        decided=one.decided,
        last_at=one.last_at,
        warnings=list(one.warnings),
    )


def _shadow(one: beside.Beside) -> ShadowOut:
    return ShadowOut(
        shadow=one.shadow.shadow,
        name=one.shadow.name,
        judged=one.judged,
        same=one.same,
        asked=one.asked,
        moves=list(one.moves),
        by_day=list(one.by_day),
        differences=[DifferenceOut.model_validate(each) for each in one.differences],
    )

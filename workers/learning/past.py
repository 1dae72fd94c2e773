"""A decided case as it stood when its draft was made: what the agent had read, what it proposed, what people made of that.

Read by `collect`, `replay` and `shadow`, from records alone: nothing outside is asked. A case in which no person decided
anything is no past to learn from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from integrations.models.base import About, ModelRequest
from workers.agents.base import Agent, Draft
from workers.judgement import Matter
from workers.store import actions, cases, events, steps
from workers.store.database import Tx
from workers.store.records import Action, ActionState, Case, Decision, Event, Fact, Revision

APPROVED = frozenset(
    {ActionState.APPROVED, ActionState.EXECUTING, ActionState.DONE, ActionState.FAILED, ActionState.UNCERTAIN}
)
_BY_ITSELF = ("allow", "notify")


@dataclass(frozen=True, slots=True)
class Judged:
    """One proposal with its first revision and what people decided about it; `verdict` is "" where they did not."""

    action: Action
    first: Revision
    decisions: Sequence[Decision]

    @property
    def proposed(self) -> Mapping[str, Any]:
        return self.first.arguments

    @property
    def outcome(self) -> str:
        """What the policy said of it as proposed."""
        return str(self.first.record.get("outcome", ""))

    @property
    def by_itself(self) -> bool:
        return self.outcome in _BY_ITSELF

    @property
    def verdict(self) -> str:
        """approved, edited, rejected or changes: what people made of it, once that is final."""
        words = {decision.decision for decision in self.decisions}
        state = self.action.state
        # What an edit made of it may need nobody else: then the rule that let it through says so, and the edit was the last word.
        by_rule = (self.action.decided_by or "").startswith("policy:")
        let_through = "approve" in words or (by_rule and "edit" in words)
        if state in APPROVED and let_through and not self.by_itself and self.action.approved_digest:
            return "approved" if dict(self.proposed) == dict(self.action.arguments) else "edited"
        if state == ActionState.REJECTED and words & {"reject", "stop"}:
            return "rejected"
        return "changes" if state == ActionState.CHANGES_REQUESTED else ""

    @property
    def made(self) -> Mapping[str, Any] | None:
        return self.action.arguments if self.verdict in ("approved", "edited") else None


@dataclass(frozen=True, slots=True)
class Past:
    """One round of a case, and what became of its proposals."""

    case: Case
    round: int
    events: Sequence[Event]
    triage: Mapping[str, Any]
    facts: Sequence[Fact]
    missing: Sequence[str]
    instruction: str | None
    earlier: Sequence[Mapping[str, Any]]
    draft: Draft | None
    proposals: Sequence[Judged]
    #: what people let through in later rounds, where they asked for changes in this one
    later: Sequence[Judged]
    model: tuple[str, str]

    def request(self, agent: Agent) -> ModelRequest[Draft]:
        """What the agent would ask a model about it now."""
        asked = agent.ask_draft(self.events, self.triage, self.facts, self.instruction, self.earlier)
        return replace(asked, about=About(case_id=self.case.id, source=self.case.source, tier=self._tier))

    @property
    def _tier(self) -> str:
        customer = next((fact for fact in self.facts if fact.name == "customer" and fact.trusted), None)
        return str(customer.data.get("tier", "")) if customer is not None else ""

    def matter(self, model: tuple[str, str]) -> Matter:
        """What a policy judges a proposal on, by this model."""
        return Matter(
            case=replace(self.case, round=self.round, events_total=len(self.events), events_worked=len(self.events)),
            events=self.events,
            facts=self.facts,
            triage=self.triage,
            missing=self.missing,
            model=model,
        )


def of_case(tx: Tx, case_id: str, *, number: int | None = None) -> Past | None:
    """The case's first round in which people decided, or the given one; None where that cannot be had."""
    case = cases.get(tx, case_id)
    if case is None:
        return None
    decisions = actions.decisions_of_case(tx, case_id)
    judged = [_judged(tx, action, decisions) for action in actions.of_case(tx, case_id)]
    if number is None:
        number = min((j.action.round for j in judged if j.verdict), default=0)
    if not number:
        return None
    triage = steps.latest(tx, case_id, "triage", up_to_round=number)
    gathered = steps.latest(tx, case_id, "gather", up_to_round=number)
    drafted = steps.latest(tx, case_id, "draft", up_to_round=number)
    # Of a case that was erased the rows are left, and nothing in them.
    if triage is None or gathered is None or drafted is None or not triage.output or not drafted.output:
        return None
    used = [usage for usage in steps.usage_of(tx, case_id) if usage.round <= number and usage.at <= drafted.finished_at]
    asked = [
        j.action.reason
        for j in judged
        if j.action.round == number - 1 and j.action.state == ActionState.CHANGES_REQUESTED
    ]
    settled = [j.action for j in judged if j.action.round < number and j.action.settled_at is not None]
    return Past(
        case=case,
        round=number,
        events=[event for event in events.of_case(tx, case_id) if event.received_at <= drafted.started_at],
        triage=triage.output,
        facts=steps.facts_of(tx, case_id, up_to_round=number),
        missing=gathered.output.get("missing", ()),
        instruction=asked[-1] if asked else None,
        earlier=[
            {"kind": action.kind, "state": action.state, "sentence": action.sentence, "reason": action.reason}
            for action in settled
        ],
        draft=Draft.model_validate(drafted.output) if drafted.round == number else None,
        proposals=[j for j in judged if j.action.round == number],
        later=[j for j in judged if j.action.round > number],
        model=(used[-1].provider, used[-1].model) if used else ("", ""),
    )


def _judged(tx: Tx, action: Action, decisions: Sequence[Decision]) -> Judged:
    first = actions.revisions_of(tx, action.id)[0]
    return Judged(action, first, [decision for decision in decisions if decision.action_id == action.id])

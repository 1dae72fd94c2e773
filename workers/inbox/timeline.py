"""The life of one case in order: what came in, what the agent did at what cost, what people decided, what was carried out.

Serves the case page and ``GET /api/v1/cases/{id}/timeline`` alike. Reads only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from workers.actions.base import ActionKind
from workers.actions.catalogue import CATALOGUE
from workers.inbox import asked, blockers, planned
from workers.inbox.asked import Asked, Tree
from workers.inbox.planned import PlanView
from workers.store import actions, audit, cases, events, inbox, people, steps, switches
from workers.store.database import Tx
from workers.store.records import Action, Attempt, AuditEntry, Case, Decision, Event, Fact, ModelUsage, Revision, Step

STEP_TITLES = {
    "triage": "Read and classified",
    "gather": "Looked up the facts",
    "draft": "Drafted what to do",
    "decide": "Judged the draft by the policy",
}

#: what comes first of things written down at the same instant
_ORDER = {
    kind: place
    for place, kind in enumerate(
        (
            *("event", "step", "question", "answer", "action", "revision", "limit", "switch", "passed_on"),
            *("decision", "attempt", "closed"),
        )
    )
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `kind`: event, step, question, answer, action, revision, limit, switch, passed_on, decision,
    attempt, closed."""

    at: datetime
    kind: str
    title: str
    who: str
    text: str = ""
    ref: str = ""
    round: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ActionLife:
    """An action with everything that became of it."""

    action: Action
    revisions: tuple[Revision, ...]
    decisions: tuple[Decision, ...]
    attempts: tuple[Attempt, ...]
    #: names of those for whom a stand-in decided, by their ids
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Life:
    case: Case
    entries: tuple[Entry, ...]
    actions: tuple[ActionLife, ...]
    facts: tuple[Fact, ...]
    usage: tuple[ModelUsage, ...]
    audit: tuple[AuditEntry, ...]
    earlier: tuple[Case, ...]
    plan: PlanView | None = None
    tree: Tree | None = None

    @property
    def cost(self) -> Decimal | None:
        """What the models cost, where all prices are known."""
        costs = [use.cost_usd for use in self.usage]
        known = [cost for cost in costs if cost is not None]
        return sum(known, Decimal(0)) if len(known) == len(costs) else None


def load(tx: Tx, case_id: str) -> Life | None:
    case = cases.get(tx, case_id)
    if case is None:
        return None
    usage = steps.usage_of(tx, case_id)
    lives = [
        ActionLife(
            action,
            tuple(actions.revisions_of(tx, action.id)),
            tuple(actions.decisions_of(tx, action.id)),
            tuple(actions.attempts_of(tx, action.id)),
        )
        for action in actions.of_case(tx, case_id)
    ]
    if any(decision.on_behalf_of for life in lives for decision in life.decisions):
        names = {person.id: person.name for person in people.everyone(tx)}
        lives = [replace(life, names=names) for life in lives]
    told = [_event(event) for event in events.of_case(tx, case_id)]
    made = steps.of_case(tx, case_id)
    log = audit.of_chain(tx, case_id)
    told += [_step(step, usage, log) for step in made]
    tree = asked.tree(tx, case_id, is_child=case.source == "caseworker")
    for question in tree.asked:
        told += _asked(question)
    for life in lives:
        told += _life(life, case.customer)
    told += [_by_hand(entry) for entry in log if entry.verb == "decided_case"]
    blocked = [*blockers.of_log(log), *blockers.of_switches(case, [v.action for v in lives], switches.listing(tx))]
    blocked += [one for life in lives for revision in life.revisions for one in blockers.of_revision(revision)]
    told += [Entry(one.at, one.kind, one.title, one.who, one.text, one.action_id) for one in blocked]
    if case.closed_at is not None:
        outcome = (case.outcome or "").replace("_", " ")
        told.append(Entry(case.closed_at, "closed", f"Closed: {outcome}", "caseworker"))
    return Life(
        case=case,
        entries=tuple(sorted(told, key=lambda entry: (entry.at, _ORDER[entry.kind]))),
        actions=tuple(lives),
        facts=tuple(steps.facts_of(tx, case_id, up_to_round=case.round)),
        usage=tuple(usage),
        audit=tuple(log),
        earlier=tuple(inbox.earlier_of(tx, case)),
        plan=planned.plan_of(made),
        tree=tree,
    )


def _asked(question: Asked, depth: int = 0) -> list[Entry]:
    """A question and its answer, and what was asked below it. `depth` says how far down the tree."""
    row = question.row
    data = {"agent": row.agent, "case": row.child_id, "state": row.state, "depth": depth, "path": row.chain}
    told = [
        Entry(
            row.asked_at,
            "question",
            f"Asked {row.agent}",
            f"agent:{row.chain[-2]}",
            row.question,
            row.child_id,
            row.round,
            data,
        )
    ]
    if row.answered_at is not None:
        said = f"{row.agent} {question.state}"
        told.append(
            Entry(
                row.answered_at, "answer", said, f"agent:{row.agent}", question.finding, row.child_id, row.round, data
            )
        )
    for below in question.below:
        told += _asked(below, depth + 1)
    return told


def _event(event: Event) -> Entry:
    data = {
        "type": event.type,
        "source": event.source,
        "delivery": event.delivery_id,
        "door": event.door,
        "duplicates": event.duplicates,
        "data": dict(event.data),
    }
    title = str(event.data.get("title") or event.type)
    text = str(event.data.get("text") or "")
    return Entry(event.received_at, "event", title, f"source:{event.source}", text, ref=event.id, data=data)


def _step(step: Step, usage: Sequence[ModelUsage], log: Sequence[AuditEntry]) -> Entry:
    noted = [entry.data for entry in log if entry.verb == step.name and entry.data.get("round", 1) == step.round]
    remarks = [str(remark) for data in noted for remark in data.get("remarks", ())]
    used = [use for use in usage if use.step == step.name and use.round == step.round]
    data = {
        "step": step.name,
        "input_digest": next((data["input"] for data in noted if "input" in data), ""),
        "seconds": round((step.finished_at - step.started_at).total_seconds(), 3),
        "output": planned.shown(step),
        "remarks": remarks,
        "usage": [
            {key: value for key, value in asdict(use).items() if key not in ("case_id", "round", "step", "at")}
            for use in used
        ],
    }
    return Entry(
        step.finished_at,
        "step",
        planned.title_of(step) or STEP_TITLES.get(step.name, step.name),
        "caseworker",
        "\n".join([str(step.output.get("summary") or planned.text_of(step)), *remarks]).strip(),
        ref=f"{step.round}/{step.name}",
        round=step.round,
        data=data,
    )


def _word(decision: Decision, life: ActionLife) -> str:
    word = decision.decision.replace("_", " ").capitalize()
    if decision.on_behalf_of is None:
        return word
    return f"{word} for {life.names.get(decision.on_behalf_of, 'somebody who is gone')}"


def made_at(revision: Revision, decisions: Sequence[Decision]) -> datetime:
    """When a revision came about: with the decision that made it, whose time was taken a moment before."""
    made_by = [d.decided_at for d in decisions if d.revision == revision.revision and d.actor == revision.author]
    return min([revision.created_at, *made_by])


def _life(life: ActionLife, customer: str) -> list[Entry]:
    action = life.action
    kind = CATALOGUE.get(action.kind)
    # What was drafted, decided or tried is told as it was then, whatever became of the draft since.
    sentences = {r.revision: _sentence(kind, r, customer, action.sentence) for r in life.revisions}
    by_digest = {r.digest: sentences.get(r.revision, action.sentence) for r in life.revisions}
    first = life.revisions[0] if life.revisions else None
    verdict = (first.record.get("verdict") or {}) if first is not None else action.verdict
    told = [
        Entry(
            action.created_at,
            "action",
            sentences.get(1, action.sentence),
            first.author if first is not None else "agent",
            action.rationale,
            ref=action.id,
            round=action.round,
            data={"kind": action.kind, "state": action.state, "verdict": dict(verdict)},
        )
    ]
    told += [
        Entry(
            made_at(revision, life.decisions),
            "revision",
            f"Revision {revision.revision}: {sentences.get(revision.revision, action.sentence)}",
            revision.author,
            ref=action.id,
            data={"revision": revision.revision, "digest": revision.digest, "arguments": dict(revision.arguments)},
        )
        for revision in life.revisions[1:]
    ]
    told += [
        Entry(
            decision.decided_at,
            "decision",
            f"{_word(decision, life)}: {by_digest.get(decision.digest, action.sentence)}",
            decision.actor,
            decision.reason or "",
            ref=action.id,
            data={"decision": decision.decision, "revision": decision.revision, "channel": decision.channel},
        )
        for decision in life.decisions
    ]
    told += [_attempt(attempt, by_digest.get(attempt.digest, action.sentence)) for attempt in life.attempts]
    return told


def _sentence(kind: ActionKind | None, revision: Revision, customer: str, otherwise: str) -> str:
    """What a revision would have done. The catalogue may have changed since, so that its words no longer fit."""
    try:
        return kind.describe(revision.arguments, customer) if kind is not None else otherwise
    except KeyError:
        return otherwise


def _attempt(attempt: Attempt, sentence: str) -> Entry:
    outcome = (attempt.outcome or "under way").replace("_", " ")
    data = {
        "number": attempt.number,
        "outcome": attempt.outcome,
        "key": attempt.key,
        "started_at": attempt.started_at.isoformat(),
        "receipt": dict(attempt.receipt) if attempt.receipt else None,
    }
    return Entry(
        attempt.finished_at or attempt.started_at,
        "attempt",
        f"Attempt {attempt.number}, {outcome}: {sentence}",
        "caseworker",
        attempt.error or "",
        ref=attempt.action_id,
        data=data,
    )


def _by_hand(entry: AuditEntry) -> Entry:
    word = str(entry.data.get("decision", "")).replace("_", " ")
    return Entry(
        entry.at, "decision", f"{word.capitalize()} this case", entry.actor, str(entry.data.get("reason") or "")
    )

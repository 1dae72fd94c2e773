"""From what an agent proposed to actions as they are stored: checked, ordered, judged, and sealed with a digest.

Used by the pipeline's `decide`, and by the inbox when a person edits. Reads the store through the caller's transaction,
decides nothing itself: the policy does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any

from pydantic import ValidationError

from integrations.errors import Permanent
from policies.approvals import first_wake
from policies.record import kept_json
from policies.rules import Policy
from policies.types import COUNTERS
from workers.actions.base import ActionKind, first_flaw
from workers.actions.catalogue import CATALOGUE
from workers.agents.base import Agent, Draft, Proposal
from workers.circumstances import Circumstances
from workers.journal import output_of
from workers.judgement import Judged, Matter, judge
from workers.limits import counters
from workers.obligations import cooling
from workers.obligations.meeting import bare
from workers.store import actions, events, flow, outage, steps
from workers.store.audit import Note
from workers.store.database import Tx
from workers.store.ids import new_id
from workers.store.record_digest import digest_of
from workers.store.records import ESCALATION, Action, ActionState, Case, Revision
from workers.verdict_limits import Judgement, within_limits
from workers.wiring import System


@dataclass(frozen=True)
class NewAction:
    """A proposed action as it will be stored: its row, its first revision, and what the audit log says of the verdict."""

    action: dict[str, Any]
    #: what the row was made of, for whoever has to tighten the verdict before it is stored
    kind: ActionKind
    judged: Judged
    author: str

    # Made when it is stored: a verdict that is tightened before has another record.

    @cached_property
    def revision(self) -> dict[str, Any]:
        return revision_row(self.action, self.judged, self.author, self.action["created_at"])

    @cached_property
    def note(self) -> Note:
        return judged_note(self.action, self.judged, self.revision)


def live_targets(system: System, matter: Matter, drafted: Draft) -> Mapping[tuple[str, str], int]:
    """(kind, target) of actions in this installation that were carried out, are under way or approved, of those that are
    proposed now."""
    proposed = [(kind, proposal) for proposal in drafted.actions if (kind := CATALOGUE.get(proposal.kind)) is not None]
    targets = {kind.target(proposal.arguments, matter.case.subject) for kind, proposal in proposed}
    return flow.live_on(system.db, sorted({kind.name for kind, _ in proposed}), sorted(targets))


def circumstances(
    system: System, policy: Policy, case: Case, kinds: Iterable[str], now: datetime, tx: Tx | None = None
) -> Circumstances:
    """What holds for all that is judged now. Counted is only what a rule in force for one of these kinds asks for. Raise
    `StoreUnavailable` where it cannot be known."""
    thrown = system.switchboard.thrown()
    counting = [kind for kind in sorted(set(kinds)) if not COUNTERS.isdisjoint(policy.names(case.domain, kind))]
    if not counting:
        return Circumstances(system.settings.time_zone, thrown)
    with nullcontext(tx) if tx is not None else system.db.read() as reading:
        counted = {kind: counters.read(reading, case.domain, kind, case.customer, now) for kind in counting}
    return Circumstances(system.settings.time_zone, thrown, counted)


def matter_of(tx: Tx, case: Case) -> Matter:
    """What the case's present round is judged on."""
    triage = output_of(steps.latest(tx, case.id, "triage", up_to_round=case.round))
    gathered = output_of(steps.latest(tx, case.id, "gather", up_to_round=case.round))
    usage = steps.usage_of(tx, case.id)
    model = (usage[-1].provider, usage[-1].model) if usage else ("", "")
    return Matter(
        case=case,
        events=events.of_case(tx, case.id)[: case.events_worked],
        facts=steps.facts_of(tx, case.id, up_to_round=case.round),
        triage=triage,
        missing=gathered.get("missing", ()),
        model=model,
    )


def judge_draft(
    system: System, agent: Agent, matter: Matter, drafted: Draft, live: Mapping[tuple[str, str], int]
) -> list[NewAction]:
    """Judge each proposed action and make its rows, money first, what speaks of it resting on it. Raise `Permanent` for what the agent
    may not propose."""
    case = matter.case
    now = system.clock()
    policy = system.policy
    # The draft is paid for: while the database is away, it is waited for rather than drafted again.
    around = outage.with_retries(circumstances, system, policy, case, [p.kind for p in drafted.actions], now)
    new_actions: list[NewAction] = []
    money: list[str] = []
    seen: dict[tuple[str, str], int] = dict(live)
    ordered = sorted(drafted.actions, key=lambda p: not CATALOGUE[p.kind].moves_money if p.kind in CATALOGUE else 1)
    for ordinal, proposal in enumerate(ordered, start=1):
        kind, arguments = checked(agent, proposal)
        target = kind.target(arguments, case.subject)
        version = version_of(matter, target) if kind.guarded else ""
        judged = judge(
            policy,
            matter,
            kind,
            arguments,
            target=target,
            target_version=version,
            revision=1,
            confidence=proposal.confidence,
            repeats=bool(seen.get((kind.name, target))),
            edited=False,
            now=now,
            circumstances=around,
        )
        arguments = dict(judged.arguments)
        seen[kind.name, target] = seen.get((kind.name, target), 0) + 1
        action_id = new_id("act")
        rests_on = list(money) if kind.speaks else []
        if kind.moves_money:
            money.append(action_id)
        action = {
            "id": action_id,
            "case_id": case.id,
            "round": case.round,
            "ordinal": ordinal,
            "kind": kind.name,
            "revision": 1,
            "arguments": arguments,
            "target": target,
            "target_version": version,
            "sentence": kind.describe(arguments, case.customer),
            "rationale": proposal.rationale,
            "citations": cited(matter, proposal.citations),
            "confidence": proposal.confidence,
            "rests_on": rests_on,
            "version": 1,
            "tries": 0,
            "created_at": now,
            "updated_at": now,
            **state_columns(system, kind, judged, waits=bool(rests_on), now=now),
        }
        new_actions.append(NewAction(action, kind, judged, f"agent:{agent.domain}"))
    return new_actions


def checked(agent: Agent, proposal: Proposal) -> tuple[ActionKind, dict[str, Any]]:
    """The kind and its arguments as plain JSON, validated. Raise `Permanent` for what an agent may not propose."""
    if proposal.kind not in agent.kinds:
        raise Permanent(f"The agent proposed {proposal.kind!r}, which the {agent.domain} agent may not.")
    kind = CATALOGUE[proposal.kind]
    try:
        return kind, kind.arguments.model_validate(proposal.arguments).model_dump(mode="json")
    except ValidationError as error:
        raise Permanent(f"The agent's {proposal.kind} does not fit its schema: {first_flaw(error)}.") from error


def state_columns(system: System, kind: ActionKind, judged: Judged, *, waits: bool, now: datetime) -> dict[str, Any]:
    """The columns that say how a freshly judged revision stands: denied, approved by rule, or waiting for people until a deadline."""
    outcome = judged.verdict["outcome"]
    columns: dict[str, Any] = {
        "digest": judged.digest,
        "policy_hash": judged.record.policy_hash,
        "verdict": judged.verdict,
        "origins": dict(judged.origins),
        "decided_by": None,
        "decided_at": None,
        "approved_digest": None,
        "reason": None,
        "waiting_for": None,
        "expires_at": None,
        "settled_at": None,
        "snoozed_until": None,
        "wake_at": None,
    }
    if outcome == "deny":
        reason = "; ".join(judged.verdict["reasons"])
        return columns | {"state": ActionState.DENIED, "reason": reason, "settled_at": now, "decided_at": now}
    if outcome in ("allow", "notify"):
        rules = ", ".join(judged.verdict["rules"])
        return columns | {
            "state": ActionState.APPROVED,
            "decided_by": f"policy:{rules}",
            "decided_at": now,
            "approved_digest": judged.digest,
            "wake_at": None if waits else now + cooling.pause(kind.name, judged.verdict),
        }
    expires = now + decide_within(system, judged.verdict)
    wake = first_wake(judged.record.verdict, now, expires)
    return columns | {"state": ActionState.PENDING, "expires_at": expires, "wake_at": wake}


def decide_within(system: System, verdict: Mapping[str, Any]) -> timedelta:
    """How long people have to decide: what the policy says, else what the house says."""
    minutes = verdict.get("deadline_minutes")
    return timedelta(days=system.settings.decide_within_days) if minutes is None else timedelta(minutes=minutes)


def revision_row(action: Mapping[str, Any], judged: Judged, author: str, now: datetime) -> dict[str, Any]:
    return {
        "action_id": action["id"],
        "revision": action["revision"],
        "arguments": action["arguments"],
        "target": action["target"],
        "target_version": action["target_version"],
        "digest": judged.digest,
        "author": author,
        "record": kept_json(judged.record),
        "created_at": now,
    }


def judged_note(action: Mapping[str, Any], judged: Judged, revision: Mapping[str, Any]) -> Note:
    """What the audit log says of a judgement, with the digest of the record that is stored of it. Of later revisions it says
    which; the first needs no number."""
    told = {
        "action": action["id"],
        "kind": action["kind"],
        "outcome": judged.record.verdict.outcome.name.lower(),
        "record": digest_of(revision["record"]),
    }
    later = {"revision": revision["revision"]} if revision["revision"] > 1 else {}
    return Note(f"policy:{judged.record.policy}", "judged", {**told, **later})


@dataclass(frozen=True, slots=True)
class Rejudged:
    """An action in its next revision, and what the audit log has to say of the verdict: whoever judged anew writes it down."""

    action: Action
    note: Note


def rejudge(
    system: System,
    tx: Tx,
    case: Case,
    action: Action,
    arguments: Mapping[str, Any],
    *,
    author: str,
    edited: bool,
    now: datetime,
    extra_roles: Sequence[str] = (),
) -> Rejudged | None:
    """Make the next revision of an action and judge it anew; earlier approvals lapse. None when it changed meanwhile."""
    kind = CATALOGUE[action.kind]
    matter = matter_of(tx, case)
    judged = judge_anew(system, tx, matter, action, arguments, edited=edited, now=now, extra_roles=extra_roles)
    made = dict(judged.arguments)
    target, version = _target(matter, kind, action, made)
    revised = Judgement(action.id, judged, kind, made, target, version, action.revision + 1)
    (judged,) = within_limits(tx, [revised], now=now, once=False)
    changed = actions.change(
        tx,
        action,
        now=now,
        revision=action.revision + 1,
        arguments=made,
        target=target,
        target_version=version,
        sentence=kind.describe(made, case.customer),
        **state_columns(system, kind, judged, waits=bool(action.rests_on), now=now),
    )
    if changed is None:
        return None
    row = {
        "id": changed.id,
        "kind": changed.kind,
        "revision": changed.revision,
        "arguments": made,
        "target": target,
        "target_version": version,
    }
    revision = revision_row(row, judged, author, now)
    actions.add_revision(tx, revision)
    return Rejudged(changed, judged_note(row, judged, revision))


def judge_anew(
    system: System,
    tx: Tx,
    matter: Matter,
    action: Action,
    arguments: Mapping[str, Any],
    *,
    edited: bool,
    now: datetime,
    extra_roles: Sequence[str] = (),
) -> Judged:
    """What the next revision of an action would be, with these arguments. Changes nothing.

    `edited` and `extra_roles` say what is new by it. What people did to earlier revisions stays done, whoever judges anew.
    """
    said = actions.revisions_of(tx, action.id)
    kind, policy = CATALOGUE[action.kind], system.policy
    target, version = _target(matter, kind, action, arguments)
    return judge(
        policy,
        matter,
        kind,
        # What the policy said at the end of it is not judged as if the agent had written it.
        bare(kind, arguments, action.verdict),
        target=target,
        target_version=version,
        revision=action.revision + 1,
        confidence=action.confidence,
        repeats=bool(actions.same_kind_and_target(tx, kind.name, target, excluding=action.id)),
        edited=edited or any(revision.author.startswith("person:") for revision in said[1:]),
        now=now,
        extra_roles=list(dict.fromkeys([*_escalated(said), *extra_roles])),
        circumstances=circumstances(system, policy, matter.case, [kind.name], now, tx),
    )


def _escalated(revisions: Sequence[Revision]) -> Iterator[str]:
    """Groups that people asked besides those that the policy asks."""
    for before, revision in pairwise(revisions):
        if named := revision.record.get("escalated_to"):
            yield from named
        elif revision.author == ESCALATION:
            # A record of before does not name them.
            had = {r["role"] for r in before.record["requirements"]}
            yield from (r["role"] for r in revision.record["requirements"] if r["role"] not in had)


def _target(matter: Matter, kind: ActionKind, action: Action, arguments: Mapping[str, Any]) -> tuple[str, str]:
    target = kind.target(arguments, matter.case.subject)
    return target, action.target_version if target == action.target else version_of(matter, target)


def version_of(matter: Matter, target: str) -> str:
    """The target's version token as it was when gathered; "" where nothing was gathered about it."""
    fact = matter.by_ref(target)
    return fact.version if fact is not None else ""


def cited(matter: Matter, citations: Sequence[str]) -> list[str]:
    """Citations as refs of gathered facts. A name of a group stands for its members; anything else is dropped."""
    refs: dict[str, None] = {}
    for citation in citations:
        for fact in matter.facts:
            if citation in (fact.ref, fact.name):
                refs[fact.ref] = None
    return list(refs)

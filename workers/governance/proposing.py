"""Proposing another policy: the set is kept, and a case is opened with the one action that would put it in force.

Called by the command line, the API, the page and by whoever else may propose, always for somebody who is named. The action is
judged by the policy in force like every other, waits for people like every other, and is carried out by `execute` alone.
Nothing here can put a policy in force.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from policies import loader, suites
from policies.errors import PolicyError
from policies.rules import Policy
from policies.types import Outcome
from workers.actions.governing import CHANGE, target_of
from workers.agents.base import Agent, Draft, Proposal, Triage
from workers.drafting import NewAction, judge_draft
from workers.governance import differences
from workers.governance.rehearsed import rehearse
from workers.judgement import Matter
from workers.rulebook import compiled
from workers.store import actions, arrivals, audit, cases, policy_sets
from workers.store.arrivals import Arrival
from workers.store.audit import Note
from workers.store.database import Tx
from workers.store.ids import new_id
from workers.store.policy_sets import SetState
from workers.store.records import ActionState, Case, CaseState
from workers.wiring import System

DOMAIN = "policy"
SOURCE = "house"
EVENT = "policy.proposed"
MOST_BYTES = 1_000_000
MOST_FILES = 200

#: whoever lays the action out: none of the roster, so that no agent can have it propose anything
_CLERK = Agent(domain=DOMAIN, triage=Triage, primary="", sources=(), kinds=(CHANGE,))


class NotProposed(Exception):
    """This cannot be proposed, and why. Nothing was kept."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A policy that could be proposed: sound, tested, and another than the one in force."""

    policy: Policy
    files: Mapping[str, str]
    in_force: Policy
    differences: tuple[differences.Difference, ...]
    passed: int


def examine(system: System, files: Mapping[str, str | bytes]) -> Examined:
    """Check the files and run their tests. Raise `PolicyError` for what is wrong with them, `NotProposed` for the rest."""
    texts = _texts(files)
    loaded = loader.examine(texts)
    if loaded.policy is None:
        raise PolicyError(loaded.problems)
    if not loaded.policy.environment.checks:
        raise NotProposed(
            f"The engine that runs here ({loaded.policy.environment.engine}) cannot check the types of conditions, so "
            "nobody would notice a mistake in them. Propose it from a machine with cel-expr-python."
        )
    proof = suites.run(loaded.policy, loaded.suites, loaded.sources)
    if proof.problems:
        raise PolicyError(proof.problems)
    in_force = system.policy
    if loaded.policy.hash == in_force.hash:
        raise NotProposed(f"This is the policy in force already ({in_force.hash[:12]}): there is nothing to decide.")
    return Examined(
        loaded.policy, texts, in_force, differences.between(in_force, loaded.policy), passed=len(proof.results)
    )


def propose(system: System, files: Mapping[str, str | bytes], why: str, by: str) -> Case:
    """Open the case in which people decide on this policy. `by` is an actor: ``person:ana@firm.example``.

    Raise `PolicyError`, or `NotProposed` where it is in force, is proposed already, or may not be decided by anybody.
    """
    if not why.strip():
        raise NotProposed("Say why: whoever decides on it must know.")
    found = examine(system, files)
    loosens = any(difference.looser for difference in found.differences)
    if not loosens:
        # Only where the rules themselves do not say so already; what cannot be judged again counts as looser.
        tried = rehearse(system.db, found.in_force, found.policy)
        loosens = bool(tried.looser or tried.unreadable)
    arrival = _arrival(system, found, why, by)
    new = _judged(system, found, arrival, why, loosens=loosens)
    with system.db.write() as tx:
        case = _open(tx, arrival, new, found, why, by)
    compiled.keep(found.policy)
    return case


def withdraw(system: System, hash_: str, why: str, by: str) -> Case:
    """Take a proposal back; whoever decides on it is told. Raise `NotProposed` where none is open."""
    with system.db.write() as tx:
        case = cases.find_open(tx, DOMAIN, target_of(hash_))
        held = cases.lock(tx, case.id) if case is not None else None
        if held is None:
            raise NotProposed(f"No open proposal is about the policy {hash_[:12]}.")
        now = system.clock()
        reason = why.strip() or "Withdrawn by whoever proposed it."
        actions.settle_open(tx, held.id, ActionState.CANCELLED, reason, now)
        closed = cases.change(
            tx,
            held.id,
            now=now,
            state=CaseState.CLOSED,
            outcome="withdrawn",
            closed_at=now,
            wake_at=None,
            attention=None,
        )
        if closed is None or actions.unsettled(tx, held.id):
            raise NotProposed("It is being put in force at this moment.")
        for was in (SetState.PROPOSED, SetState.SHADOW):
            policy_sets.set_state(tx, hash_, SetState.RETIRED, was=was)
        audit.append(tx, held.id, now, Note(by, "withdrew", {"actions": 1, "hash": hash_}))
    return closed


def _texts(files: Mapping[str, str | bytes]) -> dict[str, str]:
    """Policy files by their names alone. Raise `NotProposed`."""
    texts: dict[str, str] = {}
    for name, content in files.items():
        short = Path(name).name
        if short in texts:
            raise NotProposed(f"Two files are called {short!r}.")
        if not (short.endswith(".yaml") and short.isprintable()):
            raise NotProposed(f"{short!r} is no policy file: those end in .yaml.")
        try:
            texts[short] = content.decode() if isinstance(content, bytes) else content
        except UnicodeDecodeError as error:
            raise NotProposed(f"{short} is not UTF-8.") from error
    size = sum(map(len, texts.values()))
    if not texts or len(texts) > MOST_FILES or size > MOST_BYTES:
        raise NotProposed(
            f"{len(texts)} files with {size:,} characters: a policy is 1 to {MOST_FILES} files and {MOST_BYTES:,} at most."
        )
    return texts


def _arrival(system: System, found: Examined, why: str, by: str) -> Arrival:
    case_id, now = new_id("case"), system.clock()
    kind, _, address = by.partition(":")
    data = {
        "title": f"Policy {found.policy.hash[:12]} in the place of {found.in_force.hash[:12]}",
        "text": why,
        "initiator": by,
        "policy": found.policy.name,
        **({"proposed_by": address} if kind == "person" else {}),
    }
    return Arrival(
        event_id=new_id("evt"),
        case_id=case_id,
        source=SOURCE,
        delivery_id=case_id,
        body_key=None,
        type=EVENT,
        vendor_type=EVENT,
        subject=target_of(found.policy.hash),
        occurred_at=now,
        received_at=now,
        data=data,
        raw=json.dumps(data).encode(),
        headers=(),
        secret_id=None,
        door="governance",
        domain=DOMAIN,
        title=str(data["title"]),
        customer="",
        priority="normal",
        pipeline_version=1,
    )


def _judged(system: System, found: Examined, arrival: Arrival, why: str, *, loosens: bool) -> NewAction:
    """The action as it will be stored, judged by the policy in force. Raise `NotProposed` where that lets nobody decide."""
    known = found.in_force.route(DOMAIN, CHANGE).known
    if not known:
        raise NotProposed(
            f"The policy in force ({found.in_force.name}) says nothing of changes of the policy, so nobody may make one. "
            "Give it rules for change_policy by a start with CASEWORKER_POLICY_CHANGES=folder; "
            "see docs/changing-a-policy.md."
        )
    case = _case(arrival)
    proposal = Proposal(
        kind=CHANGE,
        arguments={
            "hash": found.policy.hash,
            "from_hash": found.in_force.hash,
            "summary": differences.summary(found.differences),
            "loosens": loosens,
        },
        rationale=why[:2000],
        citations=[],
        confidence=1.0,
    )
    matter = Matter(case=case, events=(), facts=(), triage={}, missing=(), model=("", ""))
    drafted = Draft(summary=arrival.title, actions=[proposal])
    judging = system.under(found.in_force)
    (new,) = judge_draft(judging, _CLERK, matter, drafted, {})
    if new.judged.record.verdict.outcome < Outcome.REVIEW:
        raise NotProposed(
            "The policy in force would let itself be changed without anybody's yes. That is never done: give it a rule "
            "that asks people about change_policy by a start with CASEWORKER_POLICY_CHANGES=folder."
        )
    return new


def _open(tx: Tx, arrival: Arrival, new: NewAction, found: Examined, why: str, by: str) -> Case:
    now = arrival.received_at
    there = cases.find_open(tx, arrival.domain, arrival.subject)
    if there is not None:
        raise NotProposed(f"This policy is proposed already: see the case {there.id}.")
    policy_sets.add(tx, found.policy.hash, name=found.policy.name, files=found.files, by=by, why=why, now=now)
    policy_sets.set_state(tx, found.policy.hash, SetState.PROPOSED, was=SetState.RETIRED)
    stored = arrivals.take(tx, arrival)
    if stored.case_id != arrival.case_id:
        raise NotProposed(f"This policy was proposed at this moment: see the case {stored.case_id}.")
    actions.add(tx, new.action)
    actions.add_revision(tx, {**new.revision, "author": by})
    told = {"hash": found.policy.hash, "from": found.in_force.hash, "loosens": new.action["arguments"]["loosens"]}
    audit.append(tx, arrival.case_id, now, Note(by, "policy_proposed", told), new.note)
    denied = new.judged.record.verdict.outcome is Outcome.DENY
    case = cases.change(
        tx,
        arrival.case_id,
        now=now,
        step="decided",
        events_worked=1,
        wake_at=None,
        **(
            {"state": CaseState.CLOSED, "outcome": "denied", "closed_at": now} if denied else {"state": CaseState.INBOX}
        ),
    )
    assert case is not None, "nobody else has seen this case yet"
    return case


def _case(arrival: Arrival) -> Case:
    """The case as it will be opened."""
    return Case(
        id=arrival.case_id,
        domain=arrival.domain,
        subject=arrival.subject,
        source=arrival.source,
        title=arrival.title,
        customer=arrival.customer,
        state=CaseState.INBOX,
        step="decided",
        round=1,
        priority=arrival.priority,
        events_total=1,
        events_worked=1,
        wake_at=None,
        version=0,
        claimed_by=None,
        claims=0,
        waits=0,
        waiting_for=None,
        attention=None,
        instruction=None,
        assignee=None,
        outcome=None,
        pipeline_version=arrival.pipeline_version,
        opened_at=arrival.received_at,
        updated_at=arrival.received_at,
        closed_at=None,
    )

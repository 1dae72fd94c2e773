"""READ THIS FIRST: the life of a case, in one file.

    event ─► receive ─► triage ─► gather ─► draft ─► decide ─┬─ allow ──► execute ─► close
             (intake)                                        ├─ review ─► inbox ──► execute ─► close
                                                             └─ deny ───► close, with the reason

`advance` takes a due case and works it until it waits: for people, for time, or for nothing any more. Each step reads,
calls outside *without* an open transaction, and commits what came of it together with where the case stands next: first
the fence, which refuses a worker that lost its claim, then the rest. Killed anywhere, the case is found again by its
`wake_at` and goes on after the last commit; no recorded answer is asked for twice.

Three things can happen to a case at any moment, and are handled in one place each:
- a new event joins it: `receive` counts it and withdraws open drafts; `advance` sees it and starts a new round;
- its worker dies or hangs: the lease runs out, another worker claims it, and the fence refuses the first one's commits;
- something outside fails: `advance` writes down why the case waits, and when to try again.

Actions are carried out by `workers.execute`, the only door out; people decide in `workers.inbox`; whenever an action
changes, `workers.settlement` wakes what waited for it and closes the case after the last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from integrations.errors import IntegrationError, Permanent, Temporary
from integrations.models.base import Unanswered, Usage
from workers import faults
from workers.agents.base import Agent, Inquiry
from workers.drafting import Drafted, lay_out
from workers.journal import output_of, record_step
from workers.log import logger
from workers.patience import pause
from workers.settlement import settle
from workers.store import actions, audit, cases, events, steps
from workers.store.audit import Note
from workers.store.cases import LostClaim
from workers.store.records import ActionState, Case, CaseState
from workers.wiring import System

#: where a case stands when its agent has no more to do: people and `execute` have it now, `settle` closes it
DECIDED = "decided"


def advance(system: System, case_id: str) -> None:
    """Work a case from where it stands until it waits or is closed. Finding nothing to do is normal."""
    system.courtesy.give_way()
    with system.db.write() as tx:
        case = cases.claim(tx, case_id, worker=system.worker, now=system.clock(), lease=system.settings.lease)
    if case is None:
        return
    faults.point("case.claimed")
    with system.leases.case(case.id, case.version):
        try:
            while case.claimed_by:
                case = _next(system, case)
        except Temporary as error:
            _wait(system, case, error)
        except Unanswered as error:
            _ask_for_help(system, case, str(error), error.usage)
        except IntegrationError as error:
            _ask_for_help(system, case, str(error))
        except LostClaim:
            logger.info("claim_lost", case_id=case.id, step=case.step)


def _next(system: System, case: Case) -> Case:
    """One step, or what has to come before it."""
    agent = system.agents.get(case.domain)
    if agent is None:
        raise Permanent(f"No agent is installed for the domain {case.domain!r}.")
    if case.claims > system.settings.max_claims:
        raise Permanent(f"{case.claims - 1} tries at the step “{case.step}” ended without a result.")
    if case.events_total > case.events_worked and case.step != "triage":
        return _new_round(system, case)
    if case.round - case.events_total > system.settings.max_redrafts:
        raise Permanent(f"{case.round} rounds did not settle this case.")
    if case.step == DECIDED:
        return _settle_again(system, case)
    system.courtesy.give_way()
    faults.point(f"case.{case.step}.begun")
    return STEPS[case.step](system, case, agent)


# ── the steps ────────────────────────────────────────────────────────────────────────────────────────────────────────


def triage(system: System, case: Case, agent: Agent) -> Case:
    """What is it about, how urgent, how sure are we?"""
    with system.db.read() as tx:
        thread = events.of_case(tx, case.id)
    started = system.clock()
    answer = system.model.answer(agent.ask_triage(thread))
    faults.point("case.triage.called")
    found = {**answer.output.model_dump(mode="json"), "primary_field": agent.primary}
    with system.db.write() as tx:
        case = cases.move(
            tx,
            case,
            now=system.clock(),
            step="gather",
            events_worked=len(thread),
            priority=str(found.get("urgency", "normal")),
            customer=str(thread[-1].data.get("requester_email") or thread[-1].data.get("customer_email") or ""),
        )
        record_step(system, tx, case, "triage", started, {"events": [event.id for event in thread]}, found, answer)
        faults.point("case.triage.committing")
    faults.point("case.triage.committed")
    return case


def gather(system: System, case: Case, agent: Agent) -> Case:
    """Look up what the case is about, source by source, and keep it as facts with their origin."""
    with system.db.read() as tx:
        thread = events.of_case(tx, case.id)[: case.events_worked]
        said = output_of(steps.latest(tx, case.id, "triage", up_to_round=case.round))
    started = system.clock()
    found: dict[str, Any] = {}
    missing = []
    for source in agent.sources:
        inquiry = Inquiry(case.subject, thread, said, system.readers, found, system.clock())
        try:
            records = source.read(inquiry)
        except Permanent as error:
            logger.info("source_refused", case_id=case.id, source=source.name, error=str(error))
            records = None
        found[source.name] = records or ()
        if source.needed and not records:
            missing.append(source.name)
        faults.point("case.gather.called")
    rows = [
        {
            "case_id": case.id,
            "round": case.round,
            "position": position,
            "name": name,
            "ref": record.ref,
            "kind": record.kind,
            "title": record.title[:300],
            "data": dict(record.data),
            "version": record.version,
            "trusted": record.trusted,
            "url": record.url,
            "fetched_at": system.clock(),
        }
        for position, (name, record) in enumerate((n, r) for n, records in found.items() for r in records)
    ]
    with system.db.write() as tx:
        case = cases.move(tx, case, now=system.clock(), step="draft")
        record_step(system, tx, case, "gather", started, {"triage": said}, {"missing": missing, "facts": len(rows)})
        steps.add_facts(tx, rows)
        faults.point("case.gather.committing")
    faults.point("case.gather.committed")
    return case


def draft(system: System, case: Case, agent: Agent) -> Case:
    """Propose actions, with reasons and the facts that they rest on."""
    with system.db.read() as tx:
        thread = events.of_case(tx, case.id)[: case.events_worked]
        said = output_of(steps.latest(tx, case.id, "triage", up_to_round=case.round))
        facts = steps.facts_of(tx, case.id, up_to_round=case.round)
        earlier = [
            {"kind": a.kind, "state": a.state, "sentence": a.sentence, "reason": a.reason}
            for a in actions.of_case(tx, case.id)
            if a.settled_at is not None or a.state == ActionState.EXECUTING
        ]
    started = system.clock()
    answer = system.model.answer(agent.ask_draft(thread, said, facts, case.instruction, earlier))
    faults.point("case.draft.called")
    with system.db.write() as tx:
        inputs = {"triage": said, "facts": [fact.ref for fact in facts], "instruction": case.instruction}
        case = cases.move(tx, case, now=system.clock(), step="decide", instruction=None)
        record_step(system, tx, case, "draft", started, inputs, answer.output.model_dump(mode="json"), answer)
        faults.point("case.draft.committing")
    faults.point("case.draft.committed")
    return case


def decide(system: System, case: Case, agent: Agent) -> Case:
    """Judge each proposed action by the policy. What may run is handed on, the rest waits for people."""
    with system.db.read() as tx:
        drafted = Drafted.load(tx, case)
    laid_out = lay_out(system, agent, case, drafted)
    notes = [
        Note(
            f"policy:{action['verdict']['policy']}",
            "judged",
            {"action": action["id"], "kind": action["kind"], "outcome": action["verdict"]["outcome"]},
        )
        for action, _ in laid_out
    ]
    summary = {"actions": [action["id"] for action, _ in laid_out]}
    unsure = None if laid_out else drafted.draft.unsure or "The agent proposed nothing."
    with system.db.write() as tx:
        case = cases.move(tx, case, now=system.clock(), step=DECIDED)
        if case.events_total > case.events_worked:
            # A message came while this was drafted: an answer to the one before must not even be judged.
            return case
        record_step(system, tx, case, "decide", system.clock(), {"draft": drafted.draft.summary}, summary, notes=notes)
        for action, revision in laid_out:
            actions.add(tx, action)
            actions.add_revision(tx, revision)
        case = cases.release(
            tx, case, state=CaseState.INBOX, wake_at=None, now=system.clock(), attention=unsure or case.attention
        )
        hints = settle(tx, case, now=system.clock())
        faults.point("case.decide.committing")
    faults.point("case.decide.committed")
    for action_id in hints:
        system.hints.action(action_id)
    return case


STEPS: Mapping[str, Callable[[System, Case, Agent], Case]] = {
    "triage": triage,
    "gather": gather,
    "draft": draft,
    "decide": decide,
}

#: the steps that call outside; each has a crash point between the answer and its record
CALLING = ("triage", "gather", "draft")

CRASH_POINTS = (
    "event.committing",
    "event.committed",
    "case.claimed",
    *(
        f"case.{name}.{phase}"
        for name in STEPS
        for phase in ("begun", *(("called",) if name in CALLING else ()), "committing", "committed")
    ),
)


# ── what can happen to a case at any moment ──────────────────────────────────────────────────────────────────────────


def _new_round(system: System, case: Case) -> Case:
    """An event joined: what was drafted no longer answers what was said. Begin again with all that is known."""
    with system.db.write() as tx:
        now = system.clock()
        withdrawn = actions.settle_open(tx, case.id, ActionState.STALE, "A new message came in.", now)
        audit.append(tx, case.id, now, Note("caseworker", "new_round", {"withdrawn": withdrawn}))
        return cases.move(tx, case, now=now, step="triage", round=case.round + 1, attention=None)


def _settle_again(system: System, case: Case) -> Case:
    """Woken though all is decided: nothing but to bring the case in line with its actions."""
    with system.db.write() as tx:
        case = cases.release(tx, case, state=CaseState.INBOX, wake_at=None, now=system.clock())
        hints = settle(tx, case, now=system.clock())
    for action_id in hints:
        system.hints.action(action_id)
    return case


def _wait(system: System, case: Case, error: Temporary) -> None:
    """Something outside is not available: say so on the case, and come back."""
    now = system.clock()
    until = now + pause(case.waits, error.retry_after)
    logger.info("case_waits", case_id=case.id, step=case.step, reason=str(error), until=until.isoformat())
    with system.db.write() as tx:
        try:
            cases.release(
                tx,
                case,
                state=CaseState.WAITING,
                wake_at=until,
                now=now,
                waiting_for=str(error),
                waits=case.waits + 1,
            )
        except LostClaim:
            logger.info("claim_lost", case_id=case.id, step=case.step)


def _ask_for_help(system: System, case: Case, reason: str, usage: Usage | None = None) -> None:
    """The agent cannot go on by itself: a person must look."""
    logger.warning("case_needs_a_person", case_id=case.id, step=case.step, reason=reason)
    with system.db.write() as tx:
        now = system.clock()
        try:
            cases.release(tx, case, state=CaseState.INBOX, wake_at=None, now=now, attention=reason)
        except LostClaim:
            logger.info("claim_lost", case_id=case.id, step=case.step)
            return
        audit.append(tx, case.id, now, Note("caseworker", "asked_for_help", {"step": case.step, "reason": reason}))
        if usage is not None:
            # An answer that cannot be used was paid for all the same.
            steps.add_usage(
                tx, {**asdict(usage), "case_id": case.id, "round": case.round, "step": case.step, "at": now}
            )

"""READ THIS FIRST: the life of a case, in one file.

    event ─► receive ─► triage ─► gather ─► draft ─► decide ─┬─ allow ──► execute ─► close
             (intake)                                        ├─ review ─► inbox ──► execute ─► close
                                                             └─ deny ───► close, with the reason

`advance` takes a due case and works it until it waits: for people, for time, or for nothing any more. Each step reads,
calls outside *without* an open transaction, and commits what came of it together with where the case stands next: first
the fence, which refuses a worker that lost its claim, then the rest. Killed anywhere, the case is due again when its lease
(`held_until`) has run out, and goes on after the last commit; no recorded answer is asked for twice. What was looked up quickly
is committed with the draft that rests on it.

Three things can happen to a case at any moment, and are handled in one place each:
- a new event joins it: `receive` counts it and withdraws open drafts; `advance` sees it and starts a new round;
- its worker dies or hangs: the lease runs out, another worker claims it, and the fence refuses the first one's commits;
- something outside fails: `advance` writes down why the case waits, and when to try again.

What follows `decide` is elsewhere: `workers.conclusion` commits what was decided, together with what it reserves of limits;
`workers.execute`, the only door out, carries actions out; people decide in `workers.inbox`; and whenever an action changes,
`workers.settlement` wakes what waited for it, and closes the case after the last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from structlog.contextvars import bound_contextvars

from integrations.errors import IntegrationError, Permanent, Postponed, Temporary
from integrations.models.base import Usage
from integrations.models.failures import paid
from workers import faults
from workers.agents.base import Agent, Draft, Inquiry
from workers.backoff import pause
from workers.conclusion import conclude, settle_again
from workers.consulting import CONSULTATION, asked_of, close_if_withdrawn, give_up_answer, subject_of
from workers.deliberation import LOOPING, about, answer_question, deliberate, looks_up
from workers.drafting import judge_draft, live_targets
from workers.journal import (
    Entry,
    Work,
    entry,
    found_as_fact,
    gathered,
    output_of,
    recalled,
    record,
    record_findings,
    usage_rows,
)
from workers.judgement import Matter
from workers.log import discreet, logger
from workers.store import actions, audit, cases, children, events, findings, flow, outage, steps
from workers.store.arrivals import customer_of
from workers.store.audit import Note
from workers.store.cases import LostClaim
from workers.store.database import StoreUnavailable
from workers.store.flow import Caps
from workers.store.records import ActionState, Case, CaseState
from workers.telemetry import metrics, observed, traces
from workers.wiring import System

#: seconds; what was looked up in less is written down with the draft: after a crash it is looked up again, and is fresher then
QUICK_LOOKUP_SECONDS = 0.25
#: where a case stands when its agent has no more to do: people and `execute` have it now, `settle` closes it
DECIDED = "decided"


def advance(system: System, case_id: str) -> None:
    """Work a case from where it stands until it waits or is closed. Finding nothing to do is normal."""
    system.request_priority.give_way()
    settings = system.settings
    claimed = flow.claim(
        system.db,
        case_id,
        worker=system.worker,
        now=system.clock(),
        lease=settings.lease,
        caps=Caps(settings.customer_cap, settings.source_cap),
    )
    if claimed is None:
        return
    work = Work(claimed.case, claimed.chain, claimed.events)
    if work.case.id != case_id:
        # An urgent case went first, in the place that this one had.
        system.hints.case(case_id, work.case.domain)
    faults.point("case.claimed")
    try:
        with (
            bound_contextvars(case_id=work.case.id, event_id=work.events[-1].id),
            traces.span("advance", case_id=work.case.id),
            system.leases.case(work.case.id, work.case.version),
        ):
            _work_on(system, work)
    except LostClaim:
        # Outside: the lease hears of it, and lets go of what may still bear this process's name.
        metrics.claim_lost()
        logger.info("claim_lost", case_id=work.case.id)


def _work_on(system: System, work: Work) -> None:
    """Step by step, as long as the case is ours."""
    try:
        while work.case.claimed_by:
            work = _next_step(system, work)
    except Temporary as error:
        outage.with_retries(_wait, system, record_findings(system, work).case, error)
    except IntegrationError as error:
        outage.with_retries(_ask_for_help, system, record_findings(system, work).case, str(error), paid(error))
    except (LostClaim, StoreUnavailable):
        raise
    except Exception as error:
        if work.case.claims < system.settings.max_claims:
            raise
        logger.exception("step_broke", case_id=work.case.id, step=work.case.step)
        told = f"{_without_result(work.case.claims, work.case)} The last broke ({type(error).__name__}); the log says what."
        outage.with_retries(_ask_for_help, system, work.case, told)


def _without_result(tries: int, case: Case) -> str:
    return f"{tries} tries at the step “{case.step}” ended without a result."


def _next_step(system: System, work: Work) -> Work:
    """One step, or what has to come before it."""
    case = work.case
    agent = system.agents.get(case.domain)
    if agent is None:
        raise Permanent(f"No agent is installed for the domain {case.domain!r}.")
    if case.claims > system.settings.max_claims:
        raise Permanent(_without_result(case.claims - 1, case))
    if case.source == CONSULTATION and (ended := close_if_withdrawn(system, work)) is not None:
        return ended
    if case.events_total > case.events_worked and case.step != "triage":
        return _new_round(system, work, agent)
    if case.step == DECIDED:
        return settle_again(system, work)
    system.request_priority.give_way()
    faults.point(f"case.{case.step}.begun")
    with observed.step(case.domain, case.step, case.id, case.round):
        return STEPS[case.step](system, work, agent)


# ── the steps ────────────────────────────────────────────────────────────────────────────────────────────────────────


def triage(system: System, work: Work, agent: Agent) -> Work:
    """What is it about, how urgent, how sure are we?"""
    started = system.clock()
    answer = system.model.answer(agent.ask_triage(work.events).put(about=about(work.case)))
    faults.point("case.triage.called")
    triaged = {**answer.output.model_dump(mode="json"), "primary_field": agent.primary}
    newest = work.events[-1].data
    made = entry(
        work.case,
        "triage",
        (started, system.clock()),
        {"events": [event.id for event in work.events]},
        triaged,
        answer,
    )
    changes = {
        "step": "gather",
        "events_worked": len(work.events),
        "priority": str(triaged.get("urgency", "normal")),
        # An agent that asks another names no customer whom nobody can be asked about: theirs is its own case's.
        "customer": customer_of(work.events[-1].source, newest)
        or (work.case.customer if work.case.source == CONSULTATION else ""),
        # Later rounds begin without (`_new_round`), and what people should look at since is another matter.
        **({"attention": None} if work.case.round == 1 and work.case.attention else {}),
    }
    return replace(record(system, work, changes, [made], told_later=True), triage=triaged)


def gather(system: System, work: Work, agent: Agent) -> Work:
    """Look up what the case is about, source by source, and keep it as facts with their origin.

    Reading costs nothing and changes nothing, so it gets a commit of its own only where it took long, or where more than one
    model call may follow before the draft.
    """
    if work.triage is None:
        work = recalled(system.db, work)
    case, triaged = work.case, work.triage or {}
    started, began = system.clock(), system.monotonic()
    found: dict[str, Any] = {}
    missing = []
    with system.guards.admit_once():
        for source in agent.sources:
            inquiry = Inquiry(subject_of(case), work.worked, triaged, system.readers, found, started)
            try:
                with traces.span(f"read {source.name}"):
                    records = source.read(inquiry)
            except Permanent as error:
                logger.info("source_refused", case_id=case.id, source=source.name, error=str(error))
                records = None
            found[source.name] = records or ()
            if source.needed and not records:
                missing.append(source.name)
            faults.point("case.gather.called")
    now = system.clock()
    everything = [(name, read) for name, records in found.items() for read in records]
    facts = [
        found_as_fact(case, case.round, i, name, read, now, known_as=findings.id_of(case.id, case.round, i))
        for i, (name, read) in enumerate(everything)
    ]
    made = gathered(
        entry(case, "gather", (started, now), {"triage": triaged}, {"missing": missing, "facts": len(facts)}), facts
    )
    known = replace(work, facts=facts, missing=missing)
    if system.monotonic() - began > QUICK_LOOKUP_SECONDS or case.source == CONSULTATION or looks_up(system, agent):
        return record(system, known, {"step": "draft"}, [made])
    return replace(known, case=replace(case, step="draft"), found=made)


def draft(system: System, work: Work, agent: Agent) -> Work:
    """Propose actions, with reasons and the facts that they rest on; what the policy says of them follows at once.

    With a model that can, the agent plans and looks things up first (`workers.deliberation`).
    """
    work = recalled(system.db, work)
    asked = asked_of(system, work.case)
    if asked is not None:
        return answer_question(system, work, agent, asked)
    thought = deliberate(system, work, agent)
    if thought.draft is None or thought.made is None:
        # A new message came in meanwhile, or it waits for answers of others.
        return thought.work
    try:
        return _decide(system, thought.work, agent, thought.draft, thought.model, thought.made)
    except StoreUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - a bug of a kind, which is not asked of a model again
        # It cannot be decided as it is, but it was paid for: it is written down by itself, if this is still our case.
        if not isinstance(error, Permanent | LostClaim):
            logger.exception("deciding_broke", case_id=work.case.id)
        return record(system, thought.work, {"step": "decide", "instruction": None}, [thought.made])


def decide(system: System, work: Work, agent: Agent) -> Work:
    """Judge what an earlier worker drafted."""
    work = recalled(system.db, work)
    with system.db.read() as tx:
        drafted = Draft.model_validate(output_of(steps.latest(tx, work.case.id, "draft", up_to_round=work.case.round)))
        usage = steps.usage_of(tx, work.case.id)
    model = (usage[-1].provider, usage[-1].model) if usage else ("", "")
    return _decide(system, work, agent, drafted, model)


def _decide(
    system: System, work: Work, agent: Agent, drafted: Draft, model: tuple[str, str], made: Entry | None = None
) -> Work:
    """Judge each proposed action by the policy. What may run is handed on, the rest waits for people."""
    started = system.clock()
    matter = Matter(
        case=work.case,
        events=work.worked,
        facts=work.facts or (),
        triage=work.triage or {},
        missing=work.missing,
        model=model,
    )
    with traces.span("policy", case_id=work.case.id):
        new_actions = judge_draft(
            system, agent, matter, drafted, outage.with_retries(live_targets, system, matter, drafted)
        )
    now = system.clock()
    if made is None:
        made = entry(
            work.case,
            "decide",
            (started, now),
            {"draft": drafted.summary},
            {"actions": [new.action["id"] for new in new_actions]},
        )
    entries = [made] if work.found is None else [work.found, made]
    unsure = None if new_actions else drafted.unsure or "The agent proposed nothing."
    changes = {
        "step": DECIDED,
        "instruction": None,
        "state": CaseState.INBOX,
        "claimed_by": None,
        "wake_at": None,
        # Else what people should look at stays: it may have been said while this was drafted (`cases.call_attention`).
        **({"attention": unsure} if unsure else {}),
    }
    return conclude(system, work, changes, entries, new_actions)


STEPS: Mapping[str, Callable[[System, Work, Agent], Work]] = {
    "triage": triage,
    "gather": gather,
    "draft": draft,
    "decide": decide,
}

#: the steps that call outside; each has a crash point between the answer and its record
CALLING = ("triage", "gather", "draft")
#: where a case passes that is thought about with look-ups
LOOP_POINTS = tuple(f"case.{name}.{phase}" for name in LOOPING for phase in ("called", "committing", "committed"))
#: where a case passes that asks another, and where the other passes that answers
ASK_POINTS = (
    *(f"case.ask.{phase}" for phase in ("committing", "committed")),
    *(f"case.answer.{phase}" for phase in ("called", "committing", "committed")),
)

CRASH_POINTS = (
    "event.committing",
    "event.committed",
    "case.claimed",
    *(f"case.{name}.{phase}" for name in CALLING for phase in ("begun", "called")),
    # A draft is recorded together with what was looked up for it and what was decided on it.
    *(f"case.{name}.{phase}" for name in ("triage", "decide") for phase in ("committing", "committed")),
)


# ── what can happen to a case at any moment ──────────────────────────────────────────────────────────────────────────


def _new_round(system: System, work: Work, agent: Agent) -> Work:
    """An event joined: what was drafted no longer answers what was said. Begin again with all that is known."""
    case = work.case
    with system.db.write() as tx:
        now = system.clock()
        moved = cases.move(tx, case, now=now, step="triage", round=case.round + 1, attention=None)
        stale = actions.settle_open(tx, case.id, ActionState.STALE, "A new message came in.", now)
        if agent.consults:
            children.cancel(tx, case.id, now)
        chain = audit.append(tx, case.id, now, Note("caseworker", "new_round", {"withdrawn": stale}))
        return Work(moved, chain, events.of_case(tx, case.id))


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
                # What was not even asked did not fail, as with actions.
                waits=case.waits + (not isinstance(error, Postponed)),
            )
        except LostClaim:
            logger.info("claim_lost", case_id=case.id, step=case.step)
            return
        # Nobody knows how long: the log is to tell by then what was done.
        audit.append(tx, case.id, now)
        # What gave nothing was paid for all the same.
        for row in usage_rows(case, case.step, paid(error), now, answered=False):
            steps.add_usage(tx, row)


def _ask_for_help(system: System, case: Case, reason: str, used: Sequence[Usage] = ()) -> None:
    """The agent cannot go on by itself: a person must look."""
    if give_up_answer(system, case, reason, used):
        return
    logger.warning("case_needs_a_person", case_id=case.id, step=case.step, reason=reason)
    with system.db.write() as tx:
        now = system.clock()
        try:
            cases.release(tx, case, state=CaseState.INBOX, wake_at=None, now=now, attention=reason)
        except LostClaim:
            logger.info("claim_lost", case_id=case.id, step=case.step)
            return
        audit.append(
            tx, case.id, now, Note("caseworker", "asked_for_help", {"step": case.step, "reason": discreet(reason)})
        )
        for row in usage_rows(case, case.step, used, now, answered=False):
            # An answer that cannot be used was paid for all the same.
            steps.add_usage(tx, row)

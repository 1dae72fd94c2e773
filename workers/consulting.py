"""One case asks, another answers: opening a case for a question, parking the one that asks, bringing the answer back.

Used by `workers.deliberation` for the case that asks and for the one that answers, and by the pipeline where an answer
cannot be given. The questions are opened and the asking case parked in one commit; the last answer and the waking of the
asking case are one commit, too. What is asked, how deep, by how many and at what cost is bounded by settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from pydantic import BaseModel

from integrations.base import Record
from integrations.models.base import Tool, ToolCall, Usage
from workers import faults
from workers.agents.asking import Answer, Question, ask_tool, records_of
from workers.agents.base import Agent
from workers.agents.observations import Observation, found, told
from workers.journal import Entry, Work, usage_rows
from workers.log import logger
from workers.store import arrivals, audit, cases, children, flow, outage
from workers.store.arrivals import Arrival
from workers.store.audit import Note
from workers.store.cases import LostClaim
from workers.store.children import Consultation
from workers.store.database import Tx
from workers.store.flow import Progress
from workers.store.ids import new_id
from workers.store.records import Case, CaseState, Fact
from workers.wiring import System

#: the source of a case that one of ours opened, for a question
CONSULTATION = "caseworker"
QUESTION = "question.asked"
_MARK = "#ask_"


class Parked(Exception):
    """The case waits for answers; its claim was given back."""

    def __init__(self, work: Work) -> None:
        super().__init__("waits for answers")
        self.work = work


class Desk(Protocol):
    """Whoever thinks about the asking case: the case as it stands after its last commit."""

    @property
    def work(self) -> Work: ...


def subject_of(case: Case) -> str:
    """What a case is about outside; one that answers a question has a subject of its own, so that no event joins it."""
    return case.subject.partition(_MARK)[0] if case.source == CONSULTATION else case.subject


def asked_of(system: System, case: Case) -> Consultation | None:
    """The question that a case was opened for. Asks the database only where there can be one."""
    if case.source != CONSULTATION:
        return None
    with system.db.read() as tx:
        return children.of_child(tx, case.id)


@dataclass(slots=True)
class Colleagues:
    """Whom one case may ask in its present round, and what they said so far."""

    system: System
    desk: Desk
    tool: Tool
    path: list[str]
    own: Consultation | None
    rows: dict[str, Consultation] = field(default_factory=dict)
    #: how many more are about to be asked
    _meant: int = 0

    def answer(self, number: str, call: ToolCall, question: BaseModel) -> Observation | None:
        """What came of a question, or why it is not asked; None while it is to be asked or to be waited for."""
        row = self.rows.get(number)
        if row is None:
            why = self._refused(question) if isinstance(question, Question) else "It is no question."
            self._meant += why is None
            return None if why is None else told(number, call, why)
        if row.answer is not None:
            answer = Answer.model_validate(row.answer["answer"])
            cited = [Record(**record) for record in row.answer["facts"]]
            return found(number, call, records_of(row.child_id, row.agent, answer, cited))
        if row.state == "open":
            return None
        if row.state == "failed":
            return told(number, call, f"{row.agent} could not answer: {row.reason}")
        return told(number, call, f"{row.agent} did not answer in time. Go on without it.")

    def wait(self, asked: Sequence[tuple[str, ToolCall, BaseModel]]) -> None:
        """Ask what was not asked yet and park the case until all have answered, or the deadline. Raises `Parked`."""
        opened: list[tuple[str, str]] = []
        work = self.desk.work
        now = self.system.clock()
        deadline = now + timedelta(seconds=self.system.settings.consult_seconds)
        if self.own is not None:
            deadline = min(deadline, self.own.deadline)
        names = sorted({str(getattr(question, "agent", "")) for _, _, question in asked})
        until = max([deadline, *(row.deadline for row in self.rows.values() if row.state == "open")])
        faults.point("case.ask.committing")
        with self.system.db.write() as tx:
            case = cases.release(
                tx,
                work.case,
                state=CaseState.WAITING,
                wake_at=until,
                now=now,
                waiting_for=f"Answers of {', '.join(names)}.",
            )
            for number, _, question in asked:
                if number not in self.rows and isinstance(question, Question):
                    opened.append(self._open(tx, work.case, number, question, deadline))
        faults.point("case.ask.committed")
        for child, domain in opened:
            self.system.hints.case(child, domain)
        raise Parked(replace(work, case=case))

    def _refused(self, question: Question) -> str | None:
        settings = self.system.settings
        if question.agent in self.path:
            return (
                f"{question.agent} is asked already by way of {' → '.join(self.path)}: that would go round in circles."
            )
        if len(self.path) > settings.consult_depth:
            return f"Questions go at most {settings.consult_depth} deep."
        if len(self.rows) + self._meant >= settings.consult_fan_out:
            return f"At most {settings.consult_fan_out} questions are asked for one draft."
        work = self.desk.work
        known = {fact.ref for fact in work.facts or () if fact.trusted} | {subject_of(work.case)}
        if question.subject is not None and question.subject not in known:
            return "The subject must be the ref of one of the company's own records that you were given."
        # Whoever answers asks out of the share that the answer may cost.
        paid = [row.child_id for row in self.rows.values()] if self.own is None else [work.case.id]
        with self.system.db.read() as tx:
            spent = children.cost(tx, paid)
        if spent >= (settings.consult_cost_usd if self.own is None else share(self.system, self.own)):
            return f"Questions have cost {spent} USD, which is what they may."
        return None

    def _open(self, tx: Tx, case: Case, number: str, question: Question, deadline: datetime) -> tuple[str, str]:
        """A case for one question, due at once, on the queue of whom it is for."""
        now = self.system.clock()
        key = new_id("ask")
        domain, _, role = question.agent.partition("/")
        subject = question.subject or subject_of(case)
        data = {
            "title": question.question[:200],
            "text": question.question,
            "asked_by": self.path[-1],
            "requester_email": arrivals.address_of(case.customer),
            "customer_email": arrivals.address_of(case.customer),
        }
        stored = arrivals.take(
            tx,
            Arrival(
                event_id=new_id("evt"),
                case_id=new_id("case"),
                source=CONSULTATION,
                delivery_id=key,
                body_key=None,
                type=QUESTION,
                vendor_type=QUESTION,
                subject=f"{subject[:250]}#{key}",
                occurred_at=now,
                received_at=now,
                data=data,
                raw=b"",
                headers=(),
                secret_id=None,
                door="agent",
                domain=domain,
                title=f"Question: {question.question}"[:300],
                customer=case.customer,
                priority=case.priority,
                pipeline_version=case.pipeline_version,
            ),
        )
        child = str(stored.case_id)
        if role:
            children.begin_with_what_is_known(tx, case, child, now)
        children.add(
            tx,
            {
                "id": key,
                "case_id": case.id,
                "round": case.round,
                "number": number,
                "child_id": child,
                "agent": question.agent,
                "path": children.BETWEEN.join([*self.path, question.agent]),
                "subject": subject,
                "question": question.question,
                "asked_at": now,
                "deadline": deadline,
                "state": "open",
            },
        )
        audit.append(
            tx, case.id, now, Note(f"agent:{self.path[-1]}", "asked", {"agent": question.agent, "case": child})
        )
        return child, domain


def colleagues(system: System, desk: Desk, agent: Agent, own: Consultation | None) -> Colleagues | None:
    """Whom a case may ask, with what was asked before; None where nobody may be asked."""
    path = own.chain if own is not None else [agent.domain]
    settings = system.settings
    # A colleague in a role is asked for one thing, and asks nobody.
    names = tuple(name for name in agent.consults if name.partition("/")[0] in system.agents and name not in path)
    if not names or "/" in path[-1] or len(path) > settings.consult_depth or not settings.consult_fan_out:
        return None
    case = desk.work.case
    with system.db.read() as tx:
        asked = [row for row in children.of_case(tx, case.id) if row.round == case.round]
    if any(row.state == "open" and row.deadline <= system.clock() for row in asked):
        with system.db.write() as tx:
            cases.lock(tx, case.id)
            children.give_up_waiting(tx, case.id, system.clock())
            asked = [row for row in children.of_case(tx, case.id) if row.round == case.round]
    return Colleagues(system, desk, ask_tool(names), path, own, {row.number: row for row in asked})


# ── the case that answers ────────────────────────────────────────────────────────────────────────────────────────────


def answered(system: System, work: Work, agent: Agent, asked: Consultation, answer: Answer, made: Entry) -> Work:
    """Record an answer with the records that it cites, close its case, and wake the one that asked after the last."""
    named = [fact for fact in work.facts or () if fact.ref in answer.citations or fact.name in answer.citations]
    if asked.chain[-2].partition("/")[0] != agent.domain:
        named = [fact for fact in named if not {fact.name, fact.kind} & agent.keeps]
    # One record may have been gathered under two names.
    cited = {fact.ref: fact for fact in reversed(named)}
    given = {"answer": answer.model_dump(mode="json"), "facts": [_as_json(fact) for fact in reversed(cited.values())]}
    return _end(system, work, asked, given, None, "answered", [made])


def close_if_withdrawn(system: System, work: Work) -> Work | None:
    """Close a case whose question was cancelled; None for any other case."""
    asked = asked_of(system, work.case)
    if asked is None or asked.state != "cancelled":
        return None
    return _end(system, work, asked, None, "It was no longer needed.", "cancelled", [])


def give_up_answer(system: System, case: Case, reason: str, paid: Sequence[Usage]) -> bool:
    """Tell the asking case that no answer can be given. False for a case that answers no question."""
    asked = asked_of(system, case)
    if asked is None:
        return False
    try:
        _end(system, Work(case, audit.Chain(), ()), asked, None, reason, "unanswered", [], paid)
    except LostClaim:
        logger.info("claim_lost", case_id=case.id, step=case.step)
    return True


def _end(
    system: System,
    work: Work,
    asked: Consultation,
    given: Mapping[str, Any] | None,
    reason: str | None,
    outcome: str,
    entries: Sequence[Entry],
    paid: Sequence[Usage] = (),
) -> Work:
    faults.point("case.answer.committing")
    case, woken = outage.with_retries(_end_once, system, work.case, asked, given, reason, outcome, entries, paid)
    faults.point("case.answer.committed")
    if woken is not None:
        system.hints.case(*woken)
    return replace(work, case=case)


def _end_once(
    system: System,
    case: Case,
    asked: Consultation,
    given: Mapping[str, Any] | None,
    reason: str | None,
    outcome: str,
    entries: Sequence[Entry],
    paid: Sequence[Usage],
) -> tuple[Case, tuple[str, str] | None]:
    now = system.clock()
    with system.db.write() as tx:
        # The asking case first: whoever cancels holds it, too, and two answers at once must see each other.
        parent = cases.lock(tx, asked.case_id)
        notes = [made.note for made in entries]
        progress = Progress(
            {"step": "decided", "claimed_by": case.claimed_by},
            steps=[made.step for made in entries],
            usage=[
                *(row for made in entries for row in made.usage),
                *usage_rows(case, case.step, paid, now, answered=False),
            ],
            notes=[*notes, Note("caseworker", "closed", {"outcome": outcome})],
        )
        moved = flow.record_in(tx, case, progress, now=now)
        ended = cases.release(
            tx,
            moved,
            state=CaseState.CLOSED,
            wake_at=None,
            now=now,
            outcome=outcome,
            attention=None,
            closed_at=now,
            events_worked=moved.events_total,
        )
        state = children.finish(tx, asked, answer=given, reason=reason, now=now)
        if state is not None and parent is not None:
            told_ = {"agent": asked.agent, "case": case.id, "state": state}
            audit.append(tx, parent.id, now, Note(f"agent:{asked.agent}", "answered", told_))
        # A late answer is for people: the case went on, and may wait for something else by now.
        woken = children.wake(tx, asked.case_id, now) if state in ("answered", "failed") else None
        return ended, woken


def share(system: System, asked: Consultation) -> Decimal:
    """What one answer may cost: an even share of what all of them may, or of the answer that it is asked for."""
    settings = system.settings
    parts: int = max(1, settings.consult_fan_out) ** (len(asked.chain) - 1)
    return min(settings.loop_cost_usd, settings.consult_cost_usd / parts)


def _as_json(fact: Fact) -> dict[str, Any]:
    return asdict(Record(fact.ref, fact.kind, fact.title, fact.data, fact.version, fact.trusted, fact.url))

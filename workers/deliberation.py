"""The inside of a draft: one answer of the model, or a plan and rounds of look-ups first, where agent and model can.

Called by the pipeline's `draft`. Everything that was answered is committed before anything comes of it: the plan, each turn
with its calls, each lot of look-ups with the facts that they became. A case that is taken up again goes on after the last of
these and asks for none of them twice. No transaction is open while a model or a Reader is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import BaseModel

from integrations.base import Record
from integrations.errors import IntegrationError
from integrations.models.base import About, ModelAnswer, ModelRequest, ToolUse
from integrations.models.failures import after, out_of_reach, paid
from workers import consulting, faults
from workers.agents import recollection
from workers.agents.asking import ask_answer
from workers.agents.base import Agent, Draft, Inquiry
from workers.agents.loop import Limits, Loop, Spent
from workers.agents.observations import Observation, written
from workers.agents.planning import Plan, ask_plan, ask_with_plan
from workers.agents.tools import MORE_TOOL, Lookup, offered
from workers.journal import Entry, Work, entry, found_as_fact, record
from workers.store import actions, steps
from workers.store.children import Consultation
from workers.store.records import ActionState, Case, Fact, Step
from workers.telemetry import traces
from workers.wiring import System

T = TypeVar("T", bound=BaseModel)

#: what the loop calls and commits; the pipeline lists the crash points around them
LOOPING = ("plan", "turn", "look-up")


@dataclass(frozen=True, slots=True)
class Deliberated:
    """A draft with its entry for the journal; both None where a new event joined the case, or it waits for answers."""

    work: Work
    draft: Draft | None = None
    made: Entry | None = None
    model: tuple[str, str] = ("", "")


class _Joined(Exception):
    """An event came in: what is being thought about is no longer the question."""


def deliberate(system: System, work: Work, agent: Agent) -> Deliberated:
    """Draft what to do about a case of which triage and facts are known."""
    case, triaged, facts = work.case, work.triage or {}, work.facts or ()
    started = system.clock()
    request = agent.ask_draft(work.worked, triaged, facts, case.instruction, _earlier(system, case))
    desk = _Desk(system, work, agent)
    try:
        answer = desk.ask(request.put(about=about(case, triaged, facts)))
    except _Joined:
        return Deliberated(desk.work)
    except consulting.Parked as parked:
        return Deliberated(parked.work)
    work = desk.work
    faults.point("case.draft.called")
    inputs = {"triage": triaged, "facts": [fact.ref for fact in work.facts or ()], "instruction": case.instruction}
    output = answer.output.model_dump(mode="json")
    drafted = Draft.model_validate(output)
    remarks = _groundless(drafted, work.facts or (), request)
    made = entry(work.case, "draft", (started, system.clock()), inputs, output, answer, remarks=remarks)
    return Deliberated(work, drafted, made, (answer.usage.provider, answer.usage.model))


def answer_question(system: System, work: Work, agent: Agent, asked: Consultation) -> Work:
    """Find out what another case asks, hand it over, and close this case."""
    case, triaged, facts = work.case, work.triage or {}, work.facts or ()
    started = system.clock()
    request = ask_answer(agent, asked.agent, work.worked, triaged, facts)
    desk = _Desk(system, work, agent, asked)
    try:
        answer = desk.ask(request.put(about=about(case, triaged, facts)))
    except consulting.Parked as parked:
        return parked.work
    work = desk.work
    faults.point("case.answer.called")
    inputs = {"question": asked.question, "facts": [fact.ref for fact in work.facts or ()]}
    output = answer.output.model_dump(mode="json")
    made = entry(work.case, "answer", (started, system.clock()), inputs, output, answer)
    return consulting.answered(system, work, agent, asked, answer.output, made)


def looks_up(system: System, agent: Agent) -> bool:
    """Whether the agent may look things up, or ask others, before it drafts."""
    return bool(system.settings.loop_turns and system.model.uses_tools and (agent.tools or agent.consults))


def about(case: Case, triaged: Mapping[str, Any] | None = None, facts: Sequence[Fact] = ()) -> About:
    """What a request is about, for routing, budgets and privacy."""
    known = triaged or {}
    customer = next((fact for fact in facts if fact.name == "customer" and fact.trusted), None)
    return About(
        case_id=case.id,
        # A question is about what the asking case is about, and no less private.
        source=case.source if case.source != consulting.CONSULTATION else consulting.subject_of(case).partition(":")[0],
        language=str(known.get("language", "und")),
        tier=str(customer.data.get("tier", "")) if customer is not None else "",
        urgent=case.priority == "urgent",
    )


def limits(system: System, asked: Consultation | None = None) -> Limits:
    settings = system.settings
    return Limits(
        turns=settings.loop_turns,
        calls=settings.loop_calls,
        tokens=settings.loop_tokens,
        seconds=settings.loop_seconds,
        cost_usd=settings.loop_cost_usd if asked is None else consulting.share(system, asked),
        page=settings.observation_chars,
        call_seconds=settings.model_timeout_seconds,
    )


@dataclass(slots=True)
class _Desk:
    """One draft with look-ups: makes them, writes them down, and knows the case as it stands after each commit."""

    system: System
    work: Work
    agent: Agent
    #: the question that the case was opened for, where it was
    asked_for: Consultation | None = None
    #: refs and contents of the facts so far, each with its id
    _known: dict[tuple[str, str], str] = field(default_factory=dict)

    def ask(self, request: ModelRequest[T]) -> ModelAnswer[T]:
        """One answer, or a plan and a loop that ends in one. Raise what ends it otherwise."""
        system, agent = self.system, self.agent
        if not looks_up(system, agent):
            return system.model.answer(request)
        lookups = offered(agent.tools, self._inquiry())
        colleagues = consulting.colleagues(system, self, agent, self.asked_for)
        tools = [*(lookup.tool for lookup in lookups.values()), MORE_TOOL]
        if colleagues is not None:
            tools.append(colleagues.tool)
        recorded, spent = self._so_far()
        try:
            plan = self._plan(request, recorded.get(recollection.PLAN), tools, spent)
        except IntegrationError as error:
            if not out_of_reach(error):
                raise
            # Nobody who plans can be had for now. Who drafts without look-ups may be: the last resort among them.
            try:
                answer = system.model.answer(request)
            except IntegrationError as last:
                raise after(last, paid(error)) from error
            return replace(answer, earlier=(*paid(error), *answer.earlier))
        bounds = limits(system, self.asked_for)
        facts = {fact.id: _as_record(fact) for fact in self.work.facts or ()}
        self._known = {_identity(fact.ref, fact.data): fact.id for fact in self.work.facts or ()}
        exchanges = recollection.exchanges({n: s.output for n, s in recorded.items()}, facts, bounds.page)
        spent.turns = len(exchanges)
        loop: Loop[T] = Loop(
            model=system.model,
            request=ask_with_plan(request, plan, tools, asking=colleagues is not None),
            lookups=lookups,
            look=self._look,
            journal=self,
            limits=bounds,
            monotonic=system.monotonic,
            exchanges=exchanges,
            spent=spent,
            colleagues=colleagues,
            released_during=system.guards.slots.released_during,
        )
        return loop.run()

    def asked(self, number: int, use: ToolUse, seconds: float) -> None:
        faults.point("case.turn.called")
        now = self.system.clock()
        inputs = {"turn": number, "facts": len(self.work.facts or ())}
        times = (now - timedelta(seconds=seconds), now)
        name, output = recollection.turn_name(number), recollection.turn_as_json(use)
        self._record([entry(self.work.case, name, times, inputs, output, use)], point="turn")

    def observed(self, made: Sequence[Observation]) -> None:
        faults.point("case.look-up.called")
        now = self.system.clock()
        entries: list[Entry] = []
        fresh: list[Fact] = []
        for seen in made:
            ids = []
            for found in seen.records:
                key = _identity(found.ref, found.data)
                if key not in self._known:
                    fact = self._as_fact(seen.call.name, found, len(fresh))
                    fresh.append(fact)
                    self._known[key] = fact.id
                ids.append(self._known[key])
            output = recollection.observation_as_json(seen, ids)
            inputs = {"name": seen.call.name, "arguments": written(seen.call.arguments)}
            times = (now - timedelta(seconds=seen.seconds), now)
            name = recollection.look_up_name(seen.number)
            entries.append(entry(self.work.case, name, times, inputs, output, paid=seen.usage))
        self._record(entries, fresh, point="look-up")

    def _record(self, entries: Sequence[Entry], fresh: Sequence[Fact] = (), *, point: str) -> None:
        self.work = record(self.system, self.work, {}, entries, facts=fresh, point=point)
        if fresh:
            self.work = replace(self.work, facts=[*(self.work.facts or ()), *fresh])
        if self.work.case.events_total > self.work.case.events_worked:
            raise _Joined

    def _look(self, lookup: Lookup, arguments: BaseModel) -> Sequence[Record]:
        with traces.span(f"look up {lookup.name}", case_id=self.work.case.id), self.system.guards.admit_once():
            return lookup.read(self._inquiry(), arguments)

    def _inquiry(self) -> Inquiry:
        found: dict[str, list[Record]] = {}
        for fact in self.work.facts or ():
            found.setdefault(fact.name, []).append(_as_record(fact))
        work = self.work
        return Inquiry(
            work.case.subject, work.worked, work.triage or {}, self.system.readers, found, self.system.clock()
        )

    def _as_fact(self, name: str, found: Record, offset: int) -> Fact:
        """As one more of the newest gathering: a round that begins with the draft rests on the facts of one before."""
        facts = self.work.facts or ()
        round_ = max((fact.round for fact in facts), default=self.work.case.round)
        position = max((fact.position for fact in facts), default=-1) + 1 + offset
        return found_as_fact(self.work.case, round_, position, name, found, self.system.clock())

    def _plan(self, request: ModelRequest[T], known: Step | None, tools: Sequence[Any], spent: Spent) -> Plan:
        if known is not None:
            return Plan.model_validate(known.output)
        started = self.system.clock()
        answer = self.system.model.answer(ask_plan(request, tools))
        faults.point("case.plan.called")
        inputs = {"triage": self.work.triage or {}, "facts": [fact.ref for fact in self.work.facts or ()]}
        output = answer.output.model_dump(mode="json")
        times = (started, self.system.clock())
        self._record([entry(self.work.case, recollection.PLAN, times, inputs, output, answer)], point="plan")
        spent.paid(*answer.earlier, answer.usage)
        return answer.output

    def _so_far(self) -> tuple[dict[str, Step], Spent]:
        """What the loop wrote down in this round, and what it used for it."""
        case = self.work.case
        with self.system.db.read() as tx:
            recorded = {
                step.name: step
                for step in steps.of_case(tx, case.id)
                if step.round == case.round and recollection.is_of_loop(step.name)
            }
            # Tries that gave nothing are written down under the step that the case is at.
            counted = {*recorded, case.step}
            used = [row for row in steps.usage_of(tx, case.id) if row.round == case.round and row.step in counted]
        spent = Spent()
        spent.paid(*used)
        longest: dict[str, float] = {}
        for name, step in recorded.items():
            # Look-ups of one turn were made at the same time.
            lot = name.partition(".")[0] + "." if recollection.is_look_up(name) else name
            longest[lot] = max(longest.get(lot, 0.0), (step.finished_at - step.started_at).total_seconds())
        spent.seconds = sum(longest.values())
        return recorded, spent


def _earlier(system: System, case: Case) -> list[dict[str, Any]]:
    """What was done or refused in earlier rounds, or may have been done, for the agent to know."""
    if case.round == 1:
        return []
    with system.db.read() as tx:
        return [
            {"kind": action.kind, "state": action.state, "sentence": action.sentence, "reason": action.reason}
            for action in actions.of_case(tx, case.id)
            if action.settled_at is not None or action.state in (ActionState.EXECUTING, ActionState.UNCERTAIN)
        ]


def _groundless(drafted: Draft, facts: Sequence[Fact], request: ModelRequest[Any]) -> list[str]:
    """Of citations that name nothing that was before the agent, a sentence each action. They are dropped when stored."""
    known = {name for fact in facts for name in (fact.ref, fact.name)}
    known |= {name for material in request.material for name in (material.ref, material.name)}
    return [
        f"{proposal.kind} cites what it was not given, which was dropped: {', '.join(strange)[:300]}."
        for proposal in drafted.actions
        if (strange := [citation[:80] for citation in proposal.citations if citation not in known])
    ]


def _identity(ref: str, data: Mapping[str, Any]) -> tuple[str, str]:
    """A record that was read twice and says the same is one fact."""
    return ref, written({key: data[key] for key in sorted(data)})


def _as_record(fact: Fact) -> Record:
    return Record(fact.ref, fact.kind, fact.title, fact.data, fact.version, fact.trusted, fact.url)

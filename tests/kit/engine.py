"""A whole system for engine tests: real store, real pipeline, real policy; a scripted model and a house in memory.

Hints are kept in a list and worked off by `drain`, in this thread and in order, so that a test decides when what happens.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from integrations.base import EventType, InboundEvent
from integrations.models.base import ModelAnswer, ModelRequest, ToolCall, ToolUse, Usage
from integrations.registry import Readers, Writers
from policies.loader import load
from tests.kit.house import House
from tests.kit.migrated import forgetful, migrate
from workers import execute, pipeline
from workers.agents.asking import Answer
from workers.agents.base import Agent, Source, Triage
from workers.inbox import service
from workers.inbox.words import Choice, Word
from workers.intake.receive import Provenance, receive
from workers.lease import Leases
from workers.rulebook.book import Fixed
from workers.settings import SHIPPED_POLICY, Settings
from workers.store import actions, cases, people
from workers.store.database import Database
from workers.store.records import Action, ActionState, Case, Person
from workers.wiring import System

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
POLICY = load(SHIPPED_POLICY)


class TinyTriage(Triage):
    intent: Literal["refund_request", "other"]
    sentiment: str = "neutral"


AGENT = Agent(
    domain="support",
    triage=TinyTriage,
    primary="intent",
    sources=(
        Source("ticket", lambda q: [q.readers.find("house", House).ticket(q.subject_id)], needed=True),
        Source("customer", lambda q: [q.readers.find("house", House).customer("ana@example.com")], needed=True),
        Source("charge", lambda q: [q.readers.find("house", House).charge("ch_1")]),
    ),
    kinds=("refund_payment", "reply_to_customer", "escalate_ticket", "add_tags", "close_ticket", "request_documents"),
)

SURE = {
    "summary": "Wants money back",
    "language": "en",
    "risk_flags": [],
    "confidence": {"intent": 0.95},
    "abstain": False,
    "intent": "refund_request",
}


PLAN = {
    "goal": "Ana gets what is hers.",
    "steps": [{"what": "What else was paid", "tool": "find_charge", "why": "It may be the wrong charge"}],
    "would_change": "A second charge for the same order",
}


FINDING = {
    "finding": "The charge does not look stolen.",
    "confidence": 0.8,
    "citations": ["house:charge:ch_1"],
    "unsure": None,
}


def call(name: str, /, *, id: str = "call_1", **arguments: Any) -> ToolCall:  # noqa: A002 - the provider's word
    return ToolCall(id, name, arguments)


def refund(amount: int = 4000, charge: str = "ch_1", confidence: float = 0.95) -> dict[str, Any]:
    arguments = {"charge_id": charge, "amount_minor": amount, "currency": "EUR", "reason": "damaged"}
    return _proposal("refund_payment", arguments, confidence)


def reply(body: str = "Hello Ana, we are on it.") -> dict[str, Any]:
    return _proposal("reply_to_customer", {"body": body}, 0.95)


def documents() -> dict[str, Any]:
    arguments = {"to": "ana@example.com", "subject": "Papers", "body": "Please send us a copy."}
    return _proposal("request_documents", arguments, 0.95)


def escalate() -> dict[str, Any]:
    return _proposal("escalate_ticket", {"team": "leads", "note": "Please look."}, 0.95)


def tags() -> dict[str, Any]:
    return _proposal("add_tags", {"tags": ["refund"]}, 0.95)


def _proposal(kind: str, arguments: Mapping[str, Any], confidence: float) -> dict[str, Any]:
    return {
        "kind": kind,
        "arguments": arguments,
        "rationale": "The records say so.",
        "citations": ["house:charge:ch_1"],
        "confidence": confidence,
    }


class Clock:
    """Time as the test says."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def on(self, **delta: float) -> None:
        self.now += timedelta(**delta)


@dataclass
class ScriptedModel:
    """Answers from a script and counts what it was asked; `faults` are raised first. With `turns` it uses tools: each is
    the calls that it asks for, and after the last it drafts."""

    triage: dict[str, Any] = field(default_factory=lambda: dict(SURE))
    drafts: list[list[dict[str, Any]]] = field(default_factory=lambda: [[refund(), reply()]])
    faults: list[Exception] = field(default_factory=list)
    asked: list[ModelRequest[Any]] = field(default_factory=list)
    during: Callable[[], None] = lambda: None
    provider: str = "scripted"
    name: str = "script-1"
    turns: list[list[ToolCall]] = field(default_factory=list)
    #: what agents ask for, by their domain, that answer another's question
    asks: dict[str, list[list[ToolCall]]] = field(default_factory=dict)
    finding: dict[str, Any] = field(default_factory=lambda: dict(FINDING))
    plan: dict[str, Any] = field(default_factory=lambda: dict(PLAN))
    uses_tools: bool = False
    #: what one call costs, in US dollars
    price: Decimal | None = None

    def turn(self, request: ModelRequest[Any]) -> ModelAnswer[Any] | ToolUse:
        turns = self.asks.get(request.domain, []) if issubclass(request.output, Answer) else self.turns
        if self.faults or len(request.turns) >= len(turns):
            return self.answer(request)
        self.asked.append(request)
        self.during()
        return ToolUse(tuple(turns[len(request.turns)]), self.usage, text="Let me look.")

    def answer(self, request: ModelRequest[Any]) -> ModelAnswer[Any]:
        self.asked.append(request)
        if self.faults:
            raise self.faults.pop(0)
        self.during()
        if request.task == "triage":
            output = request.output.model_validate(self.triage)
        elif issubclass(request.output, Answer):
            output = request.output.model_validate(self.finding)
        elif request.task == "plan":
            output = request.output.model_validate(self.plan)
        elif request.task == "summarise":
            output = request.output.model_validate({"text": "In short: nothing new."})
        else:
            actions = self.drafts.pop(0) if len(self.drafts) > 1 else self.drafts[0]
            output = request.output.model_validate({"summary": "A refund.", "actions": actions, "unsure": None})
        return ModelAnswer(output, self.usage)

    @property
    def usage(self) -> Usage:
        return Usage(self.provider, self.name, 10, 5, 0, 0, 1, self.price, "req_1", "end_turn")

    def tasks(self) -> list[str]:
        """What it was asked, in order; a turn after look-ups counts them."""
        return [f"{r.task}+{len(r.turns)}" if r.turns else r.task for r in self.asked]


class Hints:
    """What would have been published."""

    def __init__(self) -> None:
        self.waiting: list[tuple[str, str]] = []
        #: what came with a hint: whoever carries an action out at once begins with that
        self.known: dict[str, Any] = {}
        self.lock = threading.Lock()

    def case(self, case_id: str, domain: str) -> None:
        with self.lock:
            self.waiting.append(("case", case_id))

    #: whether an action is begun with its decision (`Engine.begins_at_once`)
    begins_here: Callable[[Any], bool] = staticmethod(lambda _snapshot: False)

    def action(self, action_id: str, known: Any = None) -> None:
        with self.lock:
            self.known[action_id] = known
            self.waiting.append(("action", action_id))

    def approving(self, action_id: str) -> bool:
        return False

    def warm_up(self) -> None:
        pass

    def depth(self, target: str) -> int:
        return 0

    def backlog(self) -> int:
        return len(self.waiting)

    def close(self, timeout: float = 0) -> None:
        pass


@dataclass
class Engine:
    """The system under test with its knobs."""

    system: System
    house: House
    model: ScriptedModel
    clock: Clock
    hints: Hints
    writers: Writers

    def alert(self) -> Any:
        """An event for the transactions domain."""
        return self.event(type=EventType.CHARGE_FLAGGED)

    def event(self, delivery: str = "d1", ticket: str = "7", text: str = "My order is broken", **changes: Any) -> Any:
        event = InboundEvent(
            source="house",
            delivery_id=delivery,
            type=changes.pop("type", EventType.TICKET_CREATED),
            vendor_type="ticket",
            subject=f"house:ticket:{ticket}",
            occurred_at=self.clock(),
            data=changes.pop(
                "data", {"title": "Broken", "text": text, "ticket_id": ticket, "requester_email": "ana@example.com"}
            ),
        )
        return receive(self.system, [event], Provenance(door="test", raw=text.encode(), **changes))

    def drain(self, limit: int | None = None) -> None:
        """Work off hints until there are none, or only so many."""
        patience = 200 if limit is None else limit
        while self.hints.waiting and patience:
            kind, row = self.hints.waiting.pop(0)
            patience -= 1
            if kind == "case":
                pipeline.advance(self.system, row)
            else:
                execute.carry_out(self.system, self.writers, row, snapshot=self.hints.known.pop(row, None))
        assert patience or limit, "the system goes round in circles"

    def begins_at_once(self) -> None:
        """From now on whoever decides an action is at hand to carry it out, as in a worker of both queues."""
        self.hints.begins_here = lambda snapshot: execute.may_begin(self.system, self.writers, snapshot)

    def sweep(self) -> None:
        """What the sweeper does, then the work."""
        with self.system.db.read() as tx:
            self.hints.waiting += [("case", i) for i, _ in cases.due(tx, self.clock(), 100)]
            self.hints.waiting += [("action", i) for i in actions.due(tx, self.clock(), 100)]
        self.drain()

    def case(self) -> Case:
        with self.system.db.read() as tx:
            return cases.listing(tx, limit=1)[0]

    def actions(self, kind: str | None = None) -> list[Action]:
        with self.system.db.read() as tx:
            return [a for a in actions.of_case(tx, self.case().id) if kind in (None, a.kind)]

    def action(self, kind: str) -> Action:
        return self.actions(kind)[-1]

    def person(self, name: str = "ana", groups: tuple[str, ...] = ("support", "lead", "finance", "risk")) -> Person:
        with self.system.db.write() as tx:
            known = people.by_email(tx, f"{name}@firm.example")
            return known or people.add(
                tx,
                email=f"{name}@firm.example",
                name=name.title(),
                password_hash="-",
                groups=groups,
                now=self.clock(),
            )

    def decide(self, action: Action, word: str = "approve", *, by: Person | None = None, **more: Any) -> Action:
        seen = {"revision": action.revision, "digest": action.digest, "state": ActionState(action.state), **more}
        choice = Choice(Word(word), **seen)
        return service.decide(self.system, by or self.person(), action.id, choice)


def make_engine(folder: Path, *, url: str | None = None, busy_seconds: float = 120.0) -> Engine:
    clock, hints, house, model = Clock(), Hints(), House(), ScriptedModel()
    settings = Settings(_env_file=None, data=folder, lease_seconds=60)
    db = Database(url or f"sqlite:///{folder / 'engine.db'}", connections=30, busy_seconds=busy_seconds)
    forgetful(db)
    migrate(db)
    system = System(
        settings=settings,
        db=db,
        clock=clock,
        # A machine that stands still while a test runs is no process that was stopped before it could send.
        monotonic=lambda: clock().timestamp(),
        rulebook=Fixed(POLICY),
        agents={"support": AGENT, "transactions": replace(AGENT, domain="transactions")},
        readers=Readers({"house": house}),
        model=model,
        app=None,
        hints=hints,
        leases=Leases(db, clock, lease=timedelta(hours=1), longest=timedelta(hours=2)),
        worker="test:1",
    )
    return Engine(system, house, model, clock, hints, Writers({"house": house}))

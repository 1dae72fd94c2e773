"""A house in which people decide about tickets day by day, for what earned autonomy promises: the shipped policy, kept in the
database and changed through it, and a seeded run of days.

Every ticket asks for something, so the shipped policy has a person look at each closing; tickets come from many customers.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from integrations.base import EventType, InboundEvent
from policies import loader
from tests.kit.engine import Engine, make_engine
from tests.kit.governing import govern
from workers.autonomy.background import AutonomyPass
from workers.intake.receive import Provenance, receive
from workers.learning.collect import collect
from workers.settings import SHIPPED_POLICY
from workers.store import autonomy, people
from workers.store.database import Tx
from workers.store.records import Action

NAMES = ("ana", "ben", "cleo")
CLOSE = {
    "kind": "close_ticket",
    "arguments": {},
    "rationale": "It is settled.",
    "citations": ["house:ticket:7"],
    "confidence": 0.93,
}
ESCALATE = {
    "kind": "escalate_ticket",
    "arguments": {"team": "leads", "note": "It is not."},
    "rationale": "It came back.",
    "citations": ["house:ticket:7"],
    "confidence": 0.93,
}


THRESHOLDS = "{lower_bound: 0.95, confidence: 0.95, min_decisions: 100, max_reversal_rate: 0.05, alpha: 0.05}"


@dataclass
class World:
    """The engine, its people, and what they did."""

    engine: Engine
    tickets: int = 0
    #: (ticket, action) of what was closed
    closed: list[tuple[str, str]] = field(default_factory=list)

    def ticket(self, **draft: Any) -> Action:
        """One ticket, worked until it waits or is done: its newest action."""
        self.tickets += 1
        return self.arrives(str(self.tickets), **draft)

    def arrives(self, ticket: str, *, draft: dict[str, Any] = CLOSE) -> Action:
        self.engine.clock.on(seconds=30)
        self.engine.model.drafts = [[draft]]
        event = InboundEvent(
            source="house",
            delivery_id=f"d{self.engine.clock():%j-%H%M%S}-{ticket}",
            type=EventType.TICKET_CREATED,
            vendor_type="ticket",
            subject=f"house:ticket:{ticket}",
            occurred_at=self.engine.clock(),
            data={
                "title": "Parcel",
                "text": "Where is my parcel?",
                "ticket_id": ticket,
                "requester_email": f"customer{int(ticket) % 97}@example.com",
            },
        )
        receive(self.engine.system, [event], Provenance(door="test", raw=event.delivery_id.encode()))
        self.engine.drain()
        return self.engine.actions()[-1]

    def decided(self, word: str = "approve", **draft: Any) -> Action:
        """One ticket that people decide, in turn."""
        action = self.ticket(**draft)
        assert action.state == "pending", action.verdict
        who = NAMES[self.tickets % len(NAMES)]
        reason = {} if word == "approve" else {"reason": "There is more to do."}
        self.engine.decide(action, word, by=self.engine.person(who), **reason)
        self.engine.drain()
        return action

    def days(self, count: int, a_day: int, *, refused: frozenset[int] = frozenset()) -> None:
        """So many days with so many tickets each; those whose number is among `refused` are turned down."""
        for _ in range(count):
            for _ in range(a_day):
                self.decided("reject" if self.tickets + 1 in refused else "approve")
            self.engine.clock.on(hours=23)

    def remember(self, count: int, *, a_day: int = 8, refused: frozenset[int] = frozenset(), **facts: Any) -> None:
        """So many decisions that people made over the days before now, each like one that they really make here first."""
        self.decided()
        self.autonomy_pass()
        now = self.engine.clock()
        with self.engine.system.db.write() as tx:
            (like,) = autonomy.decided(tx, "support", "close_ticket", now - timedelta(hours=1), 1)
            who = [self.engine_person(tx, name) for name in NAMES]
            autonomy.keep(
                tx,
                [
                    {
                        "id": f"act_{number:06}",
                        "case_id": f"case_{number:06}",
                        "customer": f"customer{number % 97}@example.com",
                        "domain": "support",
                        "kind": "close_ticket",
                        "person_id": who[number % len(who)],
                        "verdict": "rejected" if number in refused else "approved",
                        "facts": {**like.facts, **facts},
                        "decided_at": now - timedelta(days=(count - number) // a_day, minutes=count - number),
                        "fate": "" if number in refused else "done",
                    }
                    for number in range(1, count)
                ],
            )

    def engine_person(self, tx: Tx, name: str) -> str:
        known = people.by_email(tx, f"{name}@firm.example")
        made = known or people.add(
            tx,
            email=f"{name}@firm.example",
            name=name.title(),
            password_hash="-",
            groups=("support", "lead", "finance", "risk"),
            now=self.engine.clock(),
        )
        return made.id

    def comes_back(self, ticket: str) -> None:
        """The customer writes again about a ticket that was closed, and people had to take it on."""
        self.arrives(ticket, draft=ESCALATE)

    def autonomy_pass(self) -> None:
        collect(self.engine.system)
        AutonomyPass(self.engine.system).run()


def make_world(folder: Path, *, url: str | None = None, now: datetime | None = None) -> World:
    engine = make_engine(folder, url=url)
    engine.clock.now = now or engine.clock.now
    rules = folder / "rules"
    shutil.copytree(SHIPPED_POLICY, rules)
    platform = rules / "platform.yaml"
    platform.write_text(re.sub(r"(?m)^autonomy: .*$", f"autonomy: {THRESHOLDS}", platform.read_text()))
    return World(govern(engine, rules))


#: what closes tickets by itself as if it had been earned, without a look at any
EARNED = """
bundle: earned-support
version: 1
layer: agent
domain: support
enforcement: enforce
rules:
  - id: close-ticket-1
    actions: [close_ticket]
    when: asks_for_something
    outcome: allow
    message: People always said yes
    obligations: {obligations}
waivers:
  - id: close-ticket-1-1
    rule: support/close-unsettled
    when: 'asks_for_something && !("rule:earned-support/close-ticket-1" in thrown_switches)'
    until: "2036-01-01T00:00:00Z"
    owner: person:ana@firm.example
    reason: People always said yes
"""


def running(folder: Path, *, url: str | None = None, sample: float | None = None, minutes: int = 0) -> World:
    """A world in which closing a ticket was earned; of what it lets through `sample` per cent are looked at, and the rest cools
    off for so many minutes."""
    engine = make_engine(folder, url=url)
    obliged = "[]" if sample is None else f"[{{kind: sample, percent: {sample}, role: support}}]"
    if minutes:
        obliged = f"[{{kind: delay, minutes: {minutes}}}]"
    files = {path.name: path.read_text() for path in SHIPPED_POLICY.glob("*.yaml") if ".test" not in path.name}
    policy = loader.loads({**files, "earned-support.yaml": EARNED.format(obligations=obliged)}, run_tests=False)
    engine.system = engine.system.under(policy)
    return World(engine)

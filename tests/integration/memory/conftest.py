"""The engine with memory beside its readers, on both databases."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from tests.kit.engine import Engine, tags
from workers.agents.remembered import MEMORY, NAME
from workers.memory.recalling import Recall, WithMemory
from workers.memory.remembering import remember
from workers.memory.terms import Terms
from workers.store import memories, steps
from workers.store.memories import Memory

EVERYWHERE = ("support", "lead", "finance", "risk", "risk_lead")


@dataclass
class Remembering:
    """An engine whose agents have the source `memory`, and what tests ask of it."""

    engine: Engine
    terms: Terms

    def __post_init__(self) -> None:
        system = self.engine.system
        agents = {domain: replace(agent, sources=(*agent.sources, MEMORY)) for domain, agent in system.agents.items()}
        recall = Recall(system.db, self.terms, system.clock)
        self.engine.system = replace(system, agents=agents, readers=WithMemory(system.readers, recall))

    @property
    def db(self):
        return self.engine.system.db

    def closed(self, ticket: str, *drafts, text: str = "My order is broken", word: str = "approve", **choice):
        """A case from its event to its end, every action decided alike; its id."""
        self.engine.model.drafts = [list(drafts) or [tags()]]
        self.engine.event(delivery=f"d{ticket}", ticket=ticket, text=text)
        self.engine.drain()
        case = self.engine.case()
        self.decided(word, **choice)
        assert self.engine.case().closed_at is not None
        self.engine.clock.on(minutes=1)
        return case.id

    def decided(self, word: str = "approve", **choice) -> None:
        """Everything that waits for people, by as many of them as it takes."""
        for name in ("ana", "ben", "cleo"):
            for action in self.engine.actions():
                if action.state == "pending":
                    self.engine.decide(action, word, by=self.engine.person(name, EVERYWHERE), **choice)
                    self.engine.drain()
                    if word != "approve":
                        break
        self.engine.clock.on(minutes=5)
        self.engine.sweep()

    def learn(self) -> int:
        return remember(self.db, self.terms, self.engine.clock)

    def of(self, key: str = "ana@example.com", kind: str = "customer") -> list[Memory]:
        return memories.about(self.db, kind, key, self.engine.clock())

    def ever(self, key: str = "ana@example.com", kind: str = "customer") -> list[Memory]:
        with self.db.read() as tx:
            return memories.history(tx, kind, key)

    def gathered(self):
        """What the newest case was told from memory."""
        case = self.engine.case()
        with self.db.read() as tx:
            return [fact for fact in steps.facts_of(tx, case.id, up_to_round=case.round) if fact.name == NAME]


@pytest.fixture
def house(engine):
    return Remembering(engine, Terms())

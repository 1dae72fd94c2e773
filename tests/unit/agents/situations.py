"""Situations for tests of drafts: what was written, what is on record, what triage said, and what must come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shop_in_memory import Event, Gathered, Shop, gather, ticket_event, with_ticket

from integrations.models.base import ModelRequest
from integrations.models.extract import entities
from integrations.models.local import LocalModel
from integrations.models.macros import draft
from workers.agents.base import Agent, Draft
from workers.agents.origins import Evidence


@dataclass(frozen=True)
class Situation:
    """`macro` is the way of working that must apply, `kinds` what it must propose, `says` what its texts must say."""

    macro: str
    kinds: Sequence[str]
    triage: Mapping[str, Any] = field(default_factory=dict)
    text: str = "Hello, about my order."
    shop: Shop = field(default_factory=Shop)
    event: Event | None = None
    instruction: str | None = None
    history: Sequence[Mapping[str, Any]] = ()
    says: Sequence[str] = ()
    never: Sequence[str] = ()

    def asked(self, agent: Agent, *, language: str = "en") -> tuple[ModelRequest[Draft], Gathered, Event]:
        """The draft request that the pipeline would make."""
        event = self.event or ticket_event(self.text)
        triage = {
            "summary": "Somebody wants something.",
            "language": language,
            "risk_flags": [],
            "entities": entities(self.text).model_dump(mode="json"),
            "confidence": {agent.primary: 0.93},
            "abstain": False,
            "sentiment": "neutral",
            "primary_field": agent.primary,
            **self.triage,
        }
        shop = with_ticket(self.shop, event) if agent.domain == "support" else self.shop
        found = gather(agent, shop, [event], triage)
        return agent.ask_draft([event], triage, found.facts, self.instruction, self.history), found, event

    def drafted(self, agent: Agent, *, language: str = "en") -> tuple[Draft, str, Evidence]:
        """What the local model drafts, the macro that applied, and the evidence that texts are compared with."""
        request, found, event = self.asked(agent, language=language)
        made = LocalModel().answer(request).output
        applied = next((m.name for m in request.macros if draft((m,), request.material) is not None), "")
        facts = found.facts
        evidence = Evidence.of(
            trusted=[[fact.data, fact.ref] for fact in facts if fact.trusted],
            untrusted=[event.data, *(fact.data for fact in facts if not fact.trusted)],
        )
        return made, applied, evidence


def arguments(made: Draft, kind: str) -> dict[str, Any]:
    """The arguments of the one proposal of a kind, as JSON."""
    (found,) = [action for action in made.model_dump(mode="json")["actions"] if action["kind"] == kind]
    return dict(found["arguments"])


def spoken(made: Draft) -> str:
    """Everything that would leave the house."""
    texts = [action["arguments"] for action in made.model_dump(mode="json")["actions"]]
    return "\n".join(f"{text.get('subject', '')}\n{text['body']}" for text in texts if "body" in text)

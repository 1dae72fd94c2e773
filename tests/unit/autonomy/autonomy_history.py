"""A year of decisions about closing tickets, made up: nearly every one a plain yes, by three people, about many customers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from policies import loader
from policies.loader import SHIPPED
from workers.actions.catalogue import CATALOGUE
from workers.autonomy.finding import find
from workers.store.autonomy import Decided

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
POLICY = loader.load(SHIPPED, run_tests=False)
CLOSE = CATALOGUE["close_ticket"]
FACTS = {
    "action_kind": "close_ticket",
    "domain": "support",
    "risk": "low",
    "reversible": True,
    "delivery": "idempotent",
    "occurred_at": "2026-11-01T12:00:00Z",
    "target_is_record": True,
    "intent": "delivery_status",
    "sentiment": "neutral",
    "triage_confidence": 0.91,
    "draft_confidence": 0.9,
    "abstained": False,
    "has_customer": True,
    "customer_verified": True,
}


def decided(number, verdict="approved", *, fate="done", person=None, customer=None, age=None, **facts):
    days = (400 - number) / 8 if age is None else age
    return Decided(
        id=f"act_{number}",
        case_id=f"case_{number}",
        customer=customer or f"customer{number % 80}@example.com",
        domain="support",
        kind="close_ticket",
        person_id=person or f"person_{number % 3}",
        verdict=verdict,
        facts={**FACTS, **facts},
        decided_at=NOW - timedelta(days=days),
        fate=fate,
    )


def good(count=320, **more):
    return [decided(number, **more) for number in range(400 - count, 400)]


def found(history, kind=CLOSE, policy=POLICY):
    return find(policy, "support", kind, history, NOW)

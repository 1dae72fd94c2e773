"""What is remembered of the customer or topic of a case, for its page. Reads only."""

from __future__ import annotations

from workers.agents.remembered import customer_key, topic_key
from workers.inbox.timeline import Life
from workers.store import memories
from workers.store.memories import Memory
from workers.wiring import System

MOST_SHOWN = 20


def remembered(system: System, life: Life) -> list[Memory]:
    """Newest first, what a stranger claimed too: people should see what an agent is told, and as what."""
    about = _about(life)
    return memories.about(system.db, *about, system.clock(), MOST_SHOWN) if about is not None else []


def _about(life: Life) -> tuple[str, str] | None:
    keywords = [entry.data["data"].get("keyword") for entry in life.entries if entry.kind == "event"]
    if keyword := next((word for word in reversed(keywords) if word), None):
        return "topic", topic_key(str(keyword))
    record = next((fact for fact in life.facts if fact.name == "customer" and fact.trusted), None)
    address = (record.data.get("email") if record is not None else None) or life.case.customer
    return ("customer", customer_key(str(address))) if address else None

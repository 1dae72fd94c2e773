"""What the world of the proof looks like: tickets, charges, customers, and what the model says of them.

Pure: everything follows from a ticket's number, so that the harness knows beforehand what may run without a person.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

SYSTEM = "sample"
REFUND_MINOR = 2000
KINDS = ("refund_payment", "reply_to_customer", "request_documents")


def number(ref: str) -> str:
    """The ticket's number, which every ref ends in."""
    found = re.search(r"(\d+)(@example\.com)?$", ref)
    assert found is not None, ref
    return found[1]


def sure(ticket: str, kind: str) -> bool:
    """Whether the policy lets it run by itself: for about half of everything."""
    return hashlib.sha256(f"{ticket} {kind}".encode()).digest()[0] % 2 == 0


def record(ref: str) -> dict[str, Any]:
    """A record's data; `ref` is ``sample:ticket:7`` and the like."""
    n, noun = number(ref), ref.split(":")[1]
    email = f"c{n}@example.com"
    if noun == "ticket":
        return {"ticket_id": n, "requester_email": email, "status": "open", "messages": []}
    if noun == "customer":
        return {
            "customer_id": f"cus_{n}",
            "name": f"Customer {n}",
            "email": email,
            "tier": "standard",
            "vip": False,
            "verified": True,
            "created_at": "2024-01-01T00:00:00+00:00",
            "refunds_count_90d": 0,
            "refunds_minor_90d": 0,
        }
    return {
        "charge_id": f"ch_{n}",
        "customer_id": f"cus_{n}",
        "amount_minor": 10_000,
        "refundable_minor": 10_000,
        "suggested_minor": REFUND_MINOR,
        "currency": "EUR",
        "status": "succeeded",
        "created_at": "2026-11-01T00:00:00+00:00",
    }


def model_answer(body: dict[str, Any]) -> Any:
    """What the model says: triage, or the three actions of a ticket, less what its history says is done."""
    text = json.dumps(body["messages"], ensure_ascii=False)
    found = re.search(r"ticket T-(\d+)", text)
    n = found[1] if found else "0"
    if "actions" not in json.dumps(body["output_config"]):
        return {
            "summary": f"About ticket {n}",
            "language": "en",
            "risk_flags": [],
            "abstain": False,
            "intent": "refund_request",
            "confidence": {"intent": 0.95},
        }
    done = _done(body["messages"][0]["content"])
    proposed = [proposal(n, kind) for kind in KINDS if kind not in done]
    return {"summary": "What to do", "unsure": None, "actions": proposed or [proposal(n, "reply_to_customer")]}


def proposal(n: str, kind: str) -> dict[str, Any]:
    arguments: dict[str, dict[str, Any]] = {
        "refund_payment": {
            "charge_id": f"ch_{n}",
            "amount_minor": REFUND_MINOR,
            "currency": "EUR",
            "reason": f"torn {n}",
        },
        "reply_to_customer": {"body": f"Hello, about ticket {n}: we are on it."},
        "request_documents": {"to": f"c{n}@example.com", "subject": f"Papers {n}", "body": "Please send a copy."},
    }
    return {
        "kind": kind,
        "arguments": arguments[kind],
        "rationale": "The records say so.",
        "citations": [],
        "confidence": 0.95 if sure(n, kind) else 0.6,
    }


def _done(content: Any) -> set[str]:
    """Kinds that the history in the prompt shows as done or under way."""
    text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
    _, _, history = text.partition("## history")
    items = re.findall(r'"kind": "(\w+)",\s*"state": "(\w+)"', history)
    return {kind for kind, state in items if state in ("done", "executing", "uncertain")}

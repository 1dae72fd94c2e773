"""What travels: signed webhooks of 1.5 KB, the model's two answers, and the charge, all made from a case's marker.

A marker is ``a17`` (small enough for the policy to allow) or ``r17`` (a person must approve); it runs through ticket,
charge and idempotency key, so that everything seen from outside can be told case by case. Standard library only: the
peers' environment has nothing of ours.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

BODY_BYTES = 1500
#: below and above the amount that the shipped policy lets pass by itself
AMOUNTS = {"a": 2000, "r": 4000}
CUSTOMERS = 5000
TRIAGE_ROOM = 1024
DRAFT_ROOM = 4096

_WORDS = "My tent arrived with a broken pole, and the rain came in. I would like my money back, please. "


def delivery(secret: str, marker: str, *, host: str, path: str) -> bytes:
    """One whole HTTP request: a Standard Webhooks delivery of a new ticket."""
    number = int(marker[1:])
    said = f"It was paid with charge ch_{marker}. "
    data = {
        "ticket_id": marker,
        "title": "Broken tent pole",
        "text": "",
        "requester_email": customer_email(number),
        "requester_name": "Ana Diaz",
        "channel": "web",
    }
    event = {"id": f"msg_{marker}", "type": "ticket.created", "occurred_at": "2026-11-20T12:00:00Z", "data": data}
    room = BODY_BYTES - len(json.dumps(event))
    data["text"] = (said + _WORDS * 20)[:room]
    body = json.dumps(event).encode()
    stamp = str(int(time.time()))
    mac = hmac.digest(key_of(secret), f"msg_{marker}.{stamp}.".encode() + body, "sha256")
    return (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"User-Agent: bench/1\r\nwebhook-id: msg_{marker}\r\nwebhook-timestamp: {stamp}\r\n"
        f"webhook-signature: v1,{base64.b64encode(mac).decode()}\r\n\r\n"
    ).encode() + body


def key_of(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"))


def is_authentic(key: bytes, message_id: str, stamp: str, body: bytes, signature: str) -> bool:
    """What a peer's door checks, as the scheme asks: the MAC over id, time and raw body, and the time's age."""
    if abs(time.time() - int(stamp)) > 300:
        return False
    mac = hmac.new(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return hmac.compare_digest(b"v1," + base64.b64encode(mac), signature.encode())


def customer_email(number: int) -> str:
    return f"c{number % CUSTOMERS}@example.com"


def customer_id(number: int) -> str:
    return f"cus_{number % CUSTOMERS:05}"


def charge(marker: str) -> dict[str, Any]:
    return {
        "charge_id": f"ch_{marker}",
        "customer_id": customer_id(int(marker[1:])),
        "amount_minor": AMOUNTS[marker[0]],
        "refundable_minor": AMOUNTS[marker[0]],
        "shipping_minor": 500,
        "currency": "EUR",
        "status": "succeeded",
        "created_at": "2026-11-01T00:00:00+00:00",
        "card_brand": "visa",
        "card_last4": "4242",
        "risk_score": 12,
    }


def triage_answer() -> dict[str, Any]:
    return {
        "summary": "A tent arrived with a broken pole; the customer wants the money back.",
        "language": "en",
        "risk_flags": [],
        "confidence": {"intent": 0.96, "sentiment": 0.9, "urgency": 0.9},
        "abstain": False,
        "intent": "refund_request",
        "sentiment": "negative",
        "urgency": "normal",
    }


def draft_answer(marker: str) -> dict[str, Any]:
    arguments = {
        "charge_id": f"ch_{marker}",
        "amount_minor": AMOUNTS[marker[0]],
        "currency": "EUR",
        "reason": "Arrived damaged",
    }
    proposal = {
        "kind": "refund_payment",
        "arguments": arguments,
        "rationale": "The pole was broken on arrival; the charge is this customer's and can still be refunded.",
        "citations": [f"sample:charge:ch_{marker}"],
        "confidence": 0.95,
    }
    return {"summary": "Refund the tent that arrived damaged.", "actions": [proposal], "unsure": None}


def message(text: dict[str, Any]) -> bytes:
    """An answer of the Messages API."""
    return json.dumps(
        {
            "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": [{"type": "text", "text": json.dumps(text)}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {
                "input_tokens": 900,
                "output_tokens": 120,
                "cache_read_input_tokens": 2048,
                "cache_creation_input_tokens": 0,
            },
        }
    ).encode()

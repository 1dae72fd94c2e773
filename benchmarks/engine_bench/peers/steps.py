"""The steps that every peer runs, without an engine: the same model calls, look-ups, rules and effect as Caseworker's.

Instructions and schemas come from the run, to the byte what Caseworker sends; the material is laid out alike.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import anthropic

from engine_bench.deliveries import DRAFT_ROOM, TRIAGE_ROOM
from engine_bench.outside import Crm, Payments

MODEL = "claude-sonnet-4-5"


@cache
def client() -> anthropic.Anthropic:
    return anthropic.Anthropic(max_retries=0, timeout=60.0)


@cache
def crm() -> Crm:
    return Crm(os.environ["BENCH_DSN"])


@cache
def payments() -> Payments:
    return Payments(os.environ["BENCH_WORLD"])


@cache
def asked() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(os.environ["BENCH_ASKED"]).read_text())
    return found


def classify(event: dict[str, Any]) -> dict[str, Any]:
    return _ask("triage", TRIAGE_ROOM, {"event": event})


def gather(event: dict[str, Any]) -> dict[str, Any]:
    customer = crm().customer(event["requester_email"])
    charge = payments().charge(f"ch_{event['ticket_id']}")
    return {"customer": customer, "charge": charge}


def draft(event: dict[str, Any], triage: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    return _ask("draft", DRAFT_ROOM, {"event": event, "triage": triage, **facts, "house": asked()["house"]})


def may_run(triage: dict[str, Any], facts: dict[str, Any], drafted: dict[str, Any]) -> bool:
    """The shipped policy's rules for a small refund, as plain code."""
    action, charge, customer = drafted["actions"][0], facts["charge"], facts["customer"]
    amount = action["arguments"]["amount_minor"]
    return bool(
        0 < amount <= 2500
        and action["arguments"]["currency"] == charge["currency"]
        and amount <= charge["refundable_minor"]
        and action["arguments"]["charge_id"] == charge["charge_id"]
        and charge["customer_id"] == customer["customer_id"]
        and charge["status"] != "disputed"
        and customer["verified"]
        and customer["refunds_count_90d"] < 3
        and not triage["abstain"]
        and not triage["risk_flags"]
        and triage["confidence"]["intent"] >= 0.8
        and action["confidence"] >= 0.8
    )


def act(drafted: dict[str, Any], key: str) -> dict[str, Any]:
    return payments().refund(drafted["actions"][0]["arguments"], key)


def _ask(task: str, room: int, material: dict[str, Any]) -> dict[str, Any]:
    question = asked()[task]
    parts = [f"## {name}\n{json.dumps(data, ensure_ascii=False, indent=1)}" for name, data in material.items()]
    answer = client().messages.create(
        model=MODEL,
        max_tokens=room,
        system=[{"type": "text", "text": question["system"], "cache_control": {"type": "ephemeral"}}],
        messages=[{"role": "user", "content": "\n\n".join(parts)}],
        output_config={"format": {"type": "json_schema", "schema": question["schema"]}},
    )
    text = "".join(block.text for block in answer.content if block.type == "text")
    found: dict[str, Any] = json.loads(text)
    return found

"""Small policies for tests that need one rule to ask for exactly so much."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from policies.loader import load
from policies.rules import Policy

KINDS = ["refund_payment", "reply_to_customer", "request_documents", "escalate_ticket", "add_tags", "close_ticket"]


def asking(folder: Path, /, *, authority: Any = None, **rule: Any) -> Policy:
    """A policy with a single rule, a review of everything that asks for what is given."""
    bundle = {
        "bundle": "house",
        "version": 1,
        "layer": "platform",
        "enforcement": "enforce",
        "roles": ["support", "lead", "finance", "legal"],
        "actions": KINDS,
        "rules": [{"id": "ask", "actions": "*", "when": "true", "outcome": "review", "message": "It is asked", **rule}],
        **({"authority": authority} if authority is not None else {}),
    }
    home = folder / "rules"
    home.mkdir(exist_ok=True)
    (home / "house.yaml").write_text(json.dumps(bundle))
    return load(home, run_tests=False)

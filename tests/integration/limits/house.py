"""A house where refunds run by themselves within limits, and everything else is for people."""

from __future__ import annotations

import json
from typing import Any

from policies.loader import loads
from policies.rules import Policy
from tests.kit.engine import Engine, refund
from tests.kit.rules import KINDS
from workers.store import actions
from workers.store.records import Action


def bundle(*limits: dict[str, Any], outcome: str = "allow", **rule: Any) -> dict[str, Any]:
    """Refunds are allowed (or whatever `outcome` says), as far as these limits go."""
    return {
        "bundle": "house",
        "version": 1,
        "layer": "platform",
        "enforcement": "enforce",
        "roles": ["support", "lead", "finance"],
        "actions": KINDS,
        "rules": [
            {
                "id": "pay",
                "actions": ["refund_payment"],
                "when": "amount_minor > 0",
                "outcome": outcome,
                "message": "Refunds are fine",
                **rule,
            }
        ],
        "limits": [{"actions": ["refund_payment"], **limit} for limit in limits],
    }


def within(*limits: dict[str, Any], outcome: str = "allow", **rule: Any) -> Policy:
    """A policy of this one bundle."""
    return loads({"house.yaml": json.dumps(bundle(*limits, outcome=outcome, **rule))}, run_tests=False)


def a_day(minor: int | None = 10_000, over: str = "review", **more: Any) -> dict[str, Any]:
    """So much within 24 hours that roll."""
    amount = {"max_minor": minor, "currency": "EUR"} if minor is not None else {}
    return {"id": "a-day", "window_minutes": 1440, "over": over, **amount, **more}


def under(engine: Engine, policy: Policy) -> Engine:
    """The same engine with this policy in force."""
    engine.system = engine.system.under(policy)
    return engine


def asked(engine: Engine, minor: int, ticket: str) -> Action:
    """A case in which the agent proposes this refund, up to where the policy has spoken; its action as it is then."""
    engine.model.drafts = [[refund(minor, charge=f"ch_1{ticket}")]]
    engine.event(delivery=f"d{ticket}", ticket=ticket)
    waiting = engine.hints.waiting
    while any(kind == "case" for kind, _ in waiting):
        engine.drain(1) if waiting[0][0] == "case" else waiting.append(waiting.pop(0))
    return engine.action("refund_payment")


def fresh(engine: Engine, action: Action) -> Action:
    """The action as it is now."""
    with engine.system.db.read() as tx:
        found = actions.get(tx, action.id)
    assert found is not None
    return found

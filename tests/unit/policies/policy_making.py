"""Makes small policies and facts for the policy tests: each test states only what it is about."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from policies import engine, loader
from policies.rules import Policy
from policies.types import DecisionRecord, Facts

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

#: compiles and passes the trial on samples, fails on `FAILING`
FAILS = "1000 / (case_events - 7) > 0"
FAILING = {"case_events": 7}

ROLES = ("support", "lead", "finance")


def rule(name: str, outcome: str, when: str = "true", **more: Any) -> dict[str, Any]:
    return {"id": name, "actions": "*", "when": when, "outcome": outcome, "message": f"because of {name}", **more}


def bundle(name: str, *rules: dict[str, Any], layer: str = "platform", **more: Any) -> dict[str, Any]:
    made = {
        "bundle": name,
        "version": 1,
        "layer": layer,
        "enforcement": "enforce",
        "actions": ["refund_payment", "add_tags"],
        "rules": list(rules),
        **({"roles": list(ROLES)} if layer == "platform" else {}),
        **({"domain": "support"} if layer in {"domain", "agent"} else {}),
    }
    return made | more


def files(*bundles: dict[str, Any]) -> dict[str, str]:
    """The bundles as files; JSON is YAML."""
    return {f"{place}-{made['bundle']}.yaml": json.dumps(made) for place, made in enumerate(bundles)}


def policy(*bundles: dict[str, Any]) -> Policy:
    return loader.loads(files(*bundles), run_tests=False)


def raw(**changes: Any) -> dict[str, Any]:
    """Every fact of a small refund with nothing unusual about it, unchecked."""
    stated = {
        "action_kind": "refund_payment",
        "domain": "support",
        "risk": "high",
        "reversible": False,
        "delivery": "idempotent",
        "has_amount": True,
        "amount_minor": 2000,
        "currency": "EUR",
        "target_is_record": True,
        "target_of_customer": True,
        "record_arguments": ["amount_minor", "charge_id"],
        "intent": "refund",
        "triage_confidence": 0.95,
        "draft_confidence": 0.9,
        "abstained": False,
        "has_customer": True,
        "customer_verified": True,
        "has_charge": True,
        "charge_amount_minor": 4000,
        "charge_refundable_minor": 4000,
        "charge_currency": "EUR",
        "refund_is_due": True,
        "asks_for_something": False,
        "occurred_at": AT,
    }
    return {**Facts(**stated).model_dump(), **changes}


def facts(**changes: Any) -> Facts:
    return Facts.model_validate(raw(**changes))


def decide(made: Policy, **changes: Any) -> DecisionRecord:
    return engine.decide(made, facts(**changes), at=AT)


def outcome(made: Policy, **changes: Any) -> str:
    return decide(made, **changes).verdict.outcome.name.lower()


def approvers(record: DecisionRecord) -> dict[str, int]:
    return {requirement.role: requirement.n for requirement in record.verdict.requirements}

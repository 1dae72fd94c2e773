"""Fifty rules for eight kinds of action, each as a condition and as a Python function that says the same, and seeded facts."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from policies.types import Facts

KINDS = (
    "refund_payment",
    "credit_account",
    "reply",
    "close_case",
    "add_tags",
    "hold_charge",
    "change_address",
    "reorder",
)
AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
Holds = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Pair:
    """One rule twice."""

    id: str
    actions: tuple[str, ...]
    outcome: str
    when: str
    holds: Holds


def pairs() -> list[Pair]:
    made: list[Pair] = []
    for place in range(50):
        outcome, when, holds = _said(place % 10, 1 + place // 10)
        first = place % len(KINDS)
        # Some for every kind, the others for one.
        actions = ("*",) if place % 13 == 9 else (KINDS[first],)
        made.append(Pair(f"rule-{place:02}", actions, outcome, when, holds))
    return made


def _said(shape: int, step: int) -> tuple[str, str, Holds]:
    amount, most = 1_000 * step, 20_000 * step
    shapes: tuple[tuple[str, str, Holds], ...] = (
        (
            "allow",
            f'amount_minor <= {amount} && currency in ["EUR", "USD"] && triage_confidence >= 0.8 && size(risk_flags) == 0',
            lambda f: (
                f["amount_minor"] <= amount
                and f["currency"] in ("EUR", "USD")
                and f["triage_confidence"] >= 0.8
                and len(f["risk_flags"]) == 0
            ),
        ),
        (
            "review",
            f"amount_minor > {amount} && amount_minor <= {most}",
            lambda f: amount < f["amount_minor"] <= most,
        ),
        ("review", f"amount_minor > {most}", lambda f: bool(f["amount_minor"] > most)),
        (
            "deny",
            f"customer_refunds_90d >= {5 + step} && !customer_verified",
            lambda f: f["customer_refunds_90d"] >= 5 + step and not f["customer_verified"],
        ),
        (
            "review",
            f'"injection" in risk_flags && amount_minor > {amount}',
            lambda f: "injection" in f["risk_flags"] and f["amount_minor"] > amount,
        ),
        (
            "review",
            f'risk_flags.exists(flag, flag.startsWith("legal")) && case_events > {step}',
            lambda f: any(flag.startswith("legal") for flag in f["risk_flags"]) and f["case_events"] > step,
        ),
        ("notify", f"customer_vip && case_round > {step}", lambda f: f["customer_vip"] and f["case_round"] > step),
        (
            "review",
            f'abstained || draft_confidence < 0.{step} || sentiment == "very_negative"',
            lambda f: f["abstained"] or f["draft_confidence"] < step / 10 or f["sentiment"] == "very_negative",
        ),
        (
            "allow",
            f'intent.matches("^(question|thanks)") && !asks_for_something && case_events <= {step}',
            lambda f: (
                f["intent"].startswith(("question", "thanks"))
                and not f["asks_for_something"]
                and f["case_events"] <= step
            ),
        ),
        (
            "deny",
            f"charge_amount_minor + amount_minor > {10_000_000 * step} || text_has_secret",
            lambda f: f["charge_amount_minor"] + f["amount_minor"] > 10_000_000 * step or f["text_has_secret"],
        ),
    )
    return shapes[shape]


def files(made: list[Pair]) -> dict[str, str]:
    """The rules as a policy file."""
    rules = [
        {
            "id": pair.id,
            "actions": list(pair.actions),
            "when": pair.when,
            "outcome": pair.outcome,
            "message": "{amount} of {currency}: " + pair.id,
            **({"approvers": [{"role": "lead"}]} if pair.outcome == "review" else {}),
        }
        for pair in made
    ]
    bundle = {"bundle": "platform", "version": 1, "layer": "platform", "enforcement": "enforce", "rules": rules}
    return {"platform.yaml": json.dumps({**bundle, "roles": ["lead"], "actions": list(KINDS)})}


def by_kind(made: list[Pair]) -> dict[str, list[Pair]]:
    return {kind: [pair for pair in made if kind in pair.actions or "*" in pair.actions] for kind in KINDS}


def inputs(
    count: int, seed: int, *, kinds: tuple[str, ...] = KINDS, domain: str = "support"
) -> Iterator[dict[str, Any]]:
    """Every fact stated, as the pipeline does."""
    dice = random.Random(seed)
    usual = Facts(action_kind="x", domain="x", risk="low", reversible=True, delivery="idempotent", occurred_at=AT)
    for place in range(count):
        flags = dice.sample(("injection", "legal_threat", "abuse", "self_harm"), dice.choice((0, 0, 0, 1, 2)))
        amount = int(10 ** dice.uniform(2, 5.5))
        yield {
            **usual.model_dump(),
            "action_kind": dice.choice(kinds),
            "domain": domain,
            "has_amount": True,
            "amount_minor": amount,
            "currency": dice.choice(("EUR", "EUR", "USD", "GBP")),
            "target_system": "payments",
            "target_is_record": True,
            "record_arguments": ["amount_minor", "charge_id"],
            "intent": dice.choice(("refund_request", "question_billing", "thanks", "complaint")),
            "sentiment": dice.choice(("neutral", "negative", "very_negative", "positive")),
            "urgency": "normal",
            "language": "en",
            "risk_flags": sorted(flags),
            "triage_confidence": round(dice.uniform(0.5, 1), 4),
            "draft_confidence": round(dice.uniform(0.2, 1), 4),
            "abstained": dice.random() < 0.1,
            "model_provider": "local",
            "has_customer": True,
            "customer_id": f"cus_{dice.randint(1, 5_000)}",
            "customer_vip": dice.random() < 0.1,
            "customer_verified": dice.random() < 0.8,
            "customer_refunds_90d": dice.choice((0, 0, 1, 2, 8)),
            "has_charge": True,
            "charge_amount_minor": amount * 2,
            "charge_refundable_minor": amount * 2,
            "charge_currency": "EUR",
            "case_events": dice.randint(1, 6),
            "case_round": dice.randint(1, 4),
            "asks_for_something": dice.random() < 0.7,
            "occurred_at": AT - timedelta(minutes=place),
        }

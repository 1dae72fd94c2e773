"""The rules of a house that walks at random: small enough that a test can say by itself what they allow."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policies.loader import load
from policies.rules import Policy

KINDS = ["refund_payment", "reply_to_customer", "request_documents", "escalate_ticket", "add_tags", "close_ticket"]
#: of all refunds in a day, and how many
MOST_MINOR, MOST_TIMES, WINDOW_MINUTES = 9_000, 4, 1440


@dataclass(frozen=True)
class House:
    """A policy, and in plain numbers what it says of a refund: up to `alone` by itself, above `never` not at all."""

    name: str
    policy: Policy
    alone: int
    never: int
    #: who has to say yes to the rest: stages of roles
    stages: tuple[tuple[str, ...], ...]


def house(
    folder: Path, name: str, *, alone: int, never: int, stages: tuple[tuple[str, ...], ...], **more: Any
) -> House:
    def rule(rule_id: str, actions: list[str], when: str, outcome: str, **said: Any) -> dict[str, Any]:
        return {"id": rule_id, "actions": actions, "when": when, "outcome": outcome, "message": rule_id, **said}

    refund = ["refund_payment"]
    bundle = {
        "bundle": "house",
        "version": 1,
        "layer": "platform",
        "enforcement": "enforce",
        "roles": ["support", "lead", "finance"],
        "actions": KINDS,
        "rules": [
            rule("little", refund, f"amount_minor <= {alone}", "allow"),
            rule(
                "some",
                refund,
                f"amount_minor > {alone}",
                "review",
                stages=[[{"role": role, **more.get("place", {})} for role in stage] for stage in stages],
                exclude=["editor"],
                deadline_minutes=3 * 1440,
                obligations=more.get("obligations", []),
            ),
            rule("much", refund, f"amount_minor > {never}", "deny"),
            rule("again", refund, "repeats_earlier_action", "deny"),
            rule("said", ["reply_to_customer"], "true", more.get("replies", "review")),
            rule("papers", ["request_documents"], "true", more.get("papers", "allow")),
            rule("tidy", ["escalate_ticket", "add_tags", "close_ticket"], "true", "allow"),
        ],
        "limits": [
            {
                "id": "of-a-day",
                "actions": refund,
                "per": ["domain"],
                "window_minutes": WINDOW_MINUTES,
                "max_minor": MOST_MINOR,
                "max_count": MOST_TIMES,
                "currency": "EUR",
                "over": "deny",
            }
        ],
    }
    home = folder / name
    home.mkdir()
    (home / "house.yaml").write_text(json.dumps(bundle))
    return House(name, load(home, run_tests=False), alone, never, stages)


def houses(folder: Path) -> list[House]:
    ladder = {"ladder": [{"after_minutes": 60, "role": "lead"}]}
    pause = [{"kind": "delay", "minutes": 5}, {"kind": "notify", "role": "finance"}]
    return [
        house(folder, "easy", alone=3_000, never=8_000, stages=(("support",),), place=ladder),
        house(folder, "slow", alone=0, never=5_000, stages=(("support",), ("finance",)), obligations=pause),
        house(folder, "open", alone=5_000, never=9_000, stages=(("lead",),), replies="allow", papers="review"),
    ]

"""A house that changes its policy: small policies of its own, a book that follows the database, and somebody to ask.

Every policy here has tests beside it, as one must that is to be proposed.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from integrations.registry import Writers
from policies import loader
from tests.kit.engine import Engine
from workers.rulebook.book import Book
from workers.rulebook.enacting import SYSTEM_NAME, Enacting
from workers.store import policy_sets
from workers.store.policy_sets import Activation, How

KINDS = ["refund_payment", "reply_to_customer", "escalate_ticket", "add_tags", "close_ticket", "request_documents"]
FACTS = {
    "domain": "support",
    "action_kind": "refund_payment",
    "risk": "high",
    "reversible": False,
    "delivery": "idempotent",
    "occurred_at": "2026-11-20T12:00:00Z",
}


class Ticks:
    """A monotonic clock that a test turns."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def written(
    limit: int = 5000, *, version: int = 1, governed: bool = True, open_to_all: bool = False, more: tuple[Any, ...] = ()
) -> dict[str, str]:
    """A policy's files: refunds above `limit` wait for a lead, and so does a change of the policy, for two."""
    rules: list[dict[str, Any]] = [
        {
            "id": "large",
            "actions": ["refund_payment"],
            "when": f"amount_minor > {limit}",
            "outcome": "review",
            "approvers": [{"role": "lead"}],
            "message": "{amount} is a lot",
        },
        {
            "id": "rest",
            "actions": KINDS,
            "when": f"amount_minor <= {limit}",
            "outcome": "allow",
            "message": "Small enough",
        },
        *more,
    ]
    tests = [
        {
            "name": "a lot",
            "facts": {"has_amount": True, "amount_minor": limit + 1, "currency": "EUR"},
            "outcome": "review",
        },
        {"name": "little", "facts": {}, "outcome": "allow"},
    ]
    if governed:
        rules.append(
            {
                "id": "by-two-leads",
                "actions": ["change_policy"],
                "when": "true",
                "outcome": "review",
                "approvers": [{"role": "lead", "n": 2}],
                "exclude": ["editor", "initiator"],
                "message": "The policy is changed by two leads",
            }
        )
        rules.append(
            {
                "id": "looser-by-risk-too",
                "actions": ["change_policy"],
                "when": "policy_loosens",
                "outcome": "review",
                "approvers": [{"role": "risk"}],
                "message": "It may let more through",
            }
        )
        about = {"domain": "policy", "action_kind": "change_policy"}
        tests.append({"name": "a change", "facts": about, "outcome": "review"})
        tests.append({"name": "a looser one", "facts": {**about, "policy_loosens": True}, "outcome": "review"})
    if open_to_all:
        rules[-2:] = [
            {"id": "by-nobody", "actions": ["change_policy"], "when": "true", "outcome": "allow", "message": "Go on"}
        ]
        tests[-2:] = [{"name": "a change", "facts": about, "outcome": "allow"}]
    for rule in more:
        tests.append({"name": f"not {rule['id']}", "facts": {"amount_minor": limit}, "outcome": "allow"})
        tests.append({"name": rule["id"], "facts": {"amount_minor": 1}, "outcome": rule["outcome"]})
    bundle = {
        "bundle": "house",
        "version": version,
        "layer": "platform",
        "enforcement": "enforce",
        "roles": ["lead", "support", "finance", "risk"],
        "actions": [*KINDS, *(["change_policy"] if governed else [])],
        "rules": rules,
    }
    suite = {
        "bundle": "house",
        "given": FACTS,
        "groups": [
            {
                "about": "all of it",
                "tests": [{"name": t["name"], "facts": t["facts"], "expect": {"outcome": t["outcome"]}} for t in tests],
            }
        ],
    }
    return {"house.yaml": json.dumps(bundle, indent=1), "house.test.yaml": json.dumps(suite, indent=1)}


def lay(folder: Path, files: dict[str, str]) -> Path:
    """The files in a folder of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def govern(engine: Engine, folder: Path, *, ticks: Ticks | None = None, folder_wins: bool = False) -> Engine:
    """The engine with a book on its own database, whose first policy lies in `folder`, and with the hand that changes it.

    The book goes by `ticks`, or else by the engine's clock: half a second on, it asks again what is in force."""
    book = Book(
        engine.system.db,
        folder,
        folder_wins=folder_wins,
        clock=engine.clock,
        monotonic=ticks or engine.system.monotonic,
    )
    book.begin()
    engine.system = replace(engine.system, rulebook=book)
    enacting = Enacting(engine.system.db.url, engine.clock)
    engine.writers = Writers({"house": engine.house, SYSTEM_NAME: enacting})
    return engine


def in_force(engine: Engine) -> Activation:
    with engine.system.db.read() as tx:
        found = policy_sets.in_force(tx)
    assert found is not None
    return found


def put_in_force(engine: Engine, files: dict[str, str]) -> str:
    """Another policy in force at once, as if people had said yes; its hash. Who is judging finds out by itself."""
    policy = loader.loads(files)
    with engine.system.db.write() as tx:
        now = engine.clock()
        policy_sets.add(tx, policy.hash, name=policy.name, files=files, by="test", why="A test wants it.", now=now)
        taken = policy_sets.activate(
            tx, policy.hash, after=policy_sets.in_force(tx), how=How.APPROVED, by="test", now=now
        )
    assert taken is not None
    return policy.hash

"""The words of the pages: states, domains, actors, and the reasons that can be picked instead of typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workers.actions.base import Delivery
from workers.store.records import ActionState, CaseState


@dataclass(frozen=True, slots=True)
class Shown:
    """A state in words with a sign, so that nothing is told by colour alone. `tone` picks the colour."""

    words: str
    sign: str
    tone: str


STATES: Mapping[str, Shown] = {
    ActionState.PENDING: Shown("Waits for a decision", "○", "open"),
    ActionState.APPROVED: Shown("Approved", "✓", "good"),
    ActionState.EXECUTING: Shown("Being carried out", "…", "open"),
    ActionState.DONE: Shown("Done", "✓", "good"),
    ActionState.FAILED: Shown("Failed", "✕", "bad"),
    ActionState.UNCERTAIN: Shown("Uncertain", "?", "warn"),
    ActionState.REJECTED: Shown("Rejected", "✕", "bad"),
    ActionState.DENIED: Shown("Refused by the policy", "✕", "bad"),
    ActionState.CHANGES_REQUESTED: Shown("Changes requested", "↺", "quiet"),
    ActionState.STALE: Shown("Out of date", "↺", "warn"),
    ActionState.SUPERSEDED: Shown("Replaced by a newer draft", "↺", "quiet"),
    ActionState.CANCELLED: Shown("Cancelled", "✕", "quiet"),
    ActionState.EXPIRED: Shown("Expired", "✕", "bad"),
    CaseState.WORKING: Shown("The agent works on it", "…", "open"),
    CaseState.WAITING: Shown("Waits for a system", "…", "warn"),
    CaseState.INBOX: Shown("Waits for people", "○", "open"),
    CaseState.ACTING: Shown("Being carried out", "…", "open"),
    CaseState.TAKEN_OVER: Shown("Taken over by hand", "✎", "quiet"),
    CaseState.CLOSED: Shown("Closed", "✓", "good"),
}

DOMAIN_NAMES = {
    "support": "Support",
    "transactions": "Transactions",
    "content": "Content",
    "supply": "Supply",
}

DELIVERY_NOTES = {
    Delivery.IDEMPOTENT: "Carried out once: the other side knows our key.",
    Delivery.RECONCILABLE: "Carried out once: we look for our mark before trying again.",
    Delivery.AT_MOST_ONCE: "Tried once only: should no answer come, a person looks.",
}

_ANY = ("The facts are wrong", "Not what the customer asked for", "Against our policy", "A person handles this")
_REJECT: Mapping[str, tuple[str, ...]] = {
    "refund_payment": ("Not entitled to a refund", "The amount is wrong", "Looks like abuse", *_ANY[:1], *_ANY[3:]),
    "reply_to_customer": ("Promises what we cannot keep", "Wrong tone", *_ANY),
    "ask_customer": ("We know this already", "Wrong tone", *_ANY[1:]),
    "escalate_ticket": ("The wrong team", "Can be solved here"),
    "hold_charge": ("The customer is known and trusted", "The signals explain themselves", *_ANY[3:]),
    "release_charge": ("Too much speaks against it", "Papers are missing", *_ANY[3:]),
    "request_documents": ("We have the papers", "Would warn the wrong person", *_ANY[3:]),
    "create_post_draft": ("Not worth writing", "We have this article already", "The research is thin"),
}
_CHANGES: Mapping[str, tuple[str, ...]] = {
    "reply_to_customer": ("Make it shorter", "Make it warmer", "Answer every question", "Name the next step and when"),
    "ask_customer": ("Ask for one thing only", "Say why we need it", "Make it shorter"),
    "refund_payment": ("Refund the whole order", "Refund the damaged item only", "Offer an exchange first"),
    "create_post_draft": ("Sharpen what we add", "Shorten the outline", "Use more of our own pages"),
    "request_documents": ("Ask for less", "Say nothing of the reason"),
}


def reasons_for(kind: str, decision: str) -> tuple[str, ...]:
    """What can be picked as the reason of a rejection or as the instruction of a change."""
    if decision == "reject":
        return _REJECT.get(kind, _ANY)
    return _CHANGES.get(kind, ("Look the facts up again", "Be more careful with the amount"))


def who(actor: str | None) -> str:
    """An actor as people call them: ``person:ana@firm.example`` as ``ana@firm.example``."""
    kind, _, name = (actor or "").partition(":")
    match kind:
        case "person":
            return name
        case "agent":
            return f"the {name} agent"
        case "policy":
            return f"the policy ({name})" if name else "the policy"
        case "source":
            return name
        case "caseworker" | "system" | "":
            return "Caseworker"
    return actor or ""

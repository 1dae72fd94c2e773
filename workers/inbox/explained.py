"""Why a person is asked, and how sure the agent is: the stored decision record and triage, in words with their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.explain import ASIDE
from policies.messages import money, plain
from policies.record import facts_of
from workers.inbox.citations import Claim, Standing
from workers.inbox.forms import label
from workers.store.records import Action

SURE = 0.85
FAIRLY = 0.6
#: what the shipped policy asks for before it lets anything through by itself
LOW = 0.8


@dataclass(frozen=True, slots=True)
class RuleView:
    ref: str
    message: str
    outcome: str
    when: str
    values: tuple[tuple[str, str], ...]
    deciding: bool
    error: str | None
    enforcement: str
    #: why its match does not count, where it does not
    aside: str = ""


@dataclass(frozen=True, slots=True)
class Why:
    outcome: str
    deciding: tuple[RuleView, ...]
    others: tuple[RuleView, ...]
    #: reasons that no rule gave: nothing allows it, an unknown kind, facts that cannot be trusted
    defaults: tuple[str, ...]
    policy: str
    policy_hash: str
    engine: str


@dataclass(frozen=True, slots=True)
class Sureness:
    """A band and what lowers it. Never a bare number."""

    band: str  # sure, fairly sure, unsure
    doubts: tuple[str, ...]
    understood: tuple[tuple[str, str, str], ...]  # field, value, band


def why(action: Action, record: Mapping[str, Any]) -> Why:
    facts = facts_of(record)
    answers = [_rule(answer, facts, action.verdict.get("rules") or ()) for answer in record.get("answers") or ()]
    told = {answer.message for answer in answers}
    matched = {f"{a.get('bundle')}/{a.get('rule')}" for a in record.get("answers") or () if a.get("matched")}
    return Why(
        outcome=str(action.verdict.get("outcome", "")),
        deciding=tuple(a for a in answers if a.deciding or a.error),
        others=tuple(a for a in answers if a.ref in matched and not a.deciding and not a.error),
        defaults=tuple(reason for reason in action.verdict.get("reasons") or () if reason not in told),
        policy=str(record.get("policy", "")),
        policy_hash=str(record.get("policy_hash", "")),
        engine=str(record.get("engine", "")),
    )


def sureness(action: Action, triage: Mapping[str, Any], missing: Sequence[str], claims: Sequence[Claim]) -> Sureness:
    confidence = {name: float(value) for name, value in (triage.get("confidence") or {}).items()}
    primary = str(triage.get("primary_field", ""))
    least = min(action.confidence, confidence.get(primary, action.confidence))
    doubts = []
    if triage.get("abstain"):
        doubts.append("The agent says that it did not understand what is asked.")
    low = [name for name, value in confidence.items() if value < LOW]
    if low:
        named = ", ".join(f"{label(name).lower()} ({plain(confidence[name])})" for name in low)
        doubts.append(f"Unsure about the {named}.")
    if action.confidence < LOW:
        doubts.append(f"Unsure about this draft ({plain(action.confidence)}).")
    if missing:
        doubts.append(f"Could not be looked up: {', '.join(missing)}.")
    unproved = [claim.text for claim in claims if claim.standing is not Standing.VERIFIABLE]
    if unproved:
        doubts.append(f"Not found in what was gathered: {_some(unproved)}.")
    hearsay = [c.text for c in claims if c.standing is Standing.VERIFIABLE and not c.confirmed and c.kind != "number"]
    if hearsay:
        doubts.append(f"Said only in text from outside: {_some(hearsay)}.")
    understood = tuple(
        (label(name), str(triage.get(name, "")), band(value))
        for name, value in confidence.items()
        if isinstance(triage.get(name), str)
    )
    return Sureness(band(0.0 if triage.get("abstain") else least), tuple(doubts), understood)


def band(confidence: float) -> str:
    if confidence >= SURE:
        return "sure"
    return "fairly sure" if confidence >= FAIRLY else "unsure"


def _some(texts: Sequence[str]) -> str:
    shown = ", ".join(f"“{text}”" for text in texts[:4])
    return f"{shown} and {len(texts) - 4} more" if len(texts) > 4 else shown


def _rule(answer: Mapping[str, Any], facts: Mapping[str, Any], deciding: Sequence[str]) -> RuleView:
    ref = f"{answer.get('bundle')}/{answer.get('rule')}"
    return RuleView(
        ref=ref,
        message=str(answer.get("message", "")),
        outcome=str(answer.get("outcome", "")),
        when=" ".join(str(answer.get("when", "")).split()),
        values=tuple(
            (name, value_of(name, value, facts))
            for name in answer.get("names") or ()
            if (value := facts.get(name)) is not None
        ),
        deciding=ref in deciding,
        error=answer.get("error"),
        enforcement=str(answer.get("enforcement", "")),
        aside=_aside(str(answer.get("set_aside") or "")),
    )


def _aside(said: str) -> str:
    kind, _, waiver = said.partition(":")
    return f"{ASIDE.get(kind, kind)} {waiver}".strip()


def value_of(name: str, value: Any, facts: Mapping[str, Any]) -> str:
    """A fact as people write it: amounts of money in their currency."""
    if name.endswith("_minor") and isinstance(value, int):
        currency = facts.get("charge_currency" if name.startswith("charge_") else "currency")
        return money(value, str(currency or ""))
    return plain(value)

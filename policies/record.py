"""Decision records as JSON and back, for whoever stores them, and unchecked facts made fit to be stored.

What is stored is enough to reach the same verdict again: `facts_from_json` gives the facts that `engine.decide` judged.
Nothing here fails on hostile values: refused facts must still be written down.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from policies.types import (
    INT64,
    MAX_ITEMS,
    MAX_TEXT,
    DecisionRecord,
    Enforcement,
    Facts,
    Outcome,
    Requirement,
    RuleAnswer,
    Verdict,
)


def to_json(record: DecisionRecord) -> dict[str, Any]:
    """The record in JSON values."""
    verdict = record.verdict
    return {
        "outcome": verdict.outcome.name.lower(),
        "requirements": [{"role": r.role, "n": r.n} for r in verdict.requirements],
        "reasons": list(verdict.reasons),
        "rules": list(verdict.rules),
        "exclude": list(verdict.exclude),
        "answers": [_answer_to_json(answer) for answer in record.answers],
        **_slim(record.facts),
        "policy": record.policy,
        "policy_hash": record.policy_hash,
        "engine": record.engine,
        "decided_at": record.decided_at.isoformat(),
    }


def facts_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a stored record, those that were left out as usual among them."""
    facts = dict(data.get("facts") or {})
    return {**_usual(), **facts} if data.get("usual_left_out") else facts


def _slim(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts that were all stated are kept without those that are as usual: of fifty, most are."""
    usual = _usual()
    if not usual.keys() <= facts.keys():
        return {"facts": dict(facts)}
    kept = {name: value for name, value in facts.items() if name not in usual or usual[name] != value}
    return {"facts": kept, "usual_left_out": True}


@cache
def _usual() -> dict[str, Any]:
    """The defaults of facts that have one, in JSON values."""
    fields = {name: field for name, field in Facts.model_fields.items() if not field.is_required()}
    return {name: plain(field.get_default(call_default_factory=True)) for name, field in fields.items()}


def from_json(data: Mapping[str, Any]) -> DecisionRecord:
    """What `to_json` wrote."""
    facts = facts_of(data)
    return DecisionRecord(
        verdict=Verdict(
            outcome=Outcome[data["outcome"].upper()],
            requirements=tuple(Requirement(r["role"], r["n"]) for r in data["requirements"]),
            reasons=tuple(data["reasons"]),
            rules=tuple(data["rules"]),
            exclude=tuple(data["exclude"]),
        ),
        answers=tuple(_answer_from_json(answer, facts) for answer in data["answers"]),
        facts=facts,
        policy=data["policy"],
        policy_hash=data["policy_hash"],
        engine=data["engine"],
        decided_at=datetime.fromisoformat(data["decided_at"]),
    )


def facts_to_json(facts: Facts) -> dict[str, Any]:
    return facts.model_dump(mode="json")


def facts_from_json(data: Mapping[str, Any]) -> Facts:
    """Facts out of JSON, as strictly as they were first made: only the time is read from text. Raise `ValidationError`."""
    return Facts.model_validate_json(json.dumps(dict(data)))


def plain(value: object, *, nested: bool = False) -> Any:
    """Any value at all as bounded JSON that a database takes. Its own ``repr`` is never called: it may be hostile."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if -INT64 <= value < INT64 else f"a whole number of {value.bit_length()} bits"
    if isinstance(value, float | Decimal):
        return value if isinstance(value, float) and abs(value) < float("inf") else f"the number {value!s:.40}"
    if isinstance(value, str):
        text = value[:MAX_TEXT]
        hidden = any(unicodedata.category(character) in {"Cc", "Cs"} for character in text)
        return ascii(text)[1:-1] if hidden else text
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple) and not nested:
        return [plain(item, nested=True) for item in value[:MAX_ITEMS]]
    return f"a {type(value).__name__}"


def _answer_to_json(answer: RuleAnswer) -> dict[str, Any]:
    return {
        "rule": answer.rule,
        "bundle": answer.bundle,
        "layer": answer.layer,
        "matched": answer.matched,
        "outcome": answer.outcome.name.lower(),
        "enforcement": answer.enforcement.value,
        "message": answer.message,
        "when": answer.when,
        # The values are among the facts.
        "names": list(answer.values),
        "error": answer.error,
    }


def _answer_from_json(data: Mapping[str, Any], facts: Mapping[str, Any]) -> RuleAnswer:
    return RuleAnswer(
        rule=data["rule"],
        bundle=data["bundle"],
        layer=data["layer"],
        matched=data["matched"],
        outcome=Outcome[data["outcome"].upper()],
        enforcement=Enforcement(data["enforcement"]),
        message=data["message"],
        when=data["when"],
        values={name: facts[name] for name in data["names"]},
        error=data["error"],
    )

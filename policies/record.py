"""Decision records as JSON and back, for whoever stores them, and unchecked facts made fit to be stored.

What is stored is enough to reach the same verdict again: `facts_from_json` gives the facts that `engine.decide` judged.
Nothing here fails on hostile values: refused facts must still be written down.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, Final

from pydantic import TypeAdapter

from policies.obligations import Obligation
from policies.types import (
    INT64,
    MAX_ITEMS,
    MAX_TEXT,
    DecisionRecord,
    Enforcement,
    Facts,
    Limit,
    Outcome,
    Requirement,
    Reserved,
    RuleAnswer,
    Rung,
    Use,
    Verdict,
)

_OBLIGATION: Final[TypeAdapter[Obligation]] = TypeAdapter(Obligation)
_TIME: Final = TypeAdapter(datetime)
#: limits that are written out once each
_REMEMBERED: Final = 1_000


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """The verdict in JSON values, as it is stored beside an action. What is as usual is left out."""
    data: dict[str, Any] = {
        "outcome": verdict.outcome.name.lower(),
        "requirements": [requirement_json(requirement) for requirement in verdict.requirements],
        "reasons": list(verdict.reasons),
        "rules": list(verdict.rules),
        "exclude": list(verdict.exclude),
    }
    if verdict.authorised is not None:
        data["authorised"] = list(verdict.authorised)
    if verdict.obligations:
        data["obligations"] = [obligation.model_dump(mode="json") for obligation in verdict.obligations]
    if verdict.deadline_minutes is not None:
        data["deadline_minutes"] = verdict.deadline_minutes
    if verdict.waivers:
        data["waivers"] = list(verdict.waivers)
    return data


def verdict_of(data: Mapping[str, Any]) -> Verdict:
    """What `verdict_json` wrote, now or when it knew fewer words."""
    authorised = data.get("authorised")
    return Verdict(
        outcome=Outcome[data["outcome"].upper()],
        requirements=tuple(map(requirement_of, data["requirements"])),
        reasons=tuple(data["reasons"]),
        rules=tuple(data["rules"]),
        exclude=tuple(data["exclude"]),
        authorised=None if authorised is None else tuple(authorised),
        obligations=tuple(map(_OBLIGATION.validate_python, data.get("obligations", ()))),
        deadline_minutes=data.get("deadline_minutes"),
        waivers=tuple(data.get("waivers", ())),
    )


def requirement_json(requirement: Requirement) -> dict[str, Any]:
    data: dict[str, Any] = {"role": requirement.role, "n": requirement.n}
    if requirement.stage:
        data["stage"] = requirement.stage
    if requirement.ladder:
        data["ladder"] = [{"after_minutes": rung.after_minutes, "role": rung.role} for rung in requirement.ladder]
    return data


def requirement_of(data: Mapping[str, Any]) -> Requirement:
    ladder = tuple(Rung(rung["after_minutes"], rung["role"]) for rung in data.get("ladder", ()))
    return Requirement(data["role"], data["n"], data.get("stage", 0), ladder)


def to_json(record: DecisionRecord) -> dict[str, Any]:
    """The record in JSON values."""
    whole = _to_json(record, record.answers)
    return {**whole, "unmatched": list(record.unmatched)} if record.unmatched else whole


def kept_json(record: DecisionRecord) -> dict[str, Any]:
    """The record as it is stored: enough to explain the verdict or to reach it again. Parts are shared: change none of them.

    Of rules that were asked and did not match only the names are kept: with the facts and the policy's hash their answers can
    be had again, and in full they would be most of what a case leaves behind.
    """
    telling = [answer for answer in record.answers if answer.matched is not False]
    silent = list(record.unmatched) or [
        f"{answer.bundle}/{answer.rule}" for answer in record.answers if answer.matched is False
    ]
    return {**_to_json(record, telling), "unmatched": silent}


def _to_json(record: DecisionRecord, answers: Sequence[RuleAnswer]) -> dict[str, Any]:
    return {
        **verdict_json(record.verdict),
        **_afterwards_json(record),
        "answers": [_answer_to_json(answer) for answer in answers],
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


def unchecked(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Stored facts as they were judged, and unchecked as they were then.

    Only the time is not what it was before it was JSON: it alone is read here, at half the price of reading all of it as JSON a
    second time. A test holds that it comes to the same.
    """
    raw = dict(facts)
    # A time that is none is told among the reasons, as any other fact that is none.
    with suppress(KeyError, TypeError, ValueError):
        raw["occurred_at"] = datetime.fromisoformat(raw["occurred_at"])
    return raw


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
        verdict=verdict_of(data),
        answers=tuple(_answer_from_json(answer) for answer in data["answers"]),
        facts=facts,
        policy=data["policy"],
        policy_hash=data["policy_hash"],
        engine=data["engine"],
        decided_at=datetime.fromisoformat(data["decided_at"]),
        uses=uses_of(data),
        reserved=tuple(Reserved(**tried) for tried in data.get("reserved", ())),
        unmet=tuple(data.get("unmet", ())),
        escalated_to=tuple(data.get("escalated_to", ())),
        unmatched=tuple(data.get("unmatched", ())),
    )


def uses_of(data: Mapping[str, Any]) -> tuple[Use, ...]:
    """The limits that a stored record falls under, to be reserved when the last person says yes."""
    return tuple(Use(_limit_of(use["limit"]), use["key"], use["amount_minor"]) for use in data.get("uses", ()))


def _afterwards_json(record: DecisionRecord) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if record.uses:
        data["uses"] = [
            {"limit": _limit_json(use.limit), "key": use.key, "amount_minor": use.amount_minor} for use in record.uses
        ]
    if record.reserved:
        data["reserved"] = [
            {
                "limit": tried.limit,
                "key": tried.key,
                "used_count": tried.used_count,
                "used_minor": tried.used_minor,
                "held": tried.held,
            }
            for tried in record.reserved
        ]
    if record.unmet:
        data["unmet"] = list(record.unmet)
    if record.escalated_to:
        data["escalated_to"] = list(record.escalated_to)
    return data


@lru_cache(_REMEMBERED)
def _limit_json(limit: Limit) -> dict[str, Any]:
    """The same for each decision that falls under it, so it is made once."""
    return {
        "id": limit.id,
        "bundle": limit.bundle,
        "actions": sorted(limit.actions),
        "per": list(limit.per),
        "window_minutes": limit.window_minutes,
        "max_count": limit.max_count,
        "max_minor": limit.max_minor,
        "currency": limit.currency,
        "over": limit.over.name.lower(),
        "requirements": [requirement_json(requirement) for requirement in limit.requirements],
        "trips": limit.trips,
    }


def _limit_of(data: Mapping[str, Any]) -> Limit:
    changes = {
        "actions": frozenset(data["actions"]),
        "per": tuple(data["per"]),
        "over": Outcome[data["over"].upper()],
        "requirements": tuple(map(requirement_of, data["requirements"])),
    }
    return Limit(**{**data, **changes})


def facts_to_json(facts: Facts) -> dict[str, Any]:
    """Facts in JSON values, lists shared with `facts`. Validated facts are that already, but for the one time among them."""
    return {**vars(facts), "occurred_at": _TIME.dump_python(facts.occurred_at, mode="json")}


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
    data: dict[str, Any] = {
        "rule": answer.rule,
        "bundle": answer.bundle,
        "layer": answer.layer,
        "matched": answer.matched,
        "outcome": answer.outcome.name.lower(),
        "enforcement": answer.enforcement.value,
        "message": answer.message,
        "when": answer.when,
        # The values are among the facts.
        "names": list(answer.names),
        "error": answer.error,
    }
    if answer.set_aside is not None:
        data["set_aside"] = answer.set_aside
    return data


def _answer_from_json(data: Mapping[str, Any]) -> RuleAnswer:
    return RuleAnswer(
        rule=data["rule"],
        bundle=data["bundle"],
        layer=data["layer"],
        matched=data["matched"],
        outcome=Outcome[data["outcome"].upper()],
        enforcement=Enforcement(data["enforcement"]),
        message=data["message"],
        when=data["when"],
        names=tuple(data["names"]),
        error=data["error"],
        set_aside=data.get("set_aside"),
    )

"""A decision reached again: the very policy that was in force, the facts that were kept, and the stored record beside it.

Called by ``caseworker policy replay`` and by the page that explains a decision. Reads only. Whatever cannot be reached again
is told with its reason and never passed over as the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from policies import cel, engine, record
from policies.approvals import escalated, with_requirements
from policies.limits import Reserved, tightened
from policies.rules import Policy
from policies.types import DecisionRecord, Facts
from policies.unmet import denied
from workers.store.decided import Kept
from workers.store.judgements import Standing, standing

#: gives the policy of a hash, where it is still known
Known = Callable[[str], Policy | None]

#: said of a record that the audit log does not know
CHANGED = "The stored record is not the one that was written when it was judged."
#: differences that are named; more are counted
SHOWN = 20
_LONG = 120
#: facts that whoever builds facts must state by now, and what leaving them out came to before
_STATED_SINCE: Mapping[str, Any] = {"thrown_switches": []}


class Result(StrEnum):
    #: this very record, and what its policy and its facts lead to
    SAME = "same"
    DIFFERENT = "different"
    #: the policy that decided is not kept, or the record cannot be read
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one. `differences` are sentences: where, what is stored, what it would be."""

    action_id: str
    revision: int
    result: Result
    policy: str
    policy_hash: str
    differences: tuple[str, ...] = ()
    #: why it could not be reached again
    reason: str = ""
    #: whether the record is the one that was written when it was judged, as the audit log tells
    record: Standing = Standing.NO_DIGEST


def replay(kept: Kept, known: Known) -> Replayed:
    """Decide one again, as it was decided, and compare every value of the record. One that no longer is the record that was
    written counts as different, also where no rule looked at what was changed."""
    done, stands = _replayed(kept, known), standing(kept.record, kept.digest, erased=kept.erased)
    if stands is Standing.ERASED:
        return replace(done, record=stands, reason="The record was erased.")
    if stands is not Standing.CHANGED:
        return replace(done, record=stands)
    return replace(done, record=stands, result=Result.DIFFERENT, differences=(*done.differences, CHANGED))


def _replayed(kept: Kept, known: Known) -> Replayed:
    try:
        stored = json.loads(kept.record)
        name, of = str(stored["policy"]), str(stored["policy_hash"])
        datetime.fromisoformat(stored["decided_at"])
    except (KeyError, TypeError, ValueError):
        return Replayed(kept.action_id, kept.revision, Result.UNKNOWN, "", "", reason="The record cannot be read.")
    here = Replayed(kept.action_id, kept.revision, Result.UNKNOWN, name, of)
    policy = known(of)
    if policy is None:
        return replace(here, reason=f"The policy {of[:12]} that decided is not kept here.")
    try:
        again = _as_stored(reach(policy, stored, asked_besides=kept.escalated))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return replace(here, reason=f"The record cannot be read: {type(error).__name__}.")
    told = list(_differences("", stored, again))
    if not told:
        return replace(here, result=Result.SAME)
    if len(told) > SHOWN:
        told = [*told[:SHOWN], f"and {len(told) - SHOWN} more"]
    return replace(here, result=Result.DIFFERENT, differences=tuple(told))


def reach(policy: Policy, stored: Mapping[str, Any], *, asked_besides: bool) -> DecisionRecord:
    """The decision made again from what is stored of it, with every rule's answer. Raise `KeyError`, `TypeError`,
    `ValueError` or `AttributeError` where that is no decision.

    What was no answer of the policy is taken from the record and can only make the verdict stricter: whom a person asked
    besides, which obligations could not be met, and what of the limits could not be had.
    """
    at = datetime.fromisoformat(stored["decided_at"])
    facts = record.facts_of(stored)
    sound = _sound(facts) if stored.get("usual_left_out") else None
    if sound is not None:
        made = engine.decide(policy, sound, at=at, trace=True)
    else:
        made = _judged_unchecked(policy, stored, facts, at)
    if besides := tuple(map(str, stored.get("escalated_to", ()))):
        made = replace(made, verdict=escalated(made.verdict, besides), escalated_to=besides)
    elif asked_besides:
        # Before records named whom.
        roles = [str(r["role"]) for r in stored["requirements"]]
        made = replace(made, verdict=with_requirements(made.verdict, roles))
    made = denied(made, [str(reason) for reason in stored.get("unmet", ())])
    reserved = [Reserved(**tried) for tried in stored.get("reserved", ())]
    return tightened(made, reserved) if reserved else made


def _sound(facts: Mapping[str, Any]) -> Facts | None:
    try:
        return record.facts_from_json(facts)
    except ValidationError:
        return None


def _judged_unchecked(policy: Policy, stored: Mapping[str, Any], facts: dict[str, Any], at: datetime) -> DecisionRecord:
    """Facts that were refused, as they were. One that had not to be stated then is none of the reasons now."""
    not_asked_for = {
        name: usual
        for name, usual in _STATED_SINCE.items()
        if name not in facts and not any(f"{name} is not stated" in reason for reason in stored["reasons"])
    }
    made = engine.judge(policy, record.unchecked({**facts, **not_asked_for}), at=at)
    return replace(made, facts={name: value for name, value in made.facts.items() if name not in not_asked_for})


def _as_stored(made: DecisionRecord) -> dict[str, Any]:
    """As it would be stored now, through JSON and back, as the stored one went."""
    stored: dict[str, Any] = json.loads(json.dumps(record.kept_json(made)))
    return stored


def _differences(place: str, stored: Any, again: Any) -> Iterator[str]:
    """Every value that is not the very same, with its place."""
    if isinstance(stored, dict) and isinstance(again, dict):
        for key in sorted(stored.keys() | again.keys()):
            inner = f"{place}.{key}" if place else str(key)
            if key not in again:
                yield f"{inner}: stored {_shown(stored[key])}, not there again"
            elif key not in stored:
                yield f"{inner}: not stored, again {_shown(again[key])}"
            else:
                yield from _differences(inner, stored[key], again[key])
    elif isinstance(stored, list) and isinstance(again, list) and len(stored) == len(again):
        for number, pair in enumerate(zip(stored, again, strict=True)):
            yield from _differences(f"{place}[{number}]", *pair)
    elif type(stored) is not type(again) or stored != again:
        yield f"{place}: stored {_shown(stored)}, again {_shown(again)}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def engine_now() -> str:
    """The engine that decides here and now, for whoever sees another one in a record."""
    return cel.installed()

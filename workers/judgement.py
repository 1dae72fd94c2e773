"""From a drafted action to a verdict: builds the facts that the policy may see, and asks the engine.

Called by `workers.drafting`, for what an agent proposes and for what a person edits, so both are judged alike. Pure: clock,
switches and counters come in as `Circumstances`. A fact that cannot be stated truly is left at its cautious default.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from integrations.outsiders import written
from policies import engine
from policies.approvals import escalated
from policies.record import verdict_json
from policies.rules import Policy
from policies.types import MAX_ITEMS, MAX_TEXT, DecisionRecord, Enforcement, Outcome
from workers.actions.base import ActionKind, vendor_of
from workers.actions.digest import action_digest, terms_of
from workers.actions.governing import CHANGE
from workers.agents.library import house
from workers.agents.origins import Evidence, Origin, exact, origins
from workers.agents.outgoing import inspect
from workers.agents.signals import is_sure
from workers.agents.suspicion import suspicious
from workers.agents.thanks import asks
from workers.circumstances import ORDINARY, Circumstances
from workers.obligations.meeting import meet
from workers.store.records import Case, Event, Fact

_OF_CUSTOMER = {
    "customer_vip": "vip",
    "customer_refunds_90d": "refunds_count_90d",
    "customer_refunded_minor_90d": "refunds_minor_90d",
}
OLDEST_DAYS = 36_500  # of a charge whose date cannot be read: rules ask whether it is too old
#: the facts that say which arguments are of one origin
_ORIGINS = {origin.value: f"{origin.value}_arguments" for origin in Origin}


@dataclass(frozen=True, slots=True)
class Judged:
    """An action's verdict with everything that its digest and its card need."""

    record: DecisionRecord
    origins: Mapping[str, Any]
    digest: str
    #: as they will leave: with what the policy obliges to say, without what it obliges to mask
    arguments: Mapping[str, Any]
    #: the verdict as stored beside the action
    verdict: Mapping[str, Any]
    #: what the policy itself changed in them, in words
    changed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Matter:
    """What an action is judged on: the case, what it read, and who proposes."""

    case: Case
    events: Sequence[Event]
    facts: Sequence[Fact]
    triage: Mapping[str, Any]
    missing: Sequence[str]
    model: tuple[str, str]

    def first(self, name: str) -> Fact | None:
        return next((fact for fact in self.facts if fact.name == name), None)

    def by_ref(self, ref: str) -> Fact | None:
        return next((fact for fact in self.facts if fact.ref == ref), None)

    @cached_property
    def evidence(self) -> Evidence:
        return Evidence.gathered(self.facts, (event.data for event in self.events), customer=self.customer_id)

    @cached_property
    def customer_id(self) -> str | None:
        """Whose case it is, as records say: the customer's, else the owner of what the case is about."""
        for fact in (self.first("customer"), self.by_ref(self.case.subject)):
            if fact is not None and fact.trusted and fact.data.get("customer_id"):
                return str(fact.data["customer_id"])
        return None

    @cached_property
    def suspicious(self) -> bool:
        """Whether anything that outsiders wrote seems to give instructions. By rules, as a model that was taken in says no."""
        return suspicious(
            [event.data for event in self.events],
            [fact.data if not fact.trusted else written(fact.kind, fact.data) for fact in self.facts],
        )

    @cached_property
    def asks(self) -> bool:
        """Whether the newest message may ask for something: all do but those that only say thanks. By rules again.

        A sender who could not deliver a message does so later: what was written after the one that came last is as new as that.
        """
        if not self.events:
            return asks("")
        last = self.events[-1]
        newest = [last, *(event for event in self.events[:-1] if event.occurred_at > last.occurred_at)]
        return any(asks(f"{event.data.get('title', '')}\n{event.data.get('text', '')}") for event in newest)


def judge(
    policy: Policy,
    matter: Matter,
    kind: ActionKind,
    arguments: Mapping[str, Any],
    *,
    target: str,
    target_version: str,
    revision: int,
    confidence: float,
    repeats: bool,
    edited: bool,
    now: datetime,
    extra_roles: Sequence[str] = (),
    circumstances: Circumstances = ORDINARY,
) -> Judged:
    """Judge one revision of one action, and do to its arguments what the verdict obliges to. Never raises for odd facts:
    those end in review."""
    evidence = matter.evidence
    found = origins(arguments, evidence)
    raw = {
        **_action_facts(kind, arguments, target),
        **_text_facts(matter.case.domain, arguments, evidence),
        **_origin_facts(found),
        **_steering_facts(matter, arguments, found),
        **_triage_facts(matter),
        **_customer_facts(matter, now),
        **_target_facts(matter, target, now),
        **_signal_facts(matter),
        "draft_confidence": float(confidence),
        "repeats_earlier_action": repeats,
        "edited_by_person": edited,
        "source": matter.case.source,
        "case_events": matter.case.events_total,
        "case_round": matter.case.round,
        "asks_for_something": matter.asks,
        "missing_context": sorted(matter.missing),
        "domain": matter.case.domain,
        "customer_id": matter.customer_id or "",
        "draw": matter.case.id,
        "occurred_at": now,
        **circumstances.facts(matter.case.domain, kind.name, vendor_of(target), now=now),
    }
    cleaned = {name: value if value.__class__ in _CLEAN else _clean(value) for name, value in raw.items()}
    record = engine.judge(policy, cleaned, at=now, trace=False)
    if extra_roles:
        record = replace(record, verdict=escalated(record.verdict, extra_roles), escalated_to=tuple(extra_roles))
    met = meet(record, kind, arguments)
    return seal(
        met.record,
        found,
        kind=kind,
        arguments=met.arguments,
        target=target,
        target_version=target_version,
        revision=revision,
        changed=met.changed,
    )


def seal(
    record: DecisionRecord,
    found: Mapping[str, Any],
    *,
    kind: ActionKind,
    arguments: Mapping[str, Any],
    target: str,
    target_version: str,
    revision: int,
    changed: tuple[str, ...] = (),
) -> Judged:
    """A record with the digest of exactly what it judged; made again whenever the verdict is tightened afterwards."""
    verdict = as_stored(record, changed)
    digest = action_digest(
        kind=kind.name,
        arguments=arguments,
        target=target,
        target_version=target_version,
        policy_hash=record.policy_hash,
        revision=revision,
        requirements=verdict["requirements"],
        terms=terms_of(verdict),
    )
    return Judged(record, found, digest, arguments, verdict, changed)


def as_stored(record: DecisionRecord, changed: Sequence[str]) -> dict[str, Any]:
    """A verdict as it is kept beside its action: what people and `execute` go by. Says itself which terms its digest covers."""
    stored = {
        **verdict_json(record.verdict),
        "policy": record.policy,
        **({"changed": list(changed)} if changed else {}),
        # What approving it uses up of, so that nobody else need look into the record to know that there is something.
        **({"limits": sorted({use.limit.ref for use in record.uses})} if record.uses else {}),
        # Who decided is whose answer was the strictest; what runs by itself rests on those that permit it.
        **({"allowed_by": _permitting(record)} if record.verdict.outcome is Outcome.NOTIFY else {}),
    }
    bound = sorted(terms_of(stored))
    return {**stored, "bound": bound} if bound else stored


def _permitting(record: DecisionRecord) -> list[str]:
    return [
        f"{answer.bundle}/{answer.rule}"
        for answer in record.answers
        if answer.matched
        and answer.outcome is Outcome.ALLOW
        and answer.enforcement is Enforcement.ENFORCE
        and answer.set_aside is None
    ]


def _action_facts(kind: ActionKind, arguments: Mapping[str, Any], target: str) -> dict[str, Any]:
    system, _, rest = target.partition(":")
    return {
        "action_kind": kind.name,
        "risk": kind.risk.value,
        "reversible": kind.reversible,
        "delivery": kind.delivery.value,
        "has_amount": "amount_minor" in arguments,
        "amount_minor": arguments.get("amount_minor", 0),
        "currency": arguments.get("currency", ""),
        "target_system": system,
        "target_kind": rest.partition(":")[0],
        "policy_loosens": kind.name == CHANGE and arguments.get("loosens") is not False,
    }


def _text_facts(domain: str, arguments: Mapping[str, Any], evidence: Evidence) -> dict[str, Any]:
    found = inspect(domain, arguments, evidence)
    return {
        "text_has_unknown_link": bool(found.links),
        "text_has_unknown_contact": bool(found.contacts),
        "text_has_unknown_amount": bool(found.amounts),
        "text_has_secret": bool(found.secrets),
        "text_has_others_data": bool(found.others),
        "text_has_markup": bool(found.markup),
        "text_findings": found.told,
    }


def _steering_facts(matter: Matter, arguments: Mapping[str, Any], found: Mapping[str, str]) -> dict[str, Any]:
    """Arguments by which an action steers somebody else's system: whom it writes to, whom it calls, what it sets off."""
    customer = matter.first("customer")
    address = customer.data.get("email") if customer is not None and customer.trusted else None
    team = str(arguments.get("team", ""))
    ours = team in house()["teams"].values()
    signals = matter.first("signals")
    computed = signals.data.get("for_file", ()) if signals is not None and signals.trusted else ()
    return {
        "recipient_is_unknown": "to" in arguments and (not address or exact(arguments["to"]) != exact(address)),
        "unknown_tags": sorted(set(arguments.get("tags", ())) - set(house()["tags"])),
        "unknown_team": team if found.get("team") == Origin.UNTRUSTED and not ours else "",
        "findings_are_altered": "signals" in arguments and list(arguments["signals"]) != list(computed),
    }


def _origin_facts(found: Mapping[str, str]) -> dict[str, Any]:
    paths: dict[str, list[str]] = {origin: [] for origin in _ORIGINS}
    for path in sorted(found):
        paths[found[path]].append(path)
    return {_ORIGINS[origin]: _within_bounds(origin, held) for origin, held in paths.items()}


def _within_bounds(origin: str, held: list[str]) -> list[str]:
    """Of more paths than a fact holds the arguments that they are in: nobody hides one behind two hundred others. What vouches
    for an argument is left out rather."""
    if len(held) <= MAX_ITEMS:
        return held
    return held[:MAX_ITEMS] if origin == Origin.RECORD else list(dict.fromkeys(path.partition(".")[0] for path in held))


def _triage_facts(matter: Matter) -> dict[str, Any]:
    triage = matter.triage
    confidence = triage.get("confidence") or {}
    return {
        "intent": str(triage.get("intent") or triage.get("typology") or triage.get("request_type") or ""),
        "sentiment": str(triage.get("sentiment", "")),
        "urgency": str(triage.get("urgency", "")),
        "language": str(triage.get("language", "")),
        "risk_flags": sorted({str(flag) for flag in triage.get("risk_flags", ())} | _own_flags(matter)),
        "triage_confidence": float(confidence.get(triage.get("primary_field", ""), 0.0)),
        "abstained": bool(triage.get("abstain", True)),
        "model_provider": matter.model[0],
        "model_name": matter.model[1],
    }


def _own_flags(matter: Matter) -> set[str]:
    return {"injection"} if matter.suspicious else set()


def _customer_facts(matter: Matter, now: datetime) -> dict[str, Any]:
    customer = matter.first("customer")
    if customer is None or not customer.trusted:
        return {}
    data = customer.data
    # What would look harmless if it were made up is left out where the record lacks it: a person looks then.
    held = {fact: data[name] for fact, name in _OF_CUSTOMER.items() if name in data}
    return held | {
        "has_customer": True,
        "customer_tier": str(data.get("tier", "")),
        "customer_verified": data.get("verified") is True,
        "customer_age_days": _days_since(data.get("created_at"), now),
    }


def _target_facts(matter: Matter, target: str, now: datetime) -> dict[str, Any]:
    record = matter.by_ref(target)
    customer = matter.first("customer")
    facts: dict[str, Any] = {
        # The case's own subject was named by a verified event; anything else must have been read from the records.
        "target_is_record": record is not None and (record.trusted or target == matter.case.subject),
        "target_of_customer": target == matter.case.subject,
    }
    if record is not None and customer is not None and "customer_id" in record.data:
        facts["target_of_customer"] = record.data["customer_id"] == customer.data.get("customer_id")
    charge = record if record is not None and record.kind == "charge" else None
    if charge is not None and charge.trusted:
        facts |= {
            "has_charge": True,
            "charge_amount_minor": charge.data.get("amount_minor", 0),
            "charge_refundable_minor": charge.data.get("refundable_minor", 0),
            "charge_currency": str(charge.data.get("currency", "")),
            "charge_status": str(charge.data.get("status", "")),
            "charge_age_days": _days_since(charge.data.get("created_at"), now, unknown=OLDEST_DAYS),
            "refund_is_due": _is_due(matter, charge),
        }
        if "status" in charge.data:
            facts["charge_disputed"] = charge.data["status"] == "disputed"
    return facts


def _is_due(matter: Matter, charge: Fact) -> bool:
    """Whether records alone, and nobody's words, say that this charge may be given back: it is the second payment of one
    order, or the one in question and within the house's terms. The amount is held to what is refundable elsewhere."""
    if any(fact.ref == charge.ref and fact.name == "paid_twice" for fact in matter.facts):
        return True
    if not any(fact.ref == charge.ref and fact.name == "charge" for fact in matter.facts):
        return False
    terms = matter.first("eligibility")
    if terms is None:
        # An agent that works no terms out leaves them to its policy.
        return True
    own = terms.trusted and terms.data.get("charge_id") == charge.data.get("charge_id")
    # An order that is only placed can still be sent: somebody has to stop it first.
    in_time = bool(terms.data.get("within_return_window")) or terms.data.get("order_status") == "cancelled"
    return bool(own and terms.data.get("refund_possible") and in_time)


def _signal_facts(matter: Matter) -> dict[str, Any]:
    signals = matter.first("signals")
    if signals is None:
        return {}
    fired = [item for item in signals.data.get("signals", ()) if item.get("score", 0) > 0]
    return {
        "signal_score": signals.data.get("score", 0),
        "signals": sorted(str(item["name"]) for item in fired),
        # A near name is a candidate for people; and what was looked up twice is one hit.
        "watch_list_hits": len({fact.ref for fact in matter.facts if fact.kind == "watch_hit" and is_sure(fact)}),
    }


def _days_since(written: object, now: datetime, *, unknown: int = 0) -> int:
    try:
        return max(0, (now - datetime.fromisoformat(str(written))).days)
    except (ValueError, TypeError):
        return unknown


#: what has nothing to be cleaned of
_CLEAN = frozenset({bool, int, float, datetime})


def _clean(value: Any) -> Any:
    """Text as the policy takes it. A stranger's control character must not turn a verdict into a refusal of the facts."""
    if isinstance(value, str):
        if value.isascii() and value.isprintable():
            return value[:MAX_TEXT]
        kept = "".join(c for c in value if unicodedata.category(c) not in {"Cc", "Cs"})
        return unicodedata.normalize("NFC", kept)[:MAX_TEXT]
    if isinstance(value, list):
        # One that is too long is refused: what is cut off might be what a rule looks for.
        return [_clean(item) for item in value]
    return value

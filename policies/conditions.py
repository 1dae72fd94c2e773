"""What stands around a rule's condition: whether its match counts, what it draws, what it obliges to. Pure; for `engine`.

A draw is the same each time for the same case, so that nobody draws again until it suits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from policies.cel import Bound, Fault
from policies.messages import money
from policies.obligations import Cap, Delay, Mask, Notify, Obligation, Sample
from policies.rules import Route, Rule, Waiver
from policies.types import Facts, Outcome

_SWITCHED: Final = "rule:"
UNREAD_COUNTERS: Final = Fault("counts what happened before, which was not looked up")
UNREAD_CLOCK: Final = Fault("asks for the house's clock, which was not stated")


def evaluated(rule: Rule, bound: Bound | Fault, facts: Facts) -> bool | Fault:
    """The condition's answer. Facts that were not looked up are no zeros: what names them has no answer."""
    if rule.counts and not facts.has_counters:
        return UNREAD_COUNTERS
    if rule.tells_time and not facts.local_date:
        return UNREAD_CLOCK
    return rule.program.evaluate(bound)


def drawn(what: str, draw: str, percent: float) -> bool:
    """Whether this case is among so many per cent. Without anything to draw by it is, as being drawn is the strict side."""
    if not draw:
        return True
    number = int.from_bytes(hashlib.sha256(f"{what}:{draw}".encode()).digest()[:8], "big")
    return number < percent / 100 * 2**64


def rolled_out(rule: Rule, facts: Facts) -> bool:
    """Whether a rule that is on trial for a part of all cases counts for this one. Permission without a draw does not."""
    if rule.canary is None:
        return True
    if not facts.draw:
        return rule.outcome >= Outcome.REVIEW
    return drawn(rule.ref, facts.draw, rule.canary)


def suspended(rule: Rule, facts: Facts) -> bool:
    """Whether a switch took away what the rule permits. What it forbids stays forbidden, and what it makes heard is heard."""
    return rule.outcome is Outcome.ALLOW and f"{_SWITCHED}{rule.ref}" in facts.thrown_switches


def waiver_of(route: Route, rule: Rule, bound: Bound | Fault, facts: Facts) -> Waiver | None:
    """The waiver that is used on this rule's match. One that fails, or has run out, is not."""
    for waiver in route.waivers.get(rule.ref, ()):
        if facts.occurred_at < waiver.until and waived(waiver, bound, facts) is True:
            return waiver
    return None


def waived(waiver: Waiver, bound: Bound | Fault, facts: Facts) -> bool | Fault:
    if waiver.counts and not facts.has_counters:
        return UNREAD_COUNTERS
    if waiver.tells_time and not facts.local_date:
        return UNREAD_CLOCK
    return waiver.program.evaluate(bound)


def held_by(switches: Iterable[str]) -> list[str]:
    """Why the kill switches that are thrown hold this back, one reason each."""
    return [f"The kill switch {name!r} is thrown" for name in switches if not name.startswith(_SWITCHED)]


def sampled(rule: Rule, facts: Facts) -> list[Sample]:
    """The samples of this rule that the case is drawn into."""
    return [
        obligation
        for obligation in rule.obligations
        if isinstance(obligation, Sample) and drawn(f"sample:{rule.ref}", facts.draw, obligation.percent)
    ]


def uncapped(obligations: Iterable[Obligation], facts: Mapping[str, Any]) -> list[str]:
    """Why a cap is not kept, one reason each. What is not known of the amount is not below the cap."""
    told = []
    for cap in obligations:
        if not isinstance(cap, Cap):
            continue
        amount, currency = facts.get("amount_minor"), facts.get("currency")
        if facts.get("has_amount") is False and amount == 0:
            continue
        most = money(cap.amount_minor, cap.currency)
        if not isinstance(amount, int) or not isinstance(currency, str):
            told.append(f"At most {most} may move, and the amount is not known")
        elif currency != cap.currency or abs(amount) > cap.amount_minor:
            told.append(f"{money(amount, currency)} is not within the {most} that may move")
    return told


def together(obligations: Iterable[Obligation]) -> tuple[Obligation, ...]:
    """All obligations as one list: the longest delay, the lowest cap of a currency, everything that one of them masks."""
    delays: list[int] = []
    caps: dict[str, int] = {}
    masked: set[str] = set()
    others: dict[str, Obligation] = {}
    for said in obligations:
        if isinstance(said, Delay):
            delays.append(said.minutes)
        elif isinstance(said, Cap):
            caps[said.currency] = min(said.amount_minor, caps.get(said.currency, said.amount_minor))
        elif isinstance(said, Mask):
            masked.update(said.what)
        else:
            others[_place(said)] = said
    made: list[Obligation] = [Delay(minutes=max(delays))] if delays else []
    made += (Cap(amount_minor=amount, currency=currency) for currency, amount in sorted(caps.items()))
    if masked:
        made.append(Mask.model_validate({"what": sorted(masked)}))
    return (*made, *(others[place] for place in sorted(others)))


def _place(said: Obligation) -> str:
    if isinstance(said, Sample):
        return f"sample {said.percent:012.6f} {said.role or ''}"
    return f"notify {said.role}" if isinstance(said, Notify) else f"disclose {said.model_dump_json()}"

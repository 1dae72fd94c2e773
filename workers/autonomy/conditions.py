"""The conditions under which something may be proposed to run by itself: a short declared list, every one with what keeps it safe.

Pure. A condition is a conjunction of plain comparisons over facts; it is written as CEL into the proposed rule and evaluated
here by the policy's own engine, so that what was counted is what would be let through. How many there are depends on the
kind alone and never on what the decisions look like: all of them are paid for when the bound is reckoned.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import floor
from typing import Any

from policies.messages import money
from policies.types import Facts

#: of the most frequent, so many are tried
INTENTS = 3
CURRENCIES = 2
#: upper ends of bands of money, in minor units
BANDS = (2_500, 5_000, 10_000, 20_000)

#: a word counts as seen from so many decisions on
OFTEN = 5

#: what holds in every condition, with a value of the fact that breaks it, for the tests of a proposal
SAFE: Mapping[str, tuple[str, Any]] = {
    "size(risk_flags) == 0": ("risk_flags", ["press"]),
    "size(untrusted_arguments) == 0": ("untrusted_arguments", ["body"]),
    "!abstained": ("abstained", True),
    "target_is_record": ("target_is_record", False),
    "size(missing_context) == 0": ("missing_context", ["customer"]),
    "!edited_by_person": ("edited_by_person", True),
    "!repeats_earlier_action": ("repeats_earlier_action", True),
    "!recipient_is_unknown": ("recipient_is_unknown", True),
    "size(unknown_tags) == 0": ("unknown_tags", ["vip-approved"]),
    'unknown_team == ""': ("unknown_team", "refund-robots"),
    "!findings_are_altered": ("findings_are_altered", True),
    "!text_has_secret": ("text_has_secret", True),
    "!text_has_others_data": ("text_has_others_data", True),
    "!text_has_markup": ("text_has_markup", True),
    "!text_has_unknown_link": ("text_has_unknown_link", True),
    "!text_has_unknown_amount": ("text_has_unknown_amount", True),
    "!text_has_unknown_contact": ("text_has_unknown_contact", True),
}


@dataclass(frozen=True, slots=True)
class Part:
    """One comparison: as CEL, in words, and a value of its fact that breaks it."""

    cel: str
    words: str
    broken: tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """Comparisons that must all hold, beside those in `SAFE`."""

    parts: tuple[Part, ...]

    @property
    def words(self) -> str:
        return ", ".join(part.words for part in self.parts) or "nothing but that it is safe"


_VERIFIED = Part("customer_verified", "of verified customers", ("customer_verified", False))
_DUE = Part("refund_is_due", "that are due by the records alone", ("refund_is_due", False))
_QUIET = Part("!asks_for_something", "where the message asks for nothing", ("asks_for_something", True))


def tried(*, money: bool) -> int:
    """How many conditions are tried for a kind, whatever its decisions look like."""
    plain = 2 * 2 * (1 + INTENTS)
    return plain * 2 * CURRENCIES * len(BANDS) if money else plain


def candidates(situations: Sequence[Facts], *, money: bool) -> list[Condition]:
    """Every condition to try on these situations: at most `tried`."""
    intents = [intent for intent, _ in _frequent((one.intent for one in situations), INTENTS)]
    choices: list[list[Part | None]] = [
        [None, _VERIFIED],
        [None, _QUIET],
        [None, *(_intent(intent) for intent in intents)],
    ]
    if money:
        currencies = [currency for currency, _ in _frequent((one.currency for one in situations), CURRENCIES)]
        choices += [[None, _DUE], [_band(currency, most) for currency in currencies for most in BANDS]]
    return [Condition(tuple(part for part in chosen if part is not None)) for chosen in product(*choices)]


def confident(situations: Iterable[Facts]) -> tuple[Part, Part]:
    """Never less sure than in what was seen."""
    seen = list(situations)
    lowest = {
        "triage_confidence": min(one.triage_confidence for one in seen),
        "draft_confidence": min(one.draft_confidence for one in seen),
    }
    triage, draft = (
        Part(f"{name} >= {_down(value)}", f"{name.replace('_', ' ')} at least {_down(value)}", (name, 0.0))
        for name, value in lowest.items()
    )
    return triage, draft


def ordinary(situations: Sequence[Facts], names: Iterable[str]) -> set[tuple[str, str]]:
    """Of these facts that are words, each value that was seen often enough to be counted on."""
    counted = Counter(
        (name, value) for one in situations for name in names if isinstance(value := getattr(one, name), str)
    )
    return {pair for pair, times in counted.items() if times >= OFTEN}


def within(situations: Sequence[Facts], names: Iterable[str]) -> list[Part]:
    """Nothing but what was seen, of the facts that the rules in the way look at: what nobody decided about proves nothing."""
    made = []
    for name in sorted(set(names)):
        seen = [getattr(one, name) for one in situations]
        if (part := _within(name, seen)) is not None:
            made.append(part)
    return made


def _within(name: str, seen: Sequence[Any]) -> Part | None:
    if all(isinstance(value, bool) for value in seen):
        if len(set(seen)) > 1:
            return None
        return Part(name if seen[0] else f"!{name}", "", (name, not seen[0]))
    if all(isinstance(value, str) for value in seen):
        values = ", ".join(json.dumps(value) for value in sorted(set(seen)))
        return Part(f"{name} in [{values}]", "", (name, "other-than-those"))
    if all(isinstance(value, list) for value in seen):
        return None if any(seen) else Part(f"size({name}) == 0", "", (name, ["other-than-none"]))
    if all(isinstance(value, int) for value in seen):
        return Part(f"{name} >= {min(seen)} && {name} <= {max(seen)}", "", (name, max(seen) + 1))
    if all(isinstance(value, float | int) for value in seen):
        return Part(f"{name} >= {_down(min(seen))}", "", (name, min(seen) - 1.0))
    return None


def named(parts: Iterable[Part]) -> set[str]:
    """The facts that these, and what keeps every condition safe, look at already."""
    return {part.broken[0] for part in parts} | {fact for fact, _ in SAFE.values()}


def written(parts: Iterable[Part]) -> str:
    """All of it as CEL: what was chosen, then what keeps it safe."""
    return "\n&& ".join([*(part.cel for part in parts), *SAFE])


def _frequent(values: Iterable[str], most: int) -> list[tuple[str, int]]:
    counted = Counter(value for value in values if value and value.isprintable())
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:most]


def _intent(intent: str) -> Part:
    return Part(f"intent == {json.dumps(intent)}", f"about {intent.replace('_', ' ')}", ("intent", "other-than-that"))


def _band(currency: str, most: int) -> Part:
    cel = f"has_amount && amount_minor > 0 && amount_minor <= {most} && currency == {json.dumps(currency)}"
    return Part(cel, f"of at most {money(most, currency)}", ("amount_minor", most + 1))


def _down(value: float) -> float:
    # A confidence of 0 is written with a point: CEL compares decimals with decimals only.
    return floor(value * 100) / 100

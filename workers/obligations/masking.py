"""Replacing what somebody could misuse in a text that leaves: card numbers, IBANs, national ids, telephone numbers, addresses.

Called by `meeting` before a digest is made, so a person sees the text as it will leave. What was replaced cannot be had back
from what is left. A text that was masked is left as it is by a second time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, Final

from integrations.models.redaction.finding import CARD, EMAIL, IBAN, NATIONAL_ID, PHONE, Found, Wanted, find

#: what is put where a value was; of a card people need the last digits to know which one is meant
SIGNS: Final[Mapping[str, str]] = {
    CARD: "[card ending {last}]",
    IBAN: "[IBAN]",
    NATIONAL_ID: "[national ID]",
    PHONE: "[telephone number]",
    EMAIL: "[e-mail address]",
}
#: in words, one and several
NAMES: Final[Mapping[str, tuple[str, str]]] = {
    CARD: ("card number", "card numbers"),
    IBAN: ("IBAN", "IBANs"),
    NATIONAL_ID: ("national ID", "national IDs"),
    PHONE: ("telephone number", "telephone numbers"),
    EMAIL: ("e-mail address", "e-mail addresses"),
}


def masked(text: str, classes: Collection[str]) -> tuple[str, Counter[str]]:
    """The text without values of these classes, and how many of each were replaced."""
    pieces: list[str] = []
    counts: Counter[str] = Counter()
    upto = 0
    for found in find(text, Wanted(frozenset(classes))):
        pieces += [text[upto : found.start], _sign(text, found)]
        upto = found.end
        counts[found.kind] += 1
    return "".join([*pieces, text[upto:]]), counts


def masked_within(value: Any, classes: Collection[str]) -> tuple[Any, Counter[str]]:
    """The same for every text within plain JSON."""
    if isinstance(value, str):
        return masked(value, classes)
    counts: Counter[str] = Counter()
    if isinstance(value, Mapping):
        mapping = {}
        for key, item in value.items():
            mapping[key], found = masked_within(item, classes)
            counts += found
        return mapping, counts
    if isinstance(value, list | tuple):
        items = []
        for item in value:
            replaced, found = masked_within(item, classes)
            items.append(replaced)
            counts += found
        return items, counts
    return value, counts


def told(counts: Mapping[str, int]) -> str:
    """``2 card numbers and 1 IBAN``."""
    named = [f"{n} {NAMES[kind][n != 1]}" for kind, n in sorted(counts.items()) if n]
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


def _sign(text: str, found: Found) -> str:
    digits = [character for character in text[found.start : found.end] if character.isdecimal()]
    return SIGNS[found.kind].format(last="".join(digits[-4:]))

"""Rule messages: plain language with the values that mattered, ``Refund of {amount}: a lead decides``.

A message is parsed and its names are checked when a policy is loaded; filling it in afterwards cannot fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from string import Formatter
from typing import Any, Final

from policies.types import Facts

#: names that stand for money, with the facts that they are made of
MONEY: Final = {
    "amount": ("amount_minor", "currency"),
    "charge_amount": ("charge_amount_minor", "charge_currency"),
    "charge_refundable": ("charge_refundable_minor", "charge_currency"),
}
NAMES: Final = frozenset(Facts.model_fields) | MONEY.keys()

# ISO 4217: how many digits the minor unit has, where it is not two.
_DIGITS: Final = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND"), 0),
    **dict.fromkeys(("VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
_EXACT_BELOW: Final = 1e9


@dataclass(frozen=True, slots=True)
class Message:
    """A parsed message: text and names in turn."""

    template: str
    parts: tuple[tuple[str, str | None], ...]

    @classmethod
    def parse(cls, template: str) -> Message:
        """Raise `ValueError` for unbalanced braces and names that are no fact."""
        parts: list[tuple[str, str | None]] = []
        for text, name, spec, conversion in Formatter().parse(template):
            if name is not None and (name not in NAMES or spec or conversion):
                raise ValueError(f"{{{name}}} is no fact: only {{fact}} and {{{'}, {'.join(MONEY)}}} can be filled in")
            parts.append((text, name))
        return cls(template, tuple(parts))

    @property
    def facts(self) -> frozenset[str]:
        """The facts that it shows."""
        names = [name for _, name in self.parts if name is not None]
        return frozenset(fact for name in names for fact in MONEY.get(name, (name,)))

    def fill(self, facts: Mapping[str, Any]) -> str:
        filled = ""
        for text, name in self.parts:
            filled += text if name is None else text + _value(name, facts)
        return filled


def money(minor: int, currency: str) -> str:
    """``4000, "EUR"`` as ``40.00 EUR``."""
    if not currency:
        return f"{minor} minor units"
    digits = _DIGITS.get(currency, 2)
    if not digits:
        return f"{minor:,} {currency}"
    whole, part = divmod(abs(minor), 10**digits)
    return f"{'-' if minor < 0 else ''}{whole:,}.{part:0{digits}d} {currency}"


def plain(value: Any) -> str:
    """A fact as people write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(plain, value)) or "none"
    if isinstance(value, float) and abs(value) < _EXACT_BELOW:
        # Cut, not rounded: a confidence just below a threshold must not be shown as having reached it.
        return f"{Decimal(repr(value)).quantize(Decimal('0.001'), ROUND_DOWN).normalize():f}"
    return str(value) or "none"


def _value(name: str, facts: Mapping[str, Any]) -> str:
    if name in MONEY:
        minor, currency = MONEY[name]
        return money(facts[minor], facts[currency])
    return plain(facts[name])

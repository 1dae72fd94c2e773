"""Money between minor units and what people type: exact, without floats, and refusing what could be read in two ways."""

from __future__ import annotations

import re
from functools import cache

from policies.messages import money


class UnclearAmount(ValueError):
    """What was typed is no amount in this currency; the message says what would be."""


def written(minor: int, currency: str) -> str:
    """``4000, "EUR"`` as ``40.00``, ready to be edited."""
    digits = minor_digits(currency)
    sign, units = ("-" if minor < 0 else ""), abs(minor)
    if not digits:
        return f"{sign}{units}"
    whole, rest = divmod(units, 10**digits)
    return f"{sign}{whole}.{rest:0{digits}d}"


def read(text: str, currency: str) -> int:
    """``"40"``, ``"40.5"``, ``"40,50"`` in minor units. Raise `UnclearAmount` rather than guess."""
    digits = minor_digits(currency)
    match = re.fullmatch(r"(-?)([0-9]{1,15})(?:([.,])([0-9]{1,4}))?", text.strip())
    example = written(123450 if digits else 1234, currency)
    if match is None:
        raise UnclearAmount(f"Write the amount like {example}: digits, and a point before the decimals.")
    sign, whole, mark, rest = match.group(1), match.group(2), match.group(3), match.group(4) or ""
    if len(rest) > digits:
        allowed = f"{digits} decimals" if digits else "no decimals"
        raise UnclearAmount(f"{currency or 'This currency'} has {allowed}: write the amount like {example}.")
    if mark == "," and digits == 3:
        # 1,234 is a thousand to some and one and a bit to others.
        raise UnclearAmount(f"Write the amount like {example}, with a point before the decimals.")
    minor = int(whole + rest.ljust(digits, "0"))
    return -minor if sign else minor


@cache
def minor_digits(currency: str) -> int:
    """How many decimals a currency has. Read off the policy's own way of writing it, so that there is one table."""
    if not re.fullmatch(r"[A-Z]{3}", currency):
        return 2
    return len(money(0, currency).partition(" ")[0].partition(".")[2])

"""Identifiers: a readable prefix, 48 bits of milliseconds, 80 random bits, in Crockford's base 32.

Sortable by time, so primary-key inserts land at the end of the index; unguessable enough to show in an address. Those of
one process follow each other even within a millisecond, so that what was written down first is also listed first.
"""

from __future__ import annotations

import secrets
import threading
import time
from datetime import UTC, datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
#: two digits at a time, from the first to the last
_PAIRS = tuple(one + other for one in _ALPHABET for other in _ALPHABET)
_PLACES = tuple(range(120, -10, -10))


class _Series:
    """Numbers that only rise: 48 bits of milliseconds, 80 random bits."""

    def __init__(self) -> None:
        self._newest = 0
        self._in_turn = threading.Lock()

    def take(self) -> int:
        made = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
        with self._in_turn:
            if made <= self._newest:
                # The same millisecond, or a clock that was set back: a random step further than the one before.
                made = self._newest + 1 + secrets.randbits(64)
            self._newest = made
        return made


_SERIES = _Series()


def new_id(prefix: str) -> str:
    return _spell(prefix, _SERIES.take())


def first_id(prefix: str, at: datetime) -> str:
    """The smallest id that can be made from this moment on: what is at least as large was made since."""
    return _spell(prefix, int(at.timestamp() * 1000) << 80)


def made_at(identifier: str) -> datetime:
    """When an id was made."""
    number = 0
    for digit in identifier.partition("_")[2]:
        number = number << 5 | _ALPHABET.index(digit)
    return datetime.fromtimestamp((number >> 80) / 1000, UTC)


def _spell(prefix: str, number: int) -> str:
    digits = [_PAIRS[number >> place & 1023] for place in _PLACES]
    return f"{prefix}_{''.join(digits)}"

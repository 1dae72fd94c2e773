"""Identifiers: a readable prefix, 48 bits of milliseconds, 80 random bits, in Crockford's base 32.

Sortable by time, so primary-key inserts land at the end of the index; unguessable enough to show in an address. Those of
one process follow each other even within a millisecond, so that what was written down first is also listed first.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from datetime import UTC, datetime, timedelta

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
#: the digits of Python's own base 32, in the same order
_DIGITS = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")
#: two digits at a time, from the first to the last
_PAIRS = tuple(one + other for one in _ALPHABET for other in _ALPHABET)
#: bytes of randomness in an identifier, and for how many they are drawn at once
_BYTES, _LOT = 10, 64


class _Series:
    """Numbers that only rise: 48 bits of milliseconds, 80 random bits."""

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """In a process that was forked, too: what was drawn before belongs to the one that it came from."""
        self._newest = 0
        self._in_turn = threading.Lock()
        self._drawn, self._given = b"", 0

    def take(self) -> int:
        with self._in_turn:
            made = (time.time_ns() // 1_000_000) << 80 | self._bits()
            if made <= self._newest:
                # The same millisecond, or a clock that was set back: a random step further than the one before.
                made = self._newest + 1 + (self._bits() >> 16)
            self._newest = made
        return made

    def _bits(self) -> int:
        """80 random bits, given out once. Drawn from the system for many at a time: to ask it costs more than all the rest."""
        if self._given == len(self._drawn):
            self._drawn, self._given = secrets.token_bytes(_BYTES * _LOT), 0
        begin, self._given = self._given, self._given + _BYTES
        return int.from_bytes(self._drawn[begin : self._given])


_SERIES = _Series()
os.register_at_fork(after_in_child=_SERIES.begin_anew)


def new_id(prefix: str) -> str:
    return _spell(prefix, _SERIES.take())


def first_id(prefix: str, at: datetime) -> str:
    """The smallest id that can be made from this moment on: what is at least as large was made since. None is of before 1970."""
    return _spell(prefix, max(int(at.timestamp() * 1000), 0) << 80)


def first_within(prefix: str, span: timedelta) -> str:
    """The smallest id that can have been made in so long, by the clock that ids are made by."""
    return first_id(prefix, datetime.now(UTC) - span)


def until_now(identifier: str) -> str:
    """An id, or the smallest that can be made from now on where it is of a moment to come: of a machine whose clock is ahead.
    Whoever marks by ids how far they looked would else pass over all that is made until then."""
    prefix, _, _ = identifier.partition("_")
    return min(identifier, first_id(prefix, datetime.now(UTC)))


def made_at(identifier: str) -> datetime:
    """When an id was made."""
    return datetime.fromtimestamp((number_in(identifier.partition("_")[2]) >> 80) / 1000, UTC)


def number_in(text: str) -> int:
    """The number that an id spells out after its prefix. Raise `ValueError` for what is no number."""
    return int(text.translate(_DIGITS), 32)


def spelled(number: int) -> str:
    """A number below 2 to the 128th as ids spell it out."""
    return _spell("", number)[1:]


def _spell(prefix: str, n: int) -> str:
    # Written out, which takes half the time of a loop; a case has a dozen of these.
    p = _PAIRS
    return (
        f"{prefix}_{p[n >> 120]}{p[n >> 110 & 1023]}{p[n >> 100 & 1023]}{p[n >> 90 & 1023]}{p[n >> 80 & 1023]}"
        f"{p[n >> 70 & 1023]}{p[n >> 60 & 1023]}{p[n >> 50 & 1023]}{p[n >> 40 & 1023]}{p[n >> 30 & 1023]}"
        f"{p[n >> 20 & 1023]}{p[n >> 10 & 1023]}{p[n & 1023]}"
    )

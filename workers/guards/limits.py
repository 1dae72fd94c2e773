"""Limits: how often a vendor may be called, as the setting `vendor_limits` says it, and the arithmetic of a token bucket.

Pure: no clock, no store. `shared` keeps the buckets, `settings` has refused what cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_ONE = re.compile(r"\s*([a-z0-9_]+)\s*=\s*(\d+(?:\.\d+)?)\s*/\s*(s|min|h)\s*")

#: longest wait of a thread for its turn, in seconds; who would wait longer gives the thread back
PATIENCE = 0.2
#: of who must not be sent away: what it takes is owed, however much that is already
ENDLESS = 1e9


@dataclass(frozen=True, slots=True)
class Limit:
    """So many calls in so many seconds, over all workers."""

    calls: float
    seconds: float

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.calls / self.seconds

    @property
    def burst(self) -> float:
        """How many may be made at once after a pause: those of one second, and at least one."""
        return max(1.0, self.rate)

    def __str__(self) -> str:
        name = next((name for name, seconds in _SECONDS.items() if seconds == self.seconds), f"{self.seconds:g} s")
        return f"{self.calls:g}/{name}"


@dataclass(frozen=True, slots=True)
class Turn:
    """The answer of a bucket: call after `wait` seconds, or, where `granted` is false, come back after them."""

    granted: bool
    wait: float


def parse(text: str) -> Mapping[str, Limit]:
    """``zendesk=10/s,anthropic=3000/min`` by vendor. A limit of 0 is none. Raise `ValueError`."""
    limits = {}
    for part in filter(str.strip, text.split(",")):
        found = _ONE.fullmatch(part)
        if found is None:
            raise ValueError(f"{part!r} is no limit; write it as zendesk=10/s")
        if float(found[2]) > 0:
            limits[found[1]] = Limit(float(found[2]), _SECONDS[found[3]])
    return limits


def turn(limit: Limit, tokens: float, elapsed: float, patience: float = PATIENCE) -> tuple[float, Turn]:
    """What is in the bucket after one more asked, `elapsed` seconds after `tokens` were in it; and that one's turn.

    The bucket may go below zero by what `patience` seconds will fill again: those calls are made a little later, evenly
    spaced, instead of all coming back at once.
    """
    present = min(limit.burst, tokens + max(0.0, elapsed) * limit.rate)
    left = present - 1
    if left >= -limit.rate * patience:
        return left, Turn(True, max(0.0, -left / limit.rate))
    return present, Turn(False, -left / limit.rate)

"""How long to wait before trying again: what the other side asked for, else doubling from a second, with jitter."""

from __future__ import annotations

import random
from datetime import timedelta

LONGEST = 300.0
LONGEST_ASKED = 3600.0


def pause(failures: int, retry_after: float | None = None) -> timedelta:
    """The wait after the (failures + 1)-th failure in a row, in 0.5 to 1 of its nominal length so that many do not
    come back at once. `retry_after`, in seconds, is honoured up to an hour and never shortened."""
    if retry_after is not None and retry_after > 0:
        return timedelta(seconds=min(retry_after, LONGEST_ASKED))
    nominal = min(2.0 ** min(failures, 16), LONGEST)
    return timedelta(seconds=nominal * (0.5 + random.random() / 2))  # noqa: S311 - jitter, not a secret

"""Whether a call that failed is worth one quick second try, and after how long. Pure; the router asks.

Waiting for longer than a moment is the pipeline's business, which survives a restart, or the next model's turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from integrations.errors import IntegrationError, Postponed, Temporary

#: a wait that is asked for and no longer than this is waited out in the call
SOON: Final = 2.0
#: what failed later than this was slow, not unlucky: asking again would double the wait
QUICK: Final = 2.0
#: the second try comes within so many seconds where no wait was asked for
MOMENT: Final = 0.5
#: and at most so much later than was asked, so that not all come back at once
SLACK: Final = 0.25

Jitter = Callable[[float, float], float]


def again_after(error: IntegrationError, *, took: float, jitter: Jitter) -> float | None:
    """Seconds to wait before the second try, in full jitter; None where there should be none."""
    if not isinstance(error, Temporary) or isinstance(error, Postponed):
        # Postponed: nothing was sent, and what holds it back holds longer than a moment.
        return None
    if error.retry_after is not None:
        return error.retry_after + jitter(0.0, SLACK) if error.retry_after <= SOON else None
    return jitter(0.0, MOMENT) if took <= QUICK else None

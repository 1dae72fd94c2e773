"""What may still be spent, as the router asks for it before each call. `workers.bill` answers out of the store.

Integrations know no store, so all that stands here is the question, and the error where the answer is: nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from integrations.models.base import ModelRequest, Unanswered, Usage


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of the tightest budget. `told` names it in a sentence, with its size and the setting that raises it."""

    usd: Decimal
    told: str


class Budget(Protocol):
    """Where no budget is set there is no `Budget` either, and nothing is asked."""

    def left(self, request: ModelRequest[Any]) -> Left | None:
        """None where no budget covers this request."""

    def spent(self, request: ModelRequest[Any], usages: Sequence[Usage]) -> None:
        """A call was paid for, whether it gave anything or not; it is not in the store yet."""


class OverBudget(Unanswered):
    """No model was asked, because a budget is used up and none that costs nothing may serve. A person must look."""

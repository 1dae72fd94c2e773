"""An action kind: the one declaration from which proposals are checked, forms drawn, verdicts reached and effects made.

Agents propose arguments, the inbox edits them, `execute` hands them to `perform`. Nothing here calls anything outside;
`perform` and `look` are run by `execute` alone, which is the only holder of Writers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from integrations.base import Receipt
from policies import messages


class Delivery(StrEnum):
    """What the other side offers against doing a thing twice (DESIGN invariant 5)."""

    IDEMPOTENT = "idempotent"
    RECONCILABLE = "reconcilable"
    AT_MOST_ONCE = "at_most_once"


class Risk(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Arguments(BaseModel):
    """Base of every kind's argument schema: exact types, nothing extra, no floats, so that a digest means one thing."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Effect:
    """What `perform` gets besides the arguments: where, under which key, and the version it was approved for."""

    target_id: str
    key: str
    if_version: str
    customer: str


@dataclass(frozen=True, slots=True)
class ActionKind:
    """One kind of change to the outside world.

    Attributes:
        name: imperative, ``refund_payment``.
        sentence: template over the arguments and ``customer``; says on the card what will happen. ``{amount}`` is the
            money of ``amount_minor`` and ``currency``.
        target: the ref that the action changes, from the arguments and the case's subject.
        writer: the Writer protocol that carries it out.
        perform: makes the effect. May raise what `integrations.errors` names.
        look: for reconcilable kinds, finds the effect by its key, or None where it did not happen.
        guarded: the target's version token is re-read before execution and must be the one drafted against.
        moves_money: puts it before the actions that speak of it; those rest on it.
        speaks: its text leaves the house.
        hold: time between approval and execution in which it can be undone.
        long_fields: arguments shown as a text area rather than a line.
    """

    name: str
    title: str
    sentence: str
    arguments: type[Arguments]
    target: Callable[[Mapping[str, Any], str], str]
    risk: Risk
    reversible: bool
    delivery: Delivery
    writer: type
    perform: Callable[[Any, Any, Effect], Receipt]
    look: Callable[[Any, Any, Effect], Receipt | None] | None = None
    undo: str | None = None
    guarded: bool = True
    moves_money: bool = False
    speaks: bool = False
    hold: timedelta = timedelta(0)
    long_fields: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.delivery is Delivery.RECONCILABLE) != (self.look is not None):
            raise ValueError(f"{self.name!r}: exactly the reconcilable kinds can look for their effect")

    def describe(self, arguments: Mapping[str, Any], customer: str) -> str:
        """The sentence that tells a person what will happen, from the arguments alone, never from the model's prose."""
        shown = {name: _shown(value) for name, value in arguments.items()}
        return self.sentence.format_map({"customer": customer or "the customer", "amount": money(arguments), **shown})


def money(arguments: Mapping[str, Any]) -> str:
    """``40.00 EUR`` from ``amount_minor`` and ``currency``; empty where there is no amount."""
    amount, currency = arguments.get("amount_minor"), arguments.get("currency")
    return messages.money(amount, currency) if isinstance(amount, int) and isinstance(currency, str) else ""


def subject_target(_arguments: Mapping[str, Any], subject: str) -> str:
    """For kinds that act on what the case is about."""
    return subject


def charge_target(arguments: Mapping[str, Any], subject: str) -> str:
    """For kinds that act on a charge named in the arguments, in the system that the case came from."""
    return f"{subject.split(':', 1)[0]}:charge:{arguments.get('charge_id', '')}"


def _shown(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= 80 else text[:77] + "…"

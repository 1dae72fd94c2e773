"""An action kind: the one declaration from which proposals are checked, forms drawn, verdicts reached and effects made.

Agents propose arguments, the inbox edits them, `execute` hands them to `perform`. Nothing here calls anything outside;
`perform` and `look` are run by `execute` alone, which is the only holder of Writers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from string import Formatter
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from integrations.base import Receipt
from policies import messages

#: arguments that name what an action is about, whatever its kind. They are no text: nothing is said in them, and to replace a
#: part of one would be to act on something else
NAMING = frozenset({"charge_id", "currency", "slug", "to", "team", "url"})
#: what turns or splits a line under its reader's eyes; the joiners of emojis and of Persian words are none of it
_TURNING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)


#: what pydantic calls types whose values are other ones, or have no single written form, once they were JSON
_NOT_PLAIN = frozenset(
    [
        "bytes",
        "date",
        "datetime",
        "decimal",
        "enum",
        "float",
        "frozenset",
        "is-instance",
        "set",
        "time",
        "timedelta",
        "tuple",
        "uuid",
    ]
)


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
        hold: time between approval and execution in which it can be stopped.
        undo: the kind that takes it back, where there is one.
        letter: the argument whose text somebody outside reads; what the policy wants said is put at its end.
        fixed: nobody may change its arguments, neither a person nor the policy: they can only be taken or refused.
        never_automatic: however often people said yes, nobody proposes to let it run by itself. What weighs much and
            cannot be taken back is always so.
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
    letter: str = ""
    fixed: bool = False
    never_automatic: bool = False

    def __post_init__(self) -> None:
        if (self.delivery is Delivery.RECONCILABLE) != (self.look is not None):
            raise ValueError(f"{self.name!r}: exactly the reconcilable kinds can look for their effect")
        told = {
            name.partition(".")[0].partition("[")[0]
            for _, name, _, _ in Formatter().parse(self.sentence)
            if name is not None
        }
        for named in sorted({*told - {"amount", "customer"}, *self.long_fields, *filter(None, [self.letter])}):
            if named not in self.arguments.model_fields:
                raise ValueError(f"{self.name!r} has no argument {named!r}")
        for where, what in _unfit(self.arguments.__pydantic_core_schema__):
            raise ValueError(
                f"{self.name!r}: the argument {where!r} is of a type ({what}) that does not come back from JSON as it was; use "
                "str, int, bool, Literal, list, or a model of these"
            )
        if getattr(self.writer, "_is_protocol", False) and not getattr(self.writer, "_is_runtime_protocol", False):
            raise ValueError(f"{self.name!r}: its writer {self.writer.__name__} must be marked @runtime_checkable")
        if self.risk is Risk.HIGH and not self.reversible and not self.never_automatic:
            raise ValueError(f"{self.name!r} weighs much and cannot be taken back: it must be marked never_automatic")

    def describe(self, arguments: Mapping[str, Any], customer: str) -> str:
        """The sentence that tells a person what will happen, from the arguments alone, never from the model's prose. Characters by
        which an argument would turn it round are written as ``\\u202e``."""
        shown = {name: _shown(value) for name, value in arguments.items()}
        said = self.sentence.format_map({"customer": customer or "the customer", "amount": money(arguments), **shown})
        return said if said.isprintable() else _TURNING.sub(lambda found: f"\\u{ord(found[0]):04x}", said)


def _unfit(schema: object, where: str = "") -> Iterator[tuple[str, str]]:
    """The arguments of a type that an approved action could not be read back as, with that type."""
    if isinstance(schema, Mapping):
        if schema.get("type") in _NOT_PLAIN:
            yield where, str(schema["type"])
        for name, part in schema.items():
            if name == "fields" and isinstance(part, Mapping):
                for field, inner in part.items():
                    yield from _unfit(inner, field)
            elif name not in ("serialization", "metadata"):
                yield from _unfit(part, where)
    elif isinstance(schema, list | tuple):
        for part in schema:
            yield from _unfit(part, where)


def first_flaw(error: ValidationError) -> str:
    """Where arguments do not fit their schema, and how: the first place."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def vendor_of(target: str) -> str:
    """The system that an action changes, as its kill switch names it: ``stripe`` of ``stripe:charge:ch_1``."""
    return target.partition(":")[0]


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
    if len(text) <= 80:
        return text
    kept, _, _ = text[:78].rpartition(" ")
    return (kept.rstrip(" ,;:(") or text[:77]) + "…"

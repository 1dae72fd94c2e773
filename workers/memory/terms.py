"""The words of memory: kinds, origins, how long each is kept, and what was learned before it is written down."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from workers.agents.origins import Evidence, normal, unknowns
from workers.settings import Settings

_NOTHING = Evidence.of((), ())


class Kind(StrEnum):
    OUTCOME = "outcome"  # what a case came to
    DECISION = "decision"  # what a colleague decided, and why
    PREFERENCE = "preference"  # what our own records say that somebody wants
    CLAIM = "claim"  # what was written to us
    NOTE = "note"  # what a colleague wrote down to be remembered


class Origin(StrEnum):
    TRUSTED = "trusted"
    PERSON = "person"
    UNTRUSTED = "untrusted"


@dataclass(frozen=True, slots=True)
class Terms:
    """How long each kind is kept, and how many an agent is told. Notes and corrections are kept until somebody forgets them."""

    told: int = 8
    outcome: timedelta = timedelta(days=730)
    decision: timedelta = timedelta(days=365)
    preference: timedelta = timedelta(days=365)
    claim: timedelta = timedelta(days=90)

    @classmethod
    def of(cls, settings: Settings) -> Terms:
        return cls(
            told=settings.memory_told,
            outcome=timedelta(days=settings.memory_outcome_days),
            decision=timedelta(days=settings.memory_decision_days),
            preference=timedelta(days=settings.memory_preference_days),
            claim=timedelta(days=settings.memory_claim_days),
        )

    def end(self, kind: str, since: datetime) -> datetime | None:
        if kind == Kind.NOTE:
            return None
        lasts: timedelta = getattr(self, kind)
        return since + lasts


@dataclass(frozen=True, slots=True)
class Learned:
    """One thing that a closed case teaches.

    `single` says that of its slot only one can hold at a time, so that a new one replaces the older.
    """

    about: tuple[str, str]
    kind: Kind
    slot: str
    text: str
    origin: Origin
    confidence: float
    case_id: str
    domain: str
    at: datetime
    refs: Sequence[str] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    single: bool = False

    @property
    def signature(self) -> str:
        return signature(self.slot, self.origin, self.text)


def vouched(origin: str, text: str) -> bool:
    """Whether a memory may be told as trusted: a record or a colleague said it, and nothing in it could vouch for where
    money or mail goes. Worked out when it is written, so that telling it costs nothing."""
    if origin not in (Origin.TRUSTED, Origin.PERSON):
        return False
    named = unknowns(text, _NOTHING)
    return not (named.links or named.contacts or named.amounts)


def signature(slot: str, origin: str, text: str) -> str:
    """By which the same is known again. The origin is part of it: what a stranger repeats confirms no record."""
    return hashlib.sha256("\n".join((slot, origin, normal(text))).encode("utf-8", "surrogatepass")).hexdigest()

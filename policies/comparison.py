"""What two policies say of the same decisions, counted: the words of a backtest's report. Pure data, filled by `backtest`.

A page, a terminal and a proposal for more autonomy all read the same `Report`; `as_json` is what is stored of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple

from policies.types import Outcome, Requirement, Verdict


class Became(StrEnum):
    """What became of an action after it was decided, as far as it is known."""

    UNKNOWN = "unknown"
    #: ran without a person, and nothing was heard against it
    AUTOMATIC = "automatic"
    #: a person said yes to it as it was drafted
    APPROVED = "approved"
    #: a person changed it and then said yes
    EDITED = "edited"
    #: a person said no, or nobody said yes in time
    REJECTED = "rejected"
    #: it was tried and did not succeed
    FAILED = "failed"
    #: it was done and taken back later
    REVERSED = "reversed"


#: a person was needed after all: had it run by itself, it would have been wrong
WRONG = frozenset({Became.EDITED, Became.REJECTED, Became.REVERSED})
#: nobody was needed: it went well as it was drafted
RIGHT = frozenset({Became.APPROVED, Became.AUTOMATIC})


class Move(NamedTuple):
    """One outcome before, one after; the same twice where nothing moved."""

    before: Outcome
    after: Outcome

    @property
    def told(self) -> str:
        return f"{_name(self.before)}>{_name(self.after)}"


@dataclass(frozen=True, slots=True)
class Said:
    """As much of a verdict as is compared."""

    outcome: Outcome
    asked: tuple[Requirement, ...]
    rules: tuple[str, ...]

    @classmethod
    def of(cls, verdict: Verdict) -> Said:
        return cls(verdict.outcome, asked(verdict.requirements), verdict.rules)

    @classmethod
    def kept(cls, data: Mapping[str, Any]) -> Said:
        """Out of a stored record; what it leaves out is at its default. Raise `KeyError` where it is none."""
        people = (Requirement(r["role"], r.get("n", 1), r.get("stage", 0)) for r in data["requirements"])
        return cls(Outcome[data["outcome"].upper()], asked(people), tuple(data["rules"]))


def asked(requirements: Iterable[Requirement]) -> tuple[Requirement, ...]:
    """In one order, and without what only matters once they are late."""
    plain = (replace(r, ladder=()) if r.ladder else r for r in requirements)
    return tuple(sorted(plain, key=lambda r: (r.stage, r.role, r.n)))


@dataclass(frozen=True, slots=True)
class Money:
    """How many actions stated an amount, and what these come to, in minor units of one currency."""

    count: int
    minor: int


@dataclass(slots=True)
class RuleShift:
    """What one rule had to do with it. It decides where the verdict names it; `gained` and `lost` count differing decisions
    that it decides now and did not before, and the other way round."""

    matched: int = 0
    failed: int = 0
    decided_before: int = 0
    decided_after: int = 0
    gained: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """One decision that would be another: the outcome differs, or who is asked."""

    id: str
    domain: str
    kind: str
    #: None where the action states no amount
    amount_minor: int | None
    currency: str
    before: Said
    after: Said
    #: why, in the new policy's words
    reasons: tuple[str, ...]
    became: Became


@dataclass(frozen=True, slots=True)
class Report:
    """What would differ. Every mapping leaves out what was counted zero times, but `rules` has every rule of the policy."""

    policy: str
    policy_hash: str
    #: all that were looked at, those that could not be read among them
    judged: int
    unreadable: int
    moves: Mapping[Move, int]
    #: what became of them, by move
    known: Mapping[tuple[Became, Move], int]
    #: by currency and move
    money: Mapping[tuple[str, Move], Money]
    #: by ``domain/kind`` and move
    kinds: Mapping[tuple[str, Move], int]
    #: by the day on which it occurred (``2026-11-20``) and move
    days: Mapping[tuple[str, Move], int]
    rules: Mapping[str, RuleShift]
    #: all that differ; `changes` are the first of them
    differing: int
    changes: tuple[Change, ...]

    @property
    def before(self) -> dict[Outcome, int]:
        return self._side(0)

    @property
    def after(self) -> dict[Outcome, int]:
        return self._side(1)

    @property
    def no_longer_automatic(self) -> int:
        """Ran by themselves, and would not."""
        return self._count(lambda move: move.before < Outcome.REVIEW <= move.after)

    @property
    def newly_automatic(self) -> int:
        """Waited for a person or were refused, and would run by themselves."""
        return self._count(lambda move: move.after < Outcome.REVIEW <= move.before)

    @property
    def to_review(self) -> int:
        """How many more people would look at; fewer where it is negative."""
        return self.after.get(Outcome.REVIEW, 0) - self.before.get(Outcome.REVIEW, 0)

    @property
    def let_through(self) -> int:
        """Would run by themselves although it is known that a person was needed: the dangerous error."""
        return self._of(WRONG, lambda move: move.after < Outcome.REVIEW)

    @property
    def let_through_before(self) -> int:
        return self._of(WRONG, lambda move: move.before < Outcome.REVIEW)

    @property
    def asked_for_nothing(self) -> int:
        """Would wait for a person or be refused although all went well as drafted: the costly error."""
        return self._of(RIGHT, lambda move: move.after >= Outcome.REVIEW)

    @property
    def asked_for_nothing_before(self) -> int:
        return self._of(RIGHT, lambda move: move.before >= Outcome.REVIEW)

    @property
    def agreement(self) -> float | None:
        """Of those whose end is known well enough to say, how many the new policy treats as that end asks for."""
        judged = self._of(WRONG | RIGHT, lambda _: True)
        return (judged - self.let_through - self.asked_for_nothing) / judged if judged else None

    def as_json(self) -> dict[str, Any]:
        """In JSON values; moves are written ``review>allow``."""
        return {
            "policy": self.policy,
            "policy_hash": self.policy_hash,
            "judged": self.judged,
            "unreadable": self.unreadable,
            "differing": self.differing,
            "before": {_name(outcome): count for outcome, count in self.before.items()},
            "after": {_name(outcome): count for outcome, count in self.after.items()},
            "moves": {move.told: count for move, count in sorted(self.moves.items())},
            "to_review": self.to_review,
            "no_longer_automatic": self.no_longer_automatic,
            "newly_automatic": self.newly_automatic,
            "known": _nested({(became.value, move): count for (became, move), count in self.known.items()}),
            "let_through": self.let_through,
            "let_through_before": self.let_through_before,
            "asked_for_nothing": self.asked_for_nothing,
            "asked_for_nothing_before": self.asked_for_nothing_before,
            "agreement": self.agreement,
            "money": _nested({key: {"count": m.count, "minor": m.minor} for key, m in self.money.items()}),
            "kinds": _nested(self.kinds),
            "days": _nested(self.days),
            "rules": {ref: _shift(shift) for ref, shift in sorted(self.rules.items())},
            "changes": [_change(change) for change in self.changes],
        }

    def _side(self, side: int) -> dict[Outcome, int]:
        counts = dict.fromkeys(Outcome, 0)
        for move, count in self.moves.items():
            counts[move[side]] += count
        return {outcome: count for outcome, count in counts.items() if count}

    def _count(self, wanted: Any) -> int:
        return sum(count for move, count in self.moves.items() if wanted(move))

    def _of(self, ends: frozenset[Became], wanted: Any) -> int:
        return sum(count for (became, move), count in self.known.items() if became in ends and wanted(move))


def _name(outcome: Outcome) -> str:
    return outcome.name.lower()


def _nested(counted: Mapping[tuple[str, Move], Any]) -> dict[str, dict[str, Any]]:
    told: dict[str, dict[str, Any]] = {}
    for (key, move), value in sorted(counted.items(), key=lambda item: item[0]):
        told.setdefault(key, {})[move.told] = value
    return told


def _shift(shift: RuleShift) -> dict[str, int]:
    return {name: getattr(shift, name) for name in RuleShift.__slots__}


def _said(said: Said) -> dict[str, Any]:
    people = [{"role": r.role, "n": r.n} | ({"stage": r.stage} if r.stage else {}) for r in said.asked]
    return {"outcome": _name(said.outcome), "requirements": people, "rules": list(said.rules)}


def _change(change: Change) -> dict[str, Any]:
    return {
        "id": change.id,
        "domain": change.domain,
        "kind": change.kind,
        "amount_minor": change.amount_minor,
        "currency": change.currency,
        "before": _said(change.before),
        "after": _said(change.after),
        "reasons": list(change.reasons),
        "became": change.became.value,
    }

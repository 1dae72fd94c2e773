"""Who asked whom: the questions of a case and those below them, for its page and its timeline. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

from workers.store import children
from workers.store.children import Consultation
from workers.store.database import Tx

STATES = {
    "open": "is asked",
    "answered": "answered",
    "failed": "could not answer",
    "timed_out": "did not answer in time",
    "late": "answered too late",
    "cancelled": "was no longer needed",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One question with what came of it, and the questions that it led to."""

    row: Consultation
    below: tuple[Asked, ...]

    @property
    def state(self) -> str:
        return STATES.get(self.row.state, self.row.state)

    @property
    def finding(self) -> str:
        return str(self.row.answer["answer"]["finding"]) if self.row.answer else self.row.reason or ""


@dataclass(frozen=True, slots=True)
class Tree:
    """`by` is the question that the case was opened for, where it was; `asked` is what it asks itself."""

    by: Consultation | None
    asked: tuple[Asked, ...]


def tree(tx: Tx, case_id: str, *, is_child: bool) -> Tree:
    return Tree(children.of_child(tx, case_id) if is_child else None, _below(tx, case_id))


def _below(tx: Tx, case_id: str) -> tuple[Asked, ...]:
    # As deep as questions go, which a setting bounds.
    return tuple(Asked(row, _below(tx, row.child_id)) for row in children.of_case(tx, case_id))

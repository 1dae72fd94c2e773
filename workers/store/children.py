"""Named queries on questions between cases: asking, answering, giving up waiting, cancelling, and waking who waits.

Whoever changes a question holds the asking case's row first (`cases.lock`), so that of two answers that come at once the
second sees the first, and exactly one of them wakes the case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, insert, select, update

from workers.store import bill, steps
from workers.store.consultation_tables import consultations
from workers.store.database import Tx
from workers.store.findings import FOUND, GATHER
from workers.store.ids import new_id
from workers.store.records import Case, CaseState
from workers.store.rows import columns, many, one, shallow
from workers.store.tables import cases, facts

#: between the names of a path
BETWEEN = " > "
#: what an answer can still come to
UNANSWERED = ("open", "timed_out")


@dataclass(frozen=True, slots=True)
class Consultation:
    """A question of one case, and the case that answers it. Fields are columns."""

    id: str
    case_id: str
    round: int
    number: str
    child_id: str
    agent: str
    path: str
    subject: str
    question: str
    asked_at: datetime
    deadline: datetime
    state: str
    answer: Mapping[str, Any] | None
    reason: str | None
    answered_at: datetime | None

    @property
    def chain(self) -> list[str]:
        """Who asked whom, the first case's agent first and this one last."""
        return self.path.split(BETWEEN)


_COLUMNS = columns(consultations, Consultation)
_C = consultations.c


def add(tx: Tx, row: Mapping[str, Any]) -> None:
    tx.execute(insert(consultations), dict(row))


def of_case(tx: Tx, case_id: str) -> list[Consultation]:
    """The questions that a case asked, in order."""
    query = select(*_COLUMNS).where(_C.case_id == case_id).order_by(_C.asked_at, _C.id)
    return many(Consultation, tx.execute(query).all())


def of_child(tx: Tx, child_id: str) -> Consultation | None:
    """The question that a case answers, where it was opened for one."""
    return one(Consultation, tx.execute(select(*_COLUMNS).where(_C.child_id == child_id)).first())


def finish(
    tx: Tx, asked: Consultation, *, answer: Mapping[str, Any] | None, reason: str | None, now: datetime
) -> str | None:
    """Record what came of a question; its new state, or None where it was cancelled or answered before."""
    present = tx.execute(select(_C.state).where(_C.id == asked.id)).scalar()
    if present not in UNANSWERED:
        return None
    state = "failed" if answer is None else "late" if present == "timed_out" else "answered"
    tx.execute(
        update(consultations)
        .where(_C.id == asked.id)
        .values(state=state, answer=answer, reason=reason, answered_at=now)
    )
    return state


def give_up_waiting(tx: Tx, case_id: str, now: datetime) -> None:
    """Those whose deadline has passed: the case goes on without them. An answer that still comes is late."""
    tx.execute(
        update(consultations)
        .where(_C.case_id == case_id, _C.state == "open", _C.deadline <= now)
        .values(state="timed_out")
    )


def wake(tx: Tx, case_id: str, now: datetime) -> tuple[str, str] | None:
    """Make a case due that waits for answers, after the last; its (id, domain) for a hint."""
    still = select(func.count()).where(_C.case_id == case_id, _C.state == "open").scalar_subquery()
    row = tx.execute(
        update(cases)
        .where(
            cases.c.id == case_id,
            cases.c.state == CaseState.WAITING,
            cases.c.claimed_by.is_(None),
            cases.c.closed_at.is_(None),
            still == 0,
        )
        .values(wake_at=now, held_until=None)
        .returning(cases.c.id, cases.c.domain)
    ).first()
    return None if row is None else (row[0], row[1])


def cancel(tx: Tx, case_id: str, now: datetime) -> int:
    """Withdraw a case's open questions, and have the cases that work on them end."""
    open_ones = tx.execute(select(_C.child_id).where(_C.case_id == case_id, _C.state.in_(UNANSWERED))).scalars().all()
    if open_ones:
        tx.execute(update(consultations).where(_C.child_id.in_(open_ones)).values(state="cancelled", answered_at=now))
        tx.execute(
            update(cases)
            .where(cases.c.id.in_(open_ones), cases.c.closed_at.is_(None), cases.c.claimed_by.is_(None))
            .values(wake_at=now, held_until=None)
        )
    return len(open_ones)


def cost(tx: Tx, child_ids: Sequence[str]) -> Decimal:
    """What models cost so far for these cases and for all that they asked in turn, where prices are known."""
    asked, below = list(child_ids), list(child_ids)
    while below:
        below = list(tx.execute(select(_C.child_id).where(_C.case_id.in_(below))).scalars())
        asked += below
    return bill.spent_on_all(tx, asked) if asked else Decimal(0)


def begin_with_what_is_known(tx: Tx, parent: Case, child_id: str, now: datetime) -> None:
    """Have a new case of the same domain begin at its draft, with the triage and the facts of the one that asks."""
    in_step = None
    for name in ("triage", GATHER):
        step = steps.whole(tx, parent.id, name, up_to_round=parent.round)
        if step is not None:
            # What the parent paid for it stays on the parent's bill.
            steps.add(tx, [{**shallow(step), "case_id": child_id, "round": 1}])
            in_step = step.round if FOUND in step.output else None
    newest = select(func.max(facts.c.round)).where(facts.c.case_id == parent.id).scalar_subquery()
    of_round = facts.c.round == (newest if in_step is None else in_step)
    known = tx.execute(select(*facts.c).where(facts.c.case_id == parent.id, of_round)).mappings().all()
    if known:
        tx.execute(insert(facts), [{**row, "id": new_id("fact"), "case_id": child_id, "round": 1} for row in known])
    tx.execute(update(cases).where(cases.c.id == child_id).values(step="draft", events_worked=1, updated_at=now))

"""Named queries on how often each rule matched, day by day: counted once an action, by its first judgement, and never again.

How far was counted stands in a mark that moves in the same commit as the counts, and only from where the count began: of two
who count at once, one does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, tuple_, update

from workers.store import examples
from workers.store.database import Tx
from workers.store.learning_tables import learning_marks
from workers.store.rehearsal_tables import rule_days
from workers.store.rows import columns, many
from workers.store.upsert import insert_into

MARK = "rule hits"
#: actions that are named for each rule and day
NAMED = 10


@dataclass(frozen=True, slots=True)
class RuleDay:
    """One rule on one day. `decided` is how often its answer was the strictest; `actions` are the last few, newest first."""

    rule: str
    day: str
    matched: int
    decided: int
    actions: list[str]
    last_at: datetime


@dataclass(slots=True)
class Hits:
    """What is counted for one rule and day before it is written down."""

    matched: int = 0
    decided: int = 0
    #: oldest first
    actions: list[str] = field(default_factory=list)
    last_at: datetime | None = None


Counted = Mapping[tuple[str, str], Hits]
_DAY = columns(rule_days, RuleDay)


def mark(tx: Tx) -> str:
    """The last action that was counted; "" where none was."""
    return examples.mark(tx, MARK)


def add(tx: Tx, counted: Counted, *, was: str, now_at: str, now: datetime) -> bool:
    """Add to what is counted and move the mark on. False, and nothing written, where somebody else has moved it."""
    if not was:
        tx.execute(insert_into(tx, learning_marks).values(name=MARK, value="", at=now).on_conflict_do_nothing())
    moved = (
        update(learning_marks)
        .where(learning_marks.c.name == MARK, learning_marks.c.value == was)
        .values(value=now_at, at=now)
    )
    if tx.execute(moved).rowcount != 1:
        return False
    held = _held(tx, counted)
    rows = [_together(key, hits, held.get(key)) for key, hits in sorted(counted.items())]
    if rows:
        adding = insert_into(tx, rule_days)
        made = {name: adding.excluded[name] for name in ("matched", "decided", "actions", "last_at")}
        tx.execute(adding.on_conflict_do_update(index_elements=["rule", "day"], set_=made), rows)
    return True


def since(tx: Tx, day: str) -> list[RuleDay]:
    """Every rule's days from `day` (``2026-11-20``) on, oldest first."""
    query = select(*_DAY).where(rule_days.c.day >= day).order_by(rule_days.c.day, rule_days.c.rule)
    return many(RuleDay, tx.execute(query).all())


def drop_before(tx: Tx, day: str) -> None:
    tx.execute(delete(rule_days).where(rule_days.c.day < day))


def _held(tx: Tx, counted: Counted) -> dict[tuple[str, str], RuleDay]:
    found: dict[tuple[str, str], RuleDay] = {}
    keys = sorted(counted)
    for begin in range(0, len(keys), 200):
        wanted = tuple_(rule_days.c.rule, rule_days.c.day).in_(keys[begin : begin + 200])
        found |= {(day.rule, day.day): day for day in many(RuleDay, tx.execute(select(*_DAY).where(wanted)).all())}
    return found


def _together(key: tuple[str, str], hits: Hits, held: RuleDay | None) -> dict[str, Any]:
    rule, day = key
    named = [*reversed(hits.actions), *(held.actions if held is not None else ())]
    times = [at for at in (hits.last_at, held.last_at if held is not None else None) if at is not None]
    return {
        "rule": rule,
        "day": day,
        "matched": hits.matched + (held.matched if held is not None else 0),
        "decided": hits.decided + (held.decided if held is not None else 0),
        "actions": named[:NAMED],
        "last_at": max(times),
    }

"""Named queries on what rules let through and what became of it, and on the test that each such rule is under.

An outcome keeps its place in its test for good. What is marked twice, or after a process died half way, changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, insert, or_, select, update

from workers.store.action_rows import record_of
from workers.store.autonomy_tables import autonomy_outcomes, autonomy_watches
from workers.store.database import Tx
from workers.store.records import ActionState
from workers.store.revision_rows import along
from workers.store.rows import columns, many, one
from workers.store.tables import actions
from workers.store.upsert import insert_into


@dataclass(frozen=True, slots=True)
class Watch:
    """The test that a rule is under, as it was last reckoned."""

    rule: str
    epoch: int
    state: str
    outcomes: int
    wrong: int
    sampled: int
    suspicion: float
    peak: float
    tolerated: float
    alpha: float
    since: datetime
    taken_back_at: datetime | None
    reason: str | None

    @property
    def taken_back(self) -> bool:
        return self.state == TAKEN_BACK


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one action that a rule let through, or would have but for a sample."""

    action_id: str
    rule: str
    kind: str
    epoch: int
    number: int
    sampled: bool
    wrong: bool
    why: str
    open: bool
    at: datetime
    wrong_at: datetime | None


@dataclass(frozen=True, slots=True)
class Passed:
    """An action that is over or let through, with the record of the revision that it was."""

    id: str
    kind: str
    state: str
    settled_at: datetime | None
    decided_at: datetime | None
    created_at: datetime
    record: Mapping[str, Any]


WATCHED, TAKEN_BACK = "watched", "taken_back"
_WATCH = columns(autonomy_watches, Watch)
_OUTCOME = columns(autonomy_outcomes, Outcome)
#: as it was when it was decided
_LET_THROUGH = along(actions.c.revision)
_PASSED: tuple[ColumnElement[Any], ...] = (
    actions.c.id,
    actions.c.kind,
    actions.c.state,
    actions.c.settled_at,
    actions.c.decided_at,
    actions.c.created_at,
    _LET_THROUGH.record,
    _LET_THROUGH.packed,
)


def passed(tx: Tx, after: str, limit: int) -> list[Passed]:
    """Actions that the policy let through, and those that people rejected, by id from `after` on."""
    query = (
        select(*_PASSED)
        .select_from(_LET_THROUGH.both)
        .where(
            actions.c.id > after,
            # Who stops what a rule let through takes its place there; what they rejected themselves is told by its record.
            or_(
                actions.c.decided_by.startswith("policy:", autoescape=True),
                actions.c.state == ActionState.REJECTED,
            ),
            _LET_THROUGH.there,
        )
        .order_by(actions.c.id)
        .limit(limit)
    )
    rows = tx.execute(query).all()
    return [Passed(*(*values, record_of(record, packed))) for *values, record, packed in rows]


def known(tx: Tx, ids: Sequence[str]) -> set[tuple[str, str]]:
    """(action, rule) of these actions that are counted already."""
    query = select(autonomy_outcomes.c.action_id, autonomy_outcomes.c.rule).where(
        autonomy_outcomes.c.action_id.in_(ids)
    )
    return {(row[0], row[1]) for row in tx.execute(query)}


def count(tx: Tx, row: Mapping[str, Any]) -> bool:
    """Give an outcome the next place in its rule's test. False, and nothing changed, where it is counted already."""
    place = select(func.coalesce(func.max(autonomy_outcomes.c.number), 0) + 1).where(
        autonomy_outcomes.c.rule == row["rule"], autonomy_outcomes.c.epoch == row["epoch"]
    )
    if known(tx, [row["action_id"]]) & {(row["action_id"], row["rule"])}:
        return False
    tx.execute(insert(autonomy_outcomes).values({**row, "number": tx.execute(place).scalar_one()}))
    return True


def still_open(tx: Tx, after: str, limit: int) -> list[Outcome]:
    """What is still being carried out, by action from `after` on."""
    query = (
        select(*_OUTCOME)
        .where(autonomy_outcomes.c.open, autonomy_outcomes.c.action_id > after)
        .order_by(autonomy_outcomes.c.action_id)
        .limit(limit)
    )
    return many(Outcome, tx.execute(query).all())


def may_turn(tx: Tx, kinds: Sequence[str], since: datetime, after: str, limit: int) -> list[Outcome]:
    """What went well so far and is young enough to be contradicted, by action from `after` on."""
    query = (
        select(*_OUTCOME)
        .where(
            autonomy_outcomes.c.kind.in_(kinds),
            autonomy_outcomes.c.wrong.is_(False),
            autonomy_outcomes.c.at >= since,
            autonomy_outcomes.c.action_id > after,
        )
        .order_by(autonomy_outcomes.c.action_id)
        .limit(limit)
    )
    return many(Outcome, tx.execute(query).all())


def settle(tx: Tx, action_id: str, *, wrong: bool, why: str, now: datetime) -> None:
    """What became of it: over and well, or wrong for this reason. What went wrong once stays so."""
    said = {"wrong": True, "why": why, "wrong_at": now} if wrong else {}
    tx.execute(
        update(autonomy_outcomes)
        .where(autonomy_outcomes.c.action_id == action_id, autonomy_outcomes.c.wrong.is_(False))
        .values(open=False, **said)
    )


def outcomes(tx: Tx, rule: str, epoch: int, limit: int) -> list[Outcome]:
    """The newest of a test, in their order."""
    query = (
        select(*_OUTCOME)
        .where(autonomy_outcomes.c.rule == rule, autonomy_outcomes.c.epoch == epoch)
        .order_by(autonomy_outcomes.c.number.desc())
        .limit(limit)
    )
    return many(Outcome, tx.execute(query).all())[::-1]


def watch(tx: Tx, rule: str, *, lock: bool = False) -> Watch | None:
    query = select(*_WATCH).where(autonomy_watches.c.rule == rule)
    return one(Watch, tx.execute(query.with_for_update() if lock else query).first())


def listing(tx: Tx) -> list[Watch]:
    """All tests: what was taken back first, then the most suspected."""
    query = select(*_WATCH).order_by(autonomy_watches.c.state, autonomy_watches.c.peak.desc(), autonomy_watches.c.rule)
    return many(Watch, tx.execute(query).all())


def begin(tx: Tx, rule: str, *, tolerated: float, alpha: float, now: datetime) -> None:
    """Put a rule under test, unless it is."""
    row = {**_new(tolerated, alpha, now), "rule": rule, "epoch": 1}
    tx.execute(insert_into(tx, autonomy_watches).values(row).on_conflict_do_nothing())


def begin_anew(tx: Tx, was: Watch, *, tolerated: float, alpha: float, now: datetime) -> None:
    """The next test of a rule, after a person gave back what was taken."""
    tx.execute(
        update(autonomy_watches)
        .where(autonomy_watches.c.rule == was.rule, autonomy_watches.c.epoch == was.epoch)
        .values({**_new(tolerated, alpha, now), "epoch": was.epoch + 1})
    )


def reckoned(tx: Tx, was: Watch, changes: Mapping[str, Any]) -> bool:
    """Write down how a test stands. False where it has ended or begun anew meanwhile."""
    done = tx.execute(
        update(autonomy_watches)
        .where(
            autonomy_watches.c.rule == was.rule,
            autonomy_watches.c.epoch == was.epoch,
            autonomy_watches.c.state == was.state,
        )
        .values(dict(changes))
    )
    return bool(done.rowcount == 1)


def _new(tolerated: float, alpha: float, now: datetime) -> dict[str, Any]:
    return {
        "state": WATCHED,
        "outcomes": 0,
        "wrong": 0,
        "sampled": 0,
        "suspicion": 1.0,
        "peak": 1.0,
        "tolerated": tolerated,
        "alpha": alpha,
        "since": now,
        "taken_back_at": None,
        "reason": None,
    }

"""Named queries on actions and their revisions, decisions and attempts.

Each change of state is one UPDATE that names the state, version or digest it starts from; the row count says who won.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Text, bindparam, cast, func, insert, or_, select, union_all, update
from sqlalchemy import case as sql_case

from workers.store import unsettled as open_ones
from workers.store.database import Tx
from workers.store.ids import new_id
from workers.store.records import Action, ActionState, Attempt, Decision, Revision
from workers.store.revision_rows import WRITTEN, revisions
from workers.store.rows import columns, many, one
from workers.store.tables import actions, attempts, decisions
from workers.store.tables import revisions as revision_rows

_ACTION = columns(actions, Action)
_REVISION = tuple(revisions.c[field.name] for field in fields(Revision))
_DECISION = columns(decisions, Decision)
_ATTEMPT = columns(attempts, Attempt)
_ADD = insert(actions)
_ADD_REVISION = insert(revision_rows)
_OF_CASE = select(*_ACTION).where(actions.c.case_id == bindparam("case")).order_by(actions.c.round, actions.c.ordinal)
# Those of one case are found by the case, not among all that are open: see `cases`.
_UNSETTLED_OF = (
    select(*_ACTION)
    .where(actions.c.case_id == bindparam("case"), cast(actions.c.settled_at, Text).is_(None))
    .order_by(actions.c.ordinal)
)
_GET = select(*_ACTION).where(actions.c.id == bindparam("action"))
_REVISIONS_OF = (
    select(*_REVISION).where(revisions.c.action_id == bindparam("action"), WRITTEN).order_by(revisions.c.revision)
)
_DECISIONS_OF = select(*_DECISION).where(decisions.c.action_id == bindparam("action")).order_by(decisions.c.decided_at)
_ATTEMPTS_OF = select(*_ATTEMPT).where(attempts.c.action_id == bindparam("action")).order_by(attempts.c.number)
_TRIES = select(func.count()).where(attempts.c.action_id == bindparam("action"))
_ADD_DECISION = insert(decisions)
_ADD_ATTEMPT = insert(attempts)
_FINISH = (
    update(attempts)
    .where(attempts.c.action_id == bindparam("action"), attempts.c.finished_at.is_(None))
    .values(
        outcome=bindparam("ended"),
        finished_at=bindparam("at", type_=attempts.c.finished_at.type),
        receipt=bindparam("got", type_=attempts.c.receipt.type),
        error=bindparam("said"),
    )
)

_UNTIL = bindparam("until", type_=actions.c.wake_at.type)
_SEEN = actions.c.standing.is_not(None)
# As of cases: one that somebody holds just now keeps no other waiting.
_RENEW = (
    update(actions)
    .where(
        actions.c.id
        == select(actions.c.id)
        .where(actions.c.id == bindparam("of"))
        .with_for_update(skip_locked=True)
        .scalar_subquery(),
        actions.c.version == bindparam("at"),
        actions.c.state == ActionState.EXECUTING,
    )
    .values(
        # What was begun with its decision has its lease where no index knows of it.
        wake_at=sql_case((_SEEN, _UNTIL), else_=actions.c.wake_at),
        held_until=sql_case((_SEEN, actions.c.held_until), else_=_UNTIL),
    )
)
_FINISH_ONE = _FINISH.where(attempts.c.number == bindparam("which"))


def add(tx: Tx, row: Mapping[str, Any]) -> None:
    tx.execute(_ADD, open_ones.placed(row))


def add_revision(tx: Tx, row: Mapping[str, Any]) -> None:
    tx.execute(_ADD_REVISION, row)


def get(tx: Tx, action_id: str) -> Action | None:
    return one(Action, tx.execute(_GET, {"action": action_id}).first())


def change(tx: Tx, action: Action, *, now: datetime, **changes: Any) -> Action | None:
    """Change an action that is still as `action` says (state, version, digest); None when it is not."""
    changes = open_ones.after(action, changes)
    values = {f"set_{name}": value for name, value in changes.items()}
    row = tx.execute(
        _changed(tuple(changes)),
        {
            **values,
            "action_id": action.id,
            "was_state": action.state,
            "was_version": action.version,
            "was_digest": action.digest,
            "now": now,
        },
    ).first()
    return one(Action, row)


@cache
def _changed(names: tuple[str, ...]) -> Any:
    """Built once for each set of columns: building it anew costs more than running it."""
    return (
        update(actions)
        .where(
            actions.c.id == bindparam("action_id"),
            actions.c.state == bindparam("was_state"),
            actions.c.version == bindparam("was_version"),
            # Empty is what was packed: once it is another, it is in the column.
            or_(actions.c.digest.is_(None), actions.c.digest == bindparam("was_digest")),
        )
        .values(
            version=actions.c.version + 1,
            updated_at=bindparam("now", type_=actions.c.updated_at.type),
            **{name: bindparam(f"set_{name}", type_=actions.c[name].type) for name in names},
        )
        .returning(*_ACTION)
    )


def renew(tx: Tx, held: Mapping[str, int], *, until: datetime) -> None:
    """Prolong the leases of the actions that this process carries out."""
    if held:
        tx.execute(_RENEW, [{"of": i, "at": version, "until": until} for i, version in held.items()])


def settle_open(tx: Tx, case_id: str, state: ActionState, reason: str, now: datetime) -> list[str]:
    """Close every action of a case that has not begun to be carried out; the ids of those."""
    rows = tx.execute(
        update(actions)
        .where(
            actions.c.case_id == case_id,
            actions.c.state.in_([ActionState.PENDING, ActionState.APPROVED]),
        )
        .values(
            state=state,
            standing=None,
            reason=reason,
            wake_at=None,
            settled_at=now,
            updated_at=now,
            version=actions.c.version + 1,
        )
        .returning(actions.c.id)
    )
    return [row[0] for row in rows]


def of_case(tx: Tx, case_id: str) -> list[Action]:
    return many(Action, tx.execute(_OF_CASE, {"case": case_id}).all())


def unsettled(tx: Tx, case_id: str) -> list[Action]:
    return many(Action, tx.execute(_UNSETTLED_OF, {"case": case_id}).all())


def waiting_for_people(tx: Tx, *, now: datetime, snoozed: bool = False) -> list[Action]:
    """All pending and uncertain actions, oldest first; snoozed ones only when asked for."""
    query = (
        select(*_ACTION)
        .where(actions.c.standing.in_([ActionState.PENDING, ActionState.UNCERTAIN]))
        .order_by(actions.c.created_at, actions.c.ordinal)
    )
    if not snoozed:
        query = query.where(or_(actions.c.snoozed_until.is_(None), actions.c.snoozed_until <= now))
    return many(Action, tx.execute(query).all())


def due(tx: Tx, now: datetime, limit: int) -> list[str]:
    timed = select(actions.c.id, actions.c.wake_at).where(actions.c.wake_at <= now)
    quiet = open_ones.quietly(actions.c.id, actions.c.held_until).where(actions.c.held_until <= now)
    found = union_all(timed, quiet).subquery().c
    return [row[0] for row in tx.execute(select(found.id).order_by(found.wake_at).limit(limit))]


def same_kind_and_target(tx: Tx, kind: str, target: str, *, excluding: str = "") -> int:
    """How many actions of this kind on this target were carried out, are under way or were approved."""
    live = [ActionState.APPROVED, ActionState.EXECUTING, ActionState.DONE, ActionState.UNCERTAIN]
    query = select(func.count()).where(
        actions.c.kind == kind, actions.c.target == target, actions.c.state.in_(live), actions.c.id != excluding
    )
    return int(tx.execute(query).scalar_one())


def open_by_state(tx: Tx) -> dict[str, int]:
    """How many actions that are not over stand where. However many were carried out, none of those is read."""
    found = open_ones.standing(actions.c.state).subquery().c
    query = select(found.state, func.count()).group_by(found.state)
    return {row[0]: row[1] for row in tx.execute(query)}


def revisions_of(tx: Tx, action_id: str) -> list[Revision]:
    return many(Revision, tx.execute(_REVISIONS_OF, {"action": action_id}).all())


def add_decision(tx: Tx, row: Mapping[str, Any]) -> None:
    tx.execute(_ADD_DECISION, {"id": new_id("dec"), **row})


def decisions_of(tx: Tx, action_id: str) -> list[Decision]:
    return many(Decision, tx.execute(_DECISIONS_OF, {"action": action_id}).all())


def decisions_of_case(tx: Tx, case_id: str) -> list[Decision]:
    query = select(*_DECISION).where(decisions.c.case_id == case_id).order_by(decisions.c.decided_at)
    return many(Decision, tx.execute(query).all())


def begin_attempt(tx: Tx, action: Action, *, key: str, now: datetime) -> Attempt:
    """Write down that a call is about to be made. The number is unique, so one try cannot be begun twice."""
    number = 1 + int(tx.execute(_TRIES, {"action": action.id}).scalar_one())
    attempt = Attempt(
        id=new_id("try"),
        action_id=action.id,
        number=number,
        key=key,
        digest=action.digest,
        started_at=now,
        finished_at=None,
        outcome=None,
        receipt=None,
        error=None,
    )
    tx.execute(_ADD_ATTEMPT, _attempt_row(attempt))
    return attempt


def told_attempt(action: Action) -> Attempt | None:
    """The attempt that was begun in the commit that decided the action, as the action itself tells of it. It has a row only
    once there is more to tell than that it is under way, or done."""
    done = action.state == ActionState.DONE
    if not action.tries or not (done or action.state == ActionState.EXECUTING):
        return None
    return Attempt(
        id=f"try_{action.id.removeprefix('act_')}",
        action_id=action.id,
        number=1,
        key=action.id,
        digest=action.digest,
        started_at=action.decided_at or action.created_at,
        finished_at=action.settled_at if done else None,
        outcome=ActionState.DONE.value if done else None,
        receipt=action.receipt if done else None,
        error=None,
    )


def write_attempt_out(tx: Tx, action: Action) -> None:
    """Give the attempt of which only the action told a row of its own: more happens to it now than the action can tell."""
    told = told_attempt(action)
    if told is not None and not tx.execute(_TRIES, {"action": action.id}).scalar_one():
        tx.execute(_ADD_ATTEMPT, _attempt_row(told))


def _attempt_row(attempt: Attempt) -> dict[str, Any]:
    return {
        "id": attempt.id,
        "action_id": attempt.action_id,
        "number": attempt.number,
        "key": attempt.key,
        "digest": attempt.digest,
        "started_at": attempt.started_at,
    }


def finish_attempts(
    tx: Tx,
    action: Action,
    *,
    outcome: str,
    now: datetime,
    number: int | None = None,
    receipt: Mapping[str, Any] | None = None,
    error: str | None = None,
) -> None:
    """Complete the attempts that are still open, or one of them. `action` is as it was under way."""
    if outcome != ActionState.DONE:
        write_attempt_out(tx, action)
    ending = {"ended": outcome, "at": now, "got": receipt, "said": error}
    if number is None:
        tx.execute(_FINISH, {"action": action.id, **ending})
    else:
        tx.execute(_FINISH_ONE, {"action": action.id, "which": number, **ending})


def attempts_of(tx: Tx, action_id: str) -> list[Attempt]:
    in_rows = many(Attempt, tx.execute(_ATTEMPTS_OF, {"action": action_id}).all())
    if in_rows:
        return in_rows
    action = get(tx, action_id)
    told = told_attempt(action) if action is not None else None
    return [told] if told is not None else []

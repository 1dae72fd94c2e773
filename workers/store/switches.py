"""Named queries on the kill switches: ``all``, ``domain:support``, ``action:refund_payment``, ``vendor:stripe``,
``rule:support/small-refund``; and on what they hold back.

`held` makes the text by which an action that waits for a switch is known again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, union_all, update

from workers.store import unsettled
from workers.store.audit import SYSTEM
from workers.store.audit_rows import READ, entries
from workers.store.audit_tables import audit
from workers.store.database import Database, Tx
from workers.store.records import ActionState, AuditEntry, Switch
from workers.store.rows import columns, many, one
from workers.store.tables import actions, cases, switches
from workers.store.upsert import insert_into

_COLUMNS = columns(switches, Switch)
_NOW = "SELECT scope, reason, actor, thrown_at FROM switches ORDER BY scope"
#: actions let go by one release at once; the rest come up by their own time
MOST_LET_GO = 10_000


def thrown(tx: Tx, scopes: Sequence[str]) -> Switch | None:
    """The first of these switches that is thrown; one that stops an action comes before one that suspends a rule."""
    of_rule = switches.c.scope.startswith("rule:")
    query = select(*_COLUMNS).where(switches.c.scope.in_(scopes)).order_by(of_rule, switches.c.scope).limit(1)
    return one(Switch, tx.execute(query).first())


def now_thrown(db: Database) -> list[Switch]:
    """All that are thrown, in one statement by itself. Raise `StoreUnavailable`."""
    if db.is_sqlite:
        with db.read() as tx:
            return listing(tx)
    with db.direct() as cursor:
        return [Switch(*row) for row in cursor.execute(_NOW).fetchall()]


def listing(tx: Tx) -> list[Switch]:
    return many(Switch, tx.execute(select(*_COLUMNS).order_by(switches.c.scope)).all())


def throw(tx: Tx, scope: str, *, reason: str, actor: str, now: datetime) -> None:
    changes = {"reason": reason, "actor": actor, "thrown_at": now}
    tx.execute(
        insert_into(tx, switches)
        .values(scope=scope, **changes)
        .on_conflict_do_update(index_elements=[switches.c.scope], set_=changes)
    )


def release(tx: Tx, scope: str) -> bool:
    return tx.execute(delete(switches).where(switches.c.scope == scope)).rowcount == 1


def held(switch: Switch) -> str:
    """Why an action waits that a switch holds back."""
    return f"{_held_by(switch.scope)}: {switch.reason}"


def _held_by(scope: str) -> str:
    return f"Held by the switch “{scope}”"


def let_go(tx: Tx, scope: str, now: datetime) -> int:
    """Make due what this switch holds back. How many that were; those that somebody works on at this moment see for
    themselves."""
    waiting = (
        select(actions.c.id)
        .where(
            actions.c.standing.in_([ActionState.APPROVED, ActionState.EXECUTING]),
            actions.c.claimed_by.is_(None),
            actions.c.wake_at > now,
            actions.c.waiting_for.startswith(_held_by(scope), autoescape=True),
        )
        .order_by(actions.c.id)
        .limit(MOST_LET_GO)
        .with_for_update(skip_locked=True)
    )
    return tx.execute(update(actions).where(actions.c.id.in_(waiting)).values(wake_at=now)).rowcount


def history(tx: Tx, limit: int) -> list[AuditEntry]:
    """What was thrown and released, newest first."""
    told = audit.c.verb.in_(["switch_thrown", "switch_released"])
    query = select(*READ).where(audit.c.chain == SYSTEM, told).order_by(audit.c.seq.desc()).limit(limit)
    return entries(tx.execute(query).all())


@dataclass(frozen=True, slots=True)
class Stopped:
    """So many approved actions of one kind, domain and vendor that have not been carried out yet."""

    domain: str
    kind: str
    vendor: str
    count: int


def outgoing(tx: Tx) -> list[Stopped]:
    """What is approved and not yet done or given up, counted by what a switch may name."""
    if tx.dialect.name == "sqlite":
        vendor = func.substr(actions.c.target, 1, func.instr(actions.c.target, ":") - 1)
    else:
        vendor = func.split_part(actions.c.target, ":", 1)
    told = (cases.c.domain, actions.c.kind, vendor.label("vendor"))
    seen = select(*told).join_from(actions, cases, cases.c.id == actions.c.case_id)
    seen = seen.where(actions.c.standing.in_([ActionState.APPROVED, ActionState.EXECUTING]))
    found = union_all(seen, unsettled.quietly(*told)).subquery().c
    query = select(found.domain, found.kind, found.vendor, func.count()).group_by(
        found.domain, found.kind, found.vendor
    )
    return [Stopped(*row) for row in tx.execute(query)]

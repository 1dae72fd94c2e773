"""Named queries on the kill switches: ``all``, ``domain:support``, ``action:refund_payment``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from workers.store.database import Tx
from workers.store.records import Switch
from workers.store.rows import columns, many, one
from workers.store.tables import switches

_COLUMNS = columns(switches, Switch)


def thrown(tx: Tx, scopes: Sequence[str]) -> Switch | None:
    """The first of these switches that is thrown."""
    return one(Switch, tx.execute(select(*_COLUMNS).where(switches.c.scope.in_(scopes)).limit(1)).first())


def listing(tx: Tx) -> list[Switch]:
    return many(Switch, tx.execute(select(*_COLUMNS).order_by(switches.c.scope)).all())


def throw(tx: Tx, scope: str, *, reason: str, actor: str, now: datetime) -> None:
    make = sqlite_insert if tx.dialect.name == "sqlite" else pg_insert
    changes = {"reason": reason, "actor": actor, "thrown_at": now}
    tx.execute(
        make(switches)
        .values(scope=scope, **changes)
        .on_conflict_do_update(index_elements=[switches.c.scope], set_=changes)
    )


def release(tx: Tx, scope: str) -> bool:
    return tx.execute(delete(switches).where(switches.c.scope == scope)).rowcount == 1

"""Who works: a row for each process that claims, moved each second, and what became of those that stopped moving.

Leases write their process's row, sweepers theirs; the sweeper that leads reads them, frees what the dead had claimed and
takes their rows away. Whether a row moves is judged by the reader's own clock (`sweeper`), never by the times in it. Who
is silent may be dead or stopped: a stopped process still has its connections, and with them a lock that bears its name.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Select, delete, event, func, literal, select, tuple_, union_all, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from workers.store import unsettled
from workers.store.database import Database, Tx
from workers.store.due import Due
from workers.store.records import ActionState
from workers.store.rows import columns, many
from workers.store.tables import actions, cases, processes

SWEEPER = "sweeper"
WORKER = "worker"

#: what the sweepers of one database agree on; any number that nothing else in the database uses
_LOCK = 5_107_418_226_730_541
#: the first of the two numbers of each process's own lock
_OF_PROCESSES = 510_741_822
#: so that the server notices after seconds, not hours, when a machine is gone without a word, and ends its sessions
_NOTICED_SOON = "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3"
#: a sweeper that is stopped in mid-pass is cut off after so long, and its lock with it
_CUT_OFF = "3s"


@dataclass(frozen=True, slots=True)
class Process:
    """One process as it last wrote of itself. For a sweeper, `held` is 1 where it leads."""

    id: str
    kind: str
    queues: Sequence[str]
    beat: int
    held: int
    started_at: datetime
    seen_at: datetime


_COLUMNS = columns(processes, Process)
_ALL = select(*_COLUMNS).order_by(processes.c.started_at, processes.c.id)
#: claimed cases are among those whose timer is set, and only there does an index find them
_TIMED = cases.c.wake_at.is_not(None)
_HOLDERS = (
    select(cases.c.claimed_by)
    .where(_TIMED, cases.c.claimed_by.is_not(None))
    .union(
        select(actions.c.claimed_by).where(
            actions.c.standing == ActionState.EXECUTING, actions.c.claimed_by.is_not(None)
        ),
        unsettled.quietly(actions.c.claimed_by).where(actions.c.claimed_by.is_not(None)),
    )
)


def _beat(make: Callable[..., Any]) -> Any:
    row = make(processes)
    return row.on_conflict_do_update(
        index_elements=[processes.c.id],
        set_={"beat": processes.c.beat + 1, "held": row.excluded.held, "seen_at": row.excluded.seen_at},
    )


_BEAT = {"sqlite": _beat(sqlite_insert), "postgresql": _beat(pg_insert)}


def _these_numbers() -> str:
    """Names the one list of process numbers that this process has its own from: this start of the kernel, and the namespace
    of a container. Empty where the system does not say."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return ""
    return hashlib.blake2b(f"{socket.gethostname()} {boot} {namespace}".encode(), digest_size=8).hexdigest()


_NUMBERS = _these_numbers()


def new_id() -> str:
    """An id that no other process has, nor had: a container's process has number 1 again and again."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}{_NUMBERS}"


def ended(process_id: str) -> bool:
    """Whether the system itself says that this process is no more: its number is from the list that ours is from, and nobody
    has it. One of another machine or container has never ended as far as this tells, nor one whose number was given anew."""
    _, _, rest = process_id.partition(":")
    number, _, token = rest.partition(":")
    if not _NUMBERS or token[8:] != _NUMBERS or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def gives_signs_of_life(holder: str) -> bool:
    """Whether who claimed is known to write a row. A process of an earlier version never did: its lease must run out."""
    return holder.count(":") == 2


def hold_name(db: Database, process_id: str) -> None:
    """From now on every connection that `db` opens holds this process's lock. On PostgreSQL.

    Shared, so that a new connection need not wait for the server to notice the end of the one before. A proxy that lends
    connections out by the transaction keeps the lock too long, never too short: who died is then taken for stopped.
    """

    def hold(connection: psycopg.Connection[Any], _record: object) -> None:
        connection.execute(_NOTICED_SOON)
        connection.execute("SELECT pg_advisory_lock_shared(%s, %s)", (_OF_PROCESSES, _key(process_id)))
        connection.commit()

    event.listen(db.engine, "connect", hold)


def gone(tx: Tx, silent: Collection[str]) -> list[str]:
    """Those of the silent that have no connection left: they are dead. The others are stopped, and may go on any moment."""
    return [
        process
        for process in silent
        if tx.execute(select(func.pg_try_advisory_xact_lock(_OF_PROCESSES, _key(process)))).scalar()
    ]


def _key(process_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(process_id.encode(), digest_size=4).digest(), "big", signed=True)


def beat(tx: Tx, process_id: str, *, kind: str, queues: Sequence[str], held: int, now: datetime) -> None:
    """Say that this process lives. One statement."""
    tx.execute(
        _BEAT[tx.dialect.name],
        {
            "id": process_id,
            "kind": kind,
            "queues": list(queues),
            "beat": 1,
            "held": held,
            "started_at": now,
            "seen_at": now,
        },
    )


def forget(tx: Tx, ids: Collection[str]) -> None:
    if ids:
        tx.execute(delete(processes).where(processes.c.id.in_(ids)))


def all_of(tx: Tx) -> list[Process]:
    return many(Process, tx.execute(_ALL).all())


def beats(rows: Sequence[Process], holders: Collection[str]) -> Mapping[str, int | None]:
    """The last beat of each process that has a row or holds something; None where a row should be and is not."""
    found: dict[str, int | None] = {holder: None for holder in holders if gives_signs_of_life(holder)}
    found.update((row.id, row.beat) for row in rows)
    return found


def holders(tx: Tx) -> set[str]:
    """Whoever has a case or an action in hand, living or dead."""
    return {row[0] for row in tx.execute(_HOLDERS)}


def free(tx: Tx, dead: Collection[str], now: datetime) -> list[Due]:
    """What the dead had in hand is due at once: cases for whoever claims them, actions to look what became of them.

    A row that somebody else holds just now is left to a later pass: whoever waits here keeps all sweepers waiting. No version
    is raised here: the next claim does it, and until then the fence refuses a claim that is no longer there.
    """
    if not dead:
        return []
    left_cases = select(cases.c.id).where(_TIMED, cases.c.claimed_by.in_(dead))
    of_cases = tx.execute(
        update(cases)
        .where(cases.c.id.in_(_taken(tx, left_cases)))
        .values(claimed_by=None, wake_at=now, held_until=None, updated_at=now)
        .returning(cases.c.id, cases.c.domain)
    ).all()
    left_actions = select(actions.c.id).where(
        actions.c.id.in_(unsettled.under_way(actions.c.claimed_by.in_(dead))),
        actions.c.claimed_by.in_(dead),
        actions.c.state == ActionState.EXECUTING,
        func.coalesce(actions.c.wake_at, actions.c.held_until) > now,
    )
    of_actions = tx.execute(
        update(actions)
        .where(actions.c.id.in_(_taken(tx, left_actions)))
        .values(wake_at=now, standing=actions.c.state)
        .returning(actions.c.id)
    ).all()
    return [Due(row[0], "", now) for row in of_actions] + [Due(row[0], row[1], now) for row in of_cases]


def _taken(tx: Tx, ids: Select[str]) -> list[str]:
    """Those of them whose rows nobody holds. From now on this transaction does."""
    return list(tx.execute(ids.with_for_update(skip_locked=True)).scalars())


def claimed_by(tx: Tx, process_id: str) -> dict[tuple[str, str], int]:
    """The version of each case and action that bears this process's name, by ("case" or "action", id)."""
    in_hand = select(literal("case"), cases.c.id, cases.c.version).where(_TIMED, cases.c.claimed_by == process_id)
    action, ours = (literal("action"), actions.c.id, actions.c.version), actions.c.claimed_by == process_id
    under_way = select(*action).where(ours, actions.c.standing == ActionState.EXECUTING)
    begun = unsettled.quietly(*action).where(ours)
    return {(row[0], row[1]): row[2] for row in tx.execute(union_all(in_hand, under_way, begun))}


def let_go(tx: Tx, left: Mapping[tuple[str, str], int], process_id: str | None, now: datetime) -> int:
    """What this process left unfinished is due at once, where it is still this claim's: cases for whoever claims them,
    actions to look what became of them."""
    freed = 0
    for kind, table, changes in (
        ("case", cases, {"claimed_by": None, "wake_at": now, "held_until": None, "updated_at": now}),
        ("action", actions, {"wake_at": now, "standing": ActionState.EXECUTING}),
    ):
        rows = [(row_id, version) for (of_kind, row_id), version in left.items() if of_kind == kind]
        if not rows:
            continue
        ours = table.c.claimed_by.is_not(None) if process_id is None else table.c.claimed_by == process_id
        statement = update(table).where(tuple_(table.c.id, table.c.version).in_(rows), ours)
        if kind == "action":
            statement = statement.where(actions.c.state == ActionState.EXECUTING)
        freed += tx.execute(statement.values(**changes)).rowcount
    return freed


def my_turn(tx: Tx) -> bool:
    """Take the sweepers' lock until this transaction ends; False where another sweeper is in a pass just now.

    The lock belongs to the transaction, not to the session: a lost connection ends it, a proxy that shares connections
    does not keep it, and a sweeper that is stopped in the middle is cut off. On SQLite there is one writer anyway.
    """
    if tx.dialect.name == "sqlite":
        return True
    query = select(
        func.set_config("idle_in_transaction_session_timeout", _CUT_OFF, True),
        func.pg_try_advisory_xact_lock(_LOCK),
    )
    return bool(tx.execute(query).one()[1])

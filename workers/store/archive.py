"""Named queries of archiving: closed cases by month, all that belongs to one, sealing an archive, removing what it holds.

Called by `workers.archive` alone. Rows are removed case by case and only as they were exported: a case that changed since
its export, whatever the change, stays. Nothing here knows files.
"""

from __future__ import annotations

import fcntl
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any

from sqlalchemy import RowMapping, Table, and_, delete, func, insert, select, text, update

from workers.store import action_rows, audit, limit_cleanup, revision_rows
from workers.store.archive_tables import archived_entries, archives
from workers.store.audit import Note
from workers.store.audit_rows import READ
from workers.store.audit_rows import laid_open as entry_laid_open
from workers.store.audit_tables import audit as audit_table
from workers.store.audit_tables import audit_anchors, audit_heads
from workers.store.consultation_tables import consultations
from workers.store.database import Database, Tx
from workers.store.ids import new_id
from workers.store.notice_tables import notices
from workers.store.parcels import laid_open
from workers.store.records import ActionState, CaseState
from workers.store.rows import columns, many, one
from workers.store.step_rows import unpacked_row
from workers.store.tables import (
    actions,
    attempts,
    cases,
    decisions,
    events,
    facts,
    model_usage,
    revisions,
    steps,
)

_LOCK = 0x61726368  # "arch": one run at a time
OPEN_ACTIONS = (ActionState.PENDING, ActionState.APPROVED, ActionState.EXECUTING, ActionState.UNCERTAIN)
#: what belongs to a case by its id, in an order in which rows can be removed; then what belongs to its actions
BY_ACTION: Mapping[str, Table] = {"revisions": revisions, "attempts": attempts, "notices": notices}
BY_CASE: Mapping[str, Table] = {
    "decisions": decisions,
    "actions": actions,
    "facts": facts,
    "steps": steps,
    "model_usage": model_usage,
    "events": events,
    # what this case asked of other agents; the case that answered is archived by itself
    "consultations": consultations,
}
TABLES = ("case", *BY_ACTION, *BY_CASE, "audit")

# Counted and not asked for by EXISTS, of which the planner makes a join that reads all actions there are.
_OPEN_ACTIONS = (
    select(func.count())
    .where(actions.c.case_id == cases.c.id, actions.c.settled_at.is_(None) | actions.c.state.in_(OPEN_ACTIONS))
    .correlate(cases)
    .scalar_subquery()
)
_OVER = and_(
    cases.c.closed_at.is_not(None), cases.c.state == CaseState.CLOSED, cases.c.claimed_by.is_(None), _OPEN_ACTIONS == 0
)

Json = dict[str, Any]
#: of rows that are kept packed, how they are laid open
_READ: Mapping[str, Callable[[RowMapping], Json]] = {"steps": unpacked_row, "events": laid_open}


class Alone(Exception):
    """Another run is archiving this database just now."""


class Gone(Exception):
    """The archive was dropped by another run, which can be only where the lock that keeps it out was lost."""


class Unsealed(Exception):
    """The log's entries of a case are not sealed by an anchor yet."""


@dataclass(frozen=True, slots=True)
class Archive:
    """One file of closed cases, and how far it is."""

    id: str
    month: str
    part: int
    file: str
    state: str
    sha256: str | None
    bytes: int | None
    cases: int | None
    entries: int | None
    seal: str | None
    removed: int
    changed: int
    started_at: datetime
    sealed_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Exported:
    """What of a case in a file tells whether the one in the database is still the same."""

    id: str
    version: int
    updated_at: datetime
    events_total: int
    seq: int
    hash: str


_ARCHIVE = columns(archives, Archive)


@contextmanager
def alone(db: Database) -> Iterator[None]:
    """No second run on the same database meanwhile. Raises `Alone`."""
    if db.is_sqlite:
        with open(f"{db.engine.url.database}.archiving", "w") as lock:  # noqa: PTH123 - a descriptor is what is locked
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Alone from error
            yield
        return
    with db.engine.connect() as connection:
        mine = connection.execution_options(isolation_level="AUTOCOMMIT")
        if not mine.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}).scalar():
            raise Alone
        try:
            yield
        finally:
            mine.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})


# ── what is there ────────────────────────────────────────────────────────────────────────────────────────────────────


def earliest_closing(tx: Tx, *, since: datetime | None, before: datetime) -> datetime | None:
    """When the first case closed that is over, from `since` on and before `before`."""
    query = select(func.min(cases.c.closed_at)).where(cases.c.closed_at < before)
    if since is not None:
        query = query.where(cases.c.closed_at >= since)
    return tx.execute(query).scalar()


def count(tx: Tx, since: datetime, before: datetime) -> tuple[int, int]:
    """How many cases closed in this time, and how many of them can be archived."""
    within = and_(cases.c.closed_at >= since, cases.c.closed_at < before)
    query = select(func.count(), func.count().filter(_OVER)).select_from(cases).where(within)
    total, over = tx.execute(query).one()
    return int(total), int(over)


def ids(tx: Tx, since: datetime, before: datetime, *, after: tuple[datetime, str] | None, limit: int) -> list[Any]:
    """(closed_at, id) of cases that can be archived, in the order of their closing."""
    query = (
        select(cases.c.closed_at, cases.c.id)
        .where(cases.c.closed_at >= since, cases.c.closed_at < before, _OVER)
        .order_by(cases.c.closed_at, cases.c.id)
        .limit(limit)
    )
    if after is not None:
        moment, case_id = after
        query = query.where(cases.c.closed_at >= moment, (cases.c.closed_at > moment) | (cases.c.id > case_id))
    return [(row[0], row[1]) for row in tx.execute(query)]


def whole(tx: Tx, case_ids: Sequence[str]) -> list[Json]:
    """Cases with every row that belongs to them, as JSON values, in the order asked for."""
    found: dict[str, Json] = {}
    for row in tx.execute(select(cases).where(cases.c.id.in_(case_ids))).mappings():
        found[row["id"]] = {"case": _plain(row), **{name: [] for name in TABLES[1:]}}
    of_action: dict[str, str] = {}
    for name, table in BY_CASE.items():
        order = (table.c.round, table.c.finished_at, table.c.name) if table is steps else (table.c.id,)
        for row in tx.execute(select(table).where(table.c.case_id.in_(case_ids)).order_by(*order)).mappings():
            plain = _READ[name](row) if name in _READ else action_rows.whole(name, row)
            found[row["case_id"]][name].append(_plain(plain))
            if table is actions:
                of_action[row["id"]] = row["case_id"]
                if (first := revision_rows.first_in(row)) is not None:
                    found[row["case_id"]]["revisions"].append(_plain(action_rows.whole("revisions", first)))
    for name, table in BY_ACTION.items():
        query = select(table).where(table.c.action_id.in_(list(of_action)))
        for row in tx.execute(query.order_by(*table.c[:2])).mappings():
            found[of_action[row["action_id"]]][name].append(_plain(action_rows.whole(name, row)))
    for case in found.values():
        # Some came with their actions.
        case["revisions"].sort(key=itemgetter("action_id", "revision"))
    log = select(*READ).where(audit_table.c.chain.in_(case_ids)).order_by(audit_table.c.chain, audit_table.c.seq)
    for row in tx.execute(log).mappings():
        found[row["chain"]]["audit"].append(_plain(entry_laid_open(row)))
    return [found[case_id] for case_id in case_ids if case_id in found]


# ── an archive's life ────────────────────────────────────────────────────────────────────────────────────────────────


def listing(tx: Tx, *, month: str | None = None) -> list[Archive]:
    query = select(*_ARCHIVE).order_by(archives.c.month, archives.c.part)
    if month is not None:
        query = query.where(archives.c.month == month)
    return many(Archive, tx.execute(query).all())


def begin(tx: Tx, month: str, part: int, file: str, now: datetime) -> Archive:
    row = {
        "id": new_id("arch"),
        "month": month,
        "part": part,
        "file": file,
        "state": "writing",
        "removed": 0,
        "changed": 0,
        "started_at": now,
    }
    tx.execute(insert(archives).values(**row))
    begun = one(Archive, tx.execute(select(*_ARCHIVE).where(archives.c.id == row["id"])).first())
    assert begun is not None
    return begun


def drop(tx: Tx, archive_id: str) -> None:
    """Forget an archive that holds nothing and was never sealed."""
    tx.execute(delete(archives).where(archives.c.id == archive_id, archives.c.state == "writing"))


def moved(tx: Tx, archive_id: str, file: str) -> None:
    tx.execute(update(archives).where(archives.c.id == archive_id).values(file=file))


def seal(
    tx: Tx,
    archive: Archive,
    *,
    name: str,
    sha256: str,
    size: int,
    count: int,
    entries: int,
    digest: str,
    operator: str,
    now: datetime,
) -> None:
    """Write down, in the log as well, what a proved file holds. From now on its cases may be removed.

    The anchors over its entries must be there before the entries go. Raises `Unsealed`, and `Gone`.
    """
    audit.anchor(tx, now, wait=True)
    sealed_to = tx.execute(select(func.coalesce(func.max(audit_anchors.c.last_audit_id), 0))).scalar_one()
    last = tx.execute(
        select(func.coalesce(func.max(archived_entries.c.last_id), 0)).where(
            archived_entries.c.archive_id == archive.id
        )
    ).scalar_one()
    if last > sealed_to:
        raise Unsealed
    sealed = tx.execute(
        update(archives)
        .where(archives.c.id == archive.id, archives.c.state == "writing")
        .values(state="sealed", sha256=sha256, bytes=size, cases=count, entries=entries, seal=digest, sealed_at=now)
    )
    if sealed.rowcount != 1:
        raise Gone
    told = {"archive": archive.id, "file": name, "sha256": sha256, "seal": digest, "cases": count, "entries": entries}
    audit.append(tx, audit.SYSTEM, now, Note(operator, "archived", told))


def forget_entries(tx: Tx, archive_id: str) -> None:
    """What a try that was cut off kept."""
    tx.execute(delete(archived_entries).where(archived_entries.c.archive_id == archive_id))


def keep_entries(tx: Tx, archive_id: str, number: int, first: int, last: int, pairs: bytes) -> None:
    """Keep numbers and hashes of some of a file's entries; `number` counts in the file's order."""
    row = {"archive_id": archive_id, "number": number, "first_id": first, "last_id": last, "pairs": pairs}
    tx.execute(insert(archived_entries), row)


def finish(tx: Tx, archive_id: str, now: datetime) -> None:
    changed = archives.c.cases - archives.c.removed
    tx.execute(
        update(archives).where(archives.c.id == archive_id).values(state="done", finished_at=now, changed=changed)
    )


def remove(tx: Tx, archive_id: str, batch: Sequence[Exported]) -> tuple[int, int]:
    """Remove those cases of an archive that are as they were exported. Returns (removed, changed since).

    What is gone already counts as neither: it went in a run that was cut off.
    """
    given = {one.id: one for one in batch}
    # The rows are held until commit, so that nothing joins, reopens or decides meanwhile.
    query = (
        select(cases.c.id, cases.c.version, cases.c.updated_at, cases.c.events_total)
        .where(cases.c.id.in_(list(given)))
        .order_by(cases.c.id)
        .with_for_update(of=cases)
    )
    present = {row[0]: tuple(row[1:]) for row in tx.execute(query)}
    over = {row[0] for row in tx.execute(select(cases.c.id).where(cases.c.id.in_(list(present)), _OVER))}
    heads = audit.ends(tx, list(present))
    same = [
        i
        for i, now in present.items()
        if i in over
        and now == (given[i].version, given[i].updated_at, given[i].events_total)
        and heads.get(i) == (given[i].seq, given[i].hash)
    ]
    # What they used up of limits stays, and says from now on by itself how long.
    limit_cleanup.wind_up(tx, same)
    of_action = select(actions.c.id).where(actions.c.case_id.in_(same)).scalar_subquery()
    for table in BY_ACTION.values():
        tx.execute(delete(table).where(table.c.action_id.in_(of_action)))
    # Decisions name actions, and all but the last name their case.
    for table in BY_CASE.values():
        tx.execute(delete(table).where(table.c.case_id.in_(same)))
    tx.execute(delete(audit_table).where(audit_table.c.chain.in_(same)))
    tx.execute(delete(audit_heads).where(audit_heads.c.chain.in_(same)))
    tx.execute(delete(cases).where(cases.c.id.in_(same)))
    tx.execute(update(archives).where(archives.c.id == archive_id).values(removed=archives.c.removed + len(same)))
    return len(same), len(present) - len(same)


def _plain(row: Mapping[Any, Any]) -> Json:
    return {name: _value(value) for name, value in row.items()}


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return {"base64": b64encode(value).decode()}
    if isinstance(value, Decimal):
        return str(value)
    return value

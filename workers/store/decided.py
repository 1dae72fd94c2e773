"""Named queries on what was decided: each action's first judgement, what became of it, and single records to reach again.

Read in pages by the id, each in a transaction of its own, newest first: however many there are, no transaction lasts long and
nothing is held in memory. Ids follow the order of time, so a start in time ends the reading instead of filtering all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from sqlalchemy import Select, func, literal, select

from workers.store import judgements
from workers.store.action_rows import column_of, record_text
from workers.store.archive_tables import archives
from workers.store.database import Database, Tx
from workers.store.judgements import as_text
from workers.store.records import ESCALATION
from workers.store.revision_rows import FIRST, WRITTEN, along, revisions
from workers.store.tables import actions, cases, decisions
from workers.store.tables import revisions as rows

PAGE = 1_000
#: clocks of several machines may differ by so much, and with them the order of ids
SKEW = timedelta(minutes=5)
#: an id that comes after all others
_LAST = "act_~"


@dataclass(frozen=True, slots=True)
class Window:
    """Which decisions: drafted from `since` on, of one domain, of one kind, at most so many of the latest."""

    since: datetime | None = None
    domain: str | None = None
    kind: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """An action's first judgement. `record` is the decision record as stored, unread. `edited`: a person changed the draft."""

    id: str
    kind: str
    state: str
    decided_by: str | None
    edited: bool
    created_at: datetime
    record: str


@dataclass(frozen=True, slots=True)
class Kept:
    """One revision's record, unread, and whose it was; where the log was asked too, what it told when this was judged."""

    action_id: str
    revision: int
    author: str
    created_at: datetime
    record: str
    #: the record's digest of then; None where none was kept
    digest: str | None = None
    #: whether its case's data were taken out since
    erased: bool = False
    #: whether a person asked somebody besides, in this revision or an earlier one
    escalated: bool = False


@dataclass(frozen=True, slots=True)
class Matched:
    """One action, as much of it as a list of them shows."""

    id: str
    kind: str
    state: str
    created_at: datetime
    sentence: str


def count(tx: Tx, window: Window) -> int:
    """How many actions `stream` will give."""
    query = _chosen(select(func.count()).select_from(actions), window)
    if window.since is not None:
        query = query.where(actions.c.created_at >= window.since)
    found = int(tx.execute(query).scalar_one())
    return found if window.limit is None else min(found, window.limit)


def stream(db: Database, window: Window, *, page: int = PAGE) -> Iterator[Decided]:
    """First judgements, newest first."""
    before, given = _LAST, 0
    while True:
        with db.read() as tx:
            found = _page(tx, window, before=before, size=page)
        for one in found:
            if window.since is not None and one.created_at < window.since:
                if one.created_at < window.since - SKEW:
                    return
                continue
            yield one
            given += 1
            if given == window.limit:
                return
        if len(found) < page:
            return
        before = found[-1].id


def after(tx: Tx, floor: str, *, until: datetime, limit: int) -> list[Kept]:
    """First judgements of the actions that follow the id `floor` and were drafted by `until`, oldest first."""
    first = along(FIRST, rows.c.action_id > floor)
    query = (
        select(actions.c.id, literal(FIRST), first.author, actions.c.created_at, _unread(tx, first))
        .select_from(first.both)
        .where(actions.c.id > floor, first.there)
        .order_by(actions.c.id)
        .limit(limit)
    )
    found = [Kept(*row) for row in tx.execute(query)]
    # In the order of ids: what follows one that is too young is looked at next time, whenever it was drafted.
    return list(takewhile(lambda one: one.created_at <= until, found))


def last_before(tx: Tx, moment: datetime) -> str:
    """The newest action drafted before `moment`; "" where there is none."""
    query = select(actions.c.id).where(actions.c.created_at < moment).order_by(actions.c.id.desc()).limit(1)
    return tx.execute(query).scalar() or ""


def records(db: Database, *, since: datetime | None = None, page: int = PAGE) -> Iterator[Kept]:
    """Every revision's record of the actions drafted from `since` on, newest action first."""
    before = _LAST
    while True:
        with db.read() as tx:
            drafted = select(actions.c.id, actions.c.created_at).where(actions.c.id < before)
            found = tx.execute(drafted.order_by(actions.c.id.desc()).limit(page)).all()
            wanted = [row[0] for row in found if since is None or row[1] >= since]
            kept = _records(tx, wanted)
        yield from kept
        if len(found) < page or (since is not None and found[-1][1] < since - SKEW):
            return
        before = found[-1][0]


def records_of(tx: Tx, action_id: str) -> list[Kept]:
    """An action's records, the first revision first."""
    return _records(tx, [action_id])


def matching(tx: Tx, ids: Sequence[str]) -> list[Matched]:
    """These actions, newest first; those that were archived are missing."""
    query = select(
        actions.c.id, actions.c.kind, actions.c.state, actions.c.created_at, actions.c.sentence, actions.c.packed
    ).where(actions.c.id.in_(ids))
    rows = tx.execute(query.order_by(actions.c.id.desc())).all()
    return [Matched(*row[:4], column_of(row[4], row[5], "sentence")) for row in rows]


def archived(tx: Tx, since: datetime | None) -> int:
    """How many cases lie in archives that closed in the month of `since` or later. Their decisions are not read."""
    query = select(func.coalesce(func.sum(archives.c.removed), 0))
    if since is not None:
        query = query.where(archives.c.month >= f"{since:%Y-%m}")
    return int(tx.execute(query).scalar_one())


def _page(tx: Tx, window: Window, *, before: str, size: int) -> list[Decided]:
    first = along(FIRST, rows.c.action_id < before)
    query = (
        select(
            actions.c.id,
            actions.c.kind,
            actions.c.state,
            actions.c.decided_by,
            actions.c.revision,
            actions.c.created_at,
            _unread(tx, first),
        )
        .select_from(first.both)
        .where(actions.c.id < before, first.there)
        .order_by(actions.c.id.desc())
        .limit(size)
    )
    found = tx.execute(_chosen(query, window)).all()
    changed = _edited(tx, [row.id for row in found if row.revision > FIRST])
    return [Decided(r.id, r.kind, r.state, r.decided_by, r.id in changed, r.created_at, r.record) for r in found]


def _records(tx: Tx, ids: Sequence[str]) -> list[Kept]:
    if not ids:
        return []
    query = (
        select(
            actions.c.case_id,
            revisions.c.action_id,
            revisions.c.revision,
            revisions.c.author,
            revisions.c.created_at,
            _unread(tx, revisions.c),
        )
        .join(actions, actions.c.id == revisions.c.action_id)
        .where(revisions.c.action_id.in_(ids), WRITTEN)
        .order_by(revisions.c.action_id.desc(), revisions.c.revision)
    )
    found = tx.execute(query).all()
    told = judgements.told_of(tx, sorted({row.case_id for row in found}))
    kept, escalated = [], set[str]()
    for row in found:
        if row.author == ESCALATION:
            escalated.add(row.action_id)
        digest, erased = told.digests.get((row.action_id, row.revision)), row.case_id in told.erased
        kept.append(Kept(*row[1:], digest, erased, row.action_id in escalated))
    return kept


def _chosen(query: Select[Any], window: Window) -> Select[Any]:
    if window.kind is not None:
        query = query.where(actions.c.kind == window.kind)
    if window.domain is not None:
        query = query.join(cases, cases.c.id == actions.c.case_id).where(cases.c.domain == window.domain)
    return query


def _edited(tx: Tx, ids: Sequence[str]) -> set[str]:
    """Of these, those whose draft a person changed. A draft that was only judged anew is not."""
    if not ids:
        return set()
    # No change is kept as JSON's null, which is a value.
    after = as_text(tx, decisions.c.after)
    query = select(decisions.c.action_id).where(decisions.c.action_id.in_(ids), after != "null")
    return set(tx.execute(query).scalars())


def _unread(tx: Tx, kept: Any) -> Any:
    """The record as text: whoever wants it reads it, once."""
    sqlite = tx.dialect.name == "sqlite"
    return record_text(kept.record, kept.packed, sqlite=sqlite).label("record")

"""Named queries on notices: telling a group, what somebody has not read yet, and marking it as read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, delete, exists, func, select, update

from workers.store.action_rows import column_of
from workers.store.database import Tx
from workers.store.ids import new_id
from workers.store.notice_tables import notice_marks, notice_reads, notices
from workers.store.records import Person
from workers.store.tables import actions, cases
from workers.store.upsert import insert_into

EVERYBODY = ""
#: what is older counts as read
UNREAD_DAYS = 30
#: what is older is gone
KEPT_DAYS = 90
#: more are not counted
MOST_UNREAD = 99
#: a notice may be committed so long after the moment that it bears: up to there it is marked one by one
LATE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that was done, as somebody sees it. `sentence` is None where the action has been archived since."""

    id: str
    action_id: str
    case_id: str
    role: str
    cause: str
    at: datetime
    kind: str | None
    sentence: str | None
    domain: str | None
    title: str | None
    read: bool


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks, and from when on a notice may still be unread for them."""

    person_id: str
    roles: tuple[str, ...]
    since: datetime


def add(tx: Tx, *, action_id: str, case_id: str, told: Mapping[str, str], now: datetime) -> None:
    """Tell these groups, each with its cause, of one action. Who was told the same of it already is not told again."""
    rows: list[Mapping[str, Any]] = [
        {"id": new_id("note"), "action_id": action_id, "case_id": case_id, "role": role, "cause": cause, "at": now}
        for role, cause in sorted(told.items())
    ]
    _put(tx, notices, rows)


def reader(tx: Tx, person: Person, now: datetime) -> Reader:
    mark = tx.execute(select(notice_marks.c.upto).where(notice_marks.c.person_id == person.id)).scalar()
    since = max(now - timedelta(days=UNREAD_DAYS), person.created_at)
    roles = (EVERYBODY, *sorted(set(person.groups)))
    return Reader(person.id, roles, since if mark is None else max(since, mark))


def unread(tx: Tx, who: Reader) -> int:
    """How many there are, up to `MOST_UNREAD` and one."""
    return int(
        tx.execute(select(func.count()).select_from(_unread(who).limit(MOST_UNREAD + 1).subquery())).scalar_one()
    )


def unread_of(tx: Tx, person: Person, now: datetime) -> int:
    """The same in one statement, for the head of every page."""
    since = max(now - timedelta(days=UNREAD_DAYS), person.created_at)
    who = Reader(person.id, (EVERYBODY, *sorted(set(person.groups))), since)
    marked = exists().where(notice_marks.c.person_id == person.id, notice_marks.c.upto >= notices.c.at)
    fresh = _unread(who).where(~marked).limit(MOST_UNREAD + 1)
    return int(tx.execute(select(func.count()).select_from(fresh.subquery())).scalar_one())


def listing(
    tx: Tx, who: Reader, *, only_unread: bool = False, before: str | None = None, limit: int = 50
) -> list[Notice]:
    """Newest first, each thing once though several of one's groups were told."""
    fresh = _fresh(who)
    query = (
        select(
            notices.c.id,
            notices.c.action_id,
            notices.c.case_id,
            notices.c.role,
            notices.c.cause,
            notices.c.at,
            actions.c.kind,
            actions.c.sentence,
            cases.c.domain,
            cases.c.title,
            ~fresh,
            actions.c.packed,
        )
        .outerjoin(actions, actions.c.id == notices.c.action_id)
        .outerjoin(cases, cases.c.id == notices.c.case_id)
        .where(*_told(who))
        .order_by(notices.c.id.desc())
        .limit(limit)
    )
    if only_unread:
        query = query.where(fresh)
    if before is not None:
        query = query.where(notices.c.id < before)
    found = []
    for *values, packed in tx.execute(query).all():
        notice = Notice(*values)
        sentence = column_of(notice.sentence, packed, "sentence")
        found.append(replace(notice, sentence=sentence, read=bool(notice.read)))
    return found


def mark_read(tx: Tx, who: Reader, ids: Sequence[str], now: datetime) -> int:
    """Mark some as read, as far as this person was told of them. How many that were."""
    found = list(tx.execute(_unread(who).where(notices.c.id.in_(ids))).scalars())
    _read(tx, who, found, now)
    return len(found)


def mark_all_read(tx: Tx, who: Reader, upto: datetime, now: datetime) -> int:
    """Mark everything as read that bears a moment up to `upto`: the newest that this person was shown."""
    if upto <= who.since:
        # So long ago nothing is unread; before the first of all moments there is none.
        return 0
    found = list(tx.execute(_unread(who).where(notices.c.at <= upto)).scalars())
    surely = upto - LATE
    latest = list(tx.execute(_unread(who).where(notices.c.at > surely, notices.c.at <= upto)).scalars())
    _read(tx, who, latest, now)
    if surely > who.since:
        changed = update(notice_marks).where(notice_marks.c.person_id == who.person_id).values(upto=surely)
        if not tx.execute(changed).rowcount:
            _put(tx, notice_marks, [{"person_id": who.person_id, "upto": surely}])
    return len(found)


def drop_older(tx: Tx, now: datetime) -> None:
    """What nobody looks for any more."""
    tx.execute(delete(notices).where(notices.c.at < now - timedelta(days=KEPT_DAYS)))
    # Only what may still count as unread needs to be known as read.
    tx.execute(delete(notice_reads).where(notice_reads.c.at < now - timedelta(days=KEPT_DAYS)))


def drop_of(tx: Tx, case_ids: Sequence[str]) -> None:
    """What was told of these cases. Who has read it is kept for its own time, and leads to nothing."""
    tx.execute(delete(notices).where(_of_cases(case_ids)))


def count_of(tx: Tx, case_ids: Sequence[str]) -> int:
    return int(tx.execute(select(func.count()).select_from(notices).where(_of_cases(case_ids))).scalar_one())


def _of_cases(case_ids: Sequence[str]) -> ColumnElement[bool]:
    return notices.c.action_id.in_(select(actions.c.id).where(actions.c.case_id.in_(case_ids)))


def _told(who: Reader) -> tuple[ColumnElement[bool], ...]:
    """What this person was told, each thing once though several of their groups were."""
    other = notices.alias("other")
    again = exists().where(
        other.c.action_id == notices.c.action_id,
        other.c.cause == notices.c.cause,
        other.c.role.in_(who.roles),
        other.c.id < notices.c.id,
    )
    return notices.c.role.in_(who.roles), ~again


def _fresh(who: Reader) -> ColumnElement[bool]:
    read = exists().where(notice_reads.c.person_id == who.person_id, notice_reads.c.notice_id == notices.c.id)
    return and_(notices.c.at > who.since, ~read)


def _unread(who: Reader) -> Select[Any]:
    return select(notices.c.id).where(*_told(who), _fresh(who))


def _read(tx: Tx, who: Reader, ids: Iterable[str], now: datetime) -> None:
    _put(tx, notice_reads, [{"person_id": who.person_id, "notice_id": one, "at": now} for one in ids])


def _put(tx: Tx, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows, but for those that are there already."""
    if rows:
        tx.execute(insert_into(tx, table).on_conflict_do_nothing(), list(rows))

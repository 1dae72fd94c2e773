"""Named queries on what another policy says of each decision, beside the one in force: kept once a revision, and only read.

What has been looked at is told by the rows themselves, so looking twice changes nothing. A mark only says where to
begin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, func, literal, select

from workers.store import examples
from workers.store.action_rows import record_text
from workers.store.database import Tx
from workers.store.ids import first_id, made_at, until_now
from workers.store.rehearsal_tables import policy_shadows
from workers.store.revision_rows import FIRST, along
from workers.store.rows import columns, many
from workers.store.tables import actions, cases, decisions
from workers.store.tables import revisions as rows
from workers.store.upsert import insert_into

#: how far before its mark a look begins: commits of several machines come in so late, at most
OVERLAP = timedelta(minutes=5)
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A decision that the shadow has not seen. `record` is as stored, unread."""

    action_id: str
    revision: int
    domain: str
    kind: str
    created_at: datetime
    record: str


@dataclass(frozen=True, slots=True)
class ShadowVerdict:
    """What both said of one revision. `told` has both in full where they differ."""

    shadow: str
    action_id: str
    revision: int
    name: str
    domain: str
    kind: str
    was: str
    would_be: str
    differs: bool
    told: Mapping[str, Any] | None
    decided_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Differing:
    """A difference with what became of the action since; empty where it is archived."""

    verdict: ShadowVerdict
    state: str
    decided_by: str | None


@dataclass(frozen=True, slots=True)
class Known:
    """A shadow that has judged something: the last that it did, and how much."""

    shadow: str
    name: str
    judged: int
    last_at: datetime


_S = policy_shadows.c
_VERDICT = columns(policy_shadows, ShadowVerdict)


def drafted(tx: Tx, shadow: str, *, floor: str, limit: int) -> list[Waiting]:
    """First judgements after the action `floor` that the shadow has not seen, oldest first."""
    first = along(FIRST, rows.c.action_id > floor)
    query = _unseen(tx, shadow, literal(FIRST), actions.c.created_at, first).select_from(first.both)
    query = query.where(actions.c.id > floor, first.there).order_by(actions.c.id).limit(limit)
    return [Waiting(*row) for row in tx.execute(query)]


def judged_anew(tx: Tx, shadow: str, *, floor: str, upto: str) -> list[Waiting]:
    """Later judgements, not seen yet, of actions on which somebody decided after the decision `floor` up to `upto`."""
    touched = select(decisions.c.action_id).where(decisions.c.id > floor, decisions.c.id <= upto)
    both = rows.join(actions, actions.c.id == rows.c.action_id)
    query = _unseen(tx, shadow, rows.c.revision, rows.c.created_at, rows.c).select_from(both)
    # Of which no first one is.
    query = query.where(rows.c.revision > FIRST, rows.c.action_id.in_(touched))
    return [Waiting(*row) for row in tx.execute(query.order_by(rows.c.action_id, rows.c.revision))]


def newest_decision(tx: Tx) -> str:
    """The last that anybody decided; before all others where nobody has decided anything."""
    return tx.execute(select(func.max(decisions.c.id))).scalar() or first_id("dec", _LONG_AGO)


def before(prefix: str, mark: str) -> str:
    """A little before a mark: what was made first may be committed second."""
    return first_id(prefix, made_at(until_now(mark)) - OVERLAP)


def mark(tx: Tx, shadow: str, what: str) -> str:
    return examples.mark(tx, f"policy shadow {what} {shadow}")


def set_mark(tx: Tx, shadow: str, what: str, value: str, now: datetime) -> None:
    examples.set_mark(tx, f"policy shadow {what} {shadow}", until_now(value), now)


def add(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep verdicts. One that is there stays as it is."""
    if rows:
        tx.execute(insert_into(tx, policy_shadows).on_conflict_do_nothing(), list(map(dict, rows)))


def known(tx: Tx) -> list[Known]:
    """Every shadow that has judged something, the one that judged last first."""
    query = (
        select(_S.shadow, func.max(_S.name), func.count(), func.max(_S.at))
        .group_by(_S.shadow)
        .order_by(func.max(_S.at).desc(), _S.shadow)
    )
    return [Known(*row) for row in tx.execute(query)]


def moves(tx: Tx, shadow: str, since: datetime) -> dict[tuple[str, str, bool], int]:
    """How many by (was, would be, differs) of what was decided from `since` on."""
    query = select(_S.was, _S.would_be, _S.differs, func.count()).where(_S.shadow == shadow, _S.decided_at >= since)
    found = tx.execute(query.group_by(_S.was, _S.would_be, _S.differs))
    return {(row[0], row[1], bool(row[2])): row[3] for row in found}


def days(tx: Tx, shadow: str, since: datetime) -> dict[str, tuple[int, int]]:
    """For each day (UTC): how many both said the same of, and of how many not."""
    day = func.strftime("%Y-%m-%d", _S.decided_at) if tx.dialect.name == "sqlite" else _pg_day()
    query = select(day, _S.differs, func.count()).where(_S.shadow == shadow, _S.decided_at >= since)
    counted: dict[str, tuple[int, int]] = {}
    for name, differs, number in tx.execute(query.group_by(day, _S.differs)):
        same, other = counted.get(name, (0, 0))
        counted[name] = (same, other + number) if differs else (same + number, other)
    return counted


def differing(tx: Tx, shadow: str, since: datetime, *, limit: int) -> list[Differing]:
    """The latest differences, newest action first."""
    query = (
        select(*_VERDICT, actions.c.state, actions.c.decided_by)
        .outerjoin(actions, actions.c.id == _S.action_id)
        .where(_S.shadow == shadow, _S.differs, _S.decided_at >= since)
        .order_by(_S.action_id.desc(), _S.revision.desc())
        .limit(limit)
    )
    return [Differing(ShadowVerdict(*row[: len(_VERDICT)]), row[-2] or "", row[-1]) for row in tx.execute(query).all()]


def listing(tx: Tx, shadow: str) -> list[ShadowVerdict]:
    query = select(*_VERDICT).where(_S.shadow == shadow).order_by(_S.action_id, _S.revision)
    return many(ShadowVerdict, tx.execute(query).all())


def drop_before(tx: Tx, moment: datetime) -> None:
    tx.execute(delete(policy_shadows).where(_S.at < moment))


def _unseen(tx: Tx, shadow: str, number: Any, made: Any, kept: Any) -> Select[Any]:
    """Of revisions with this number, made then and kept so, those that the shadow has not seen."""
    record = record_text(kept.record, kept.packed, sqlite=tx.dialect.name == "sqlite")
    domain = select(cases.c.domain).where(cases.c.id == actions.c.case_id).scalar_subquery()
    seen = select(_S.action_id).where(_S.shadow == shadow, _S.action_id == actions.c.id, _S.revision == number).exists()
    return select(actions.c.id, number, domain, actions.c.kind, made, record).where(~seen)


def _pg_day() -> Any:
    return func.to_char(func.timezone("UTC", _S.decided_at), "YYYY-MM-DD")

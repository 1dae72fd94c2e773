"""Named queries on memories: by whom or what they are about, by words, by vectors; and learning, correcting, forgetting.

Called by `workers.memory` alone, but for `about`, which runs while a case gathers: there it is one statement on one index.
What is read here is current unless a function says otherwise.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Dialect,
    Select,
    bindparam,
    delete,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    text,
    tuple_,
    update,
)

from workers.store.columns import UtcDateTime
from workers.store.database import Database, Tx
from workers.store.memory_tables import memories, memory_vectors
from workers.store.rows import columns, many, one

#: newest first, of which those are chosen that fit best
MOST_LOOKED_AT = 50
#: words of a question that are searched for
MOST_WORDS = 40


@dataclass(frozen=True, slots=True)
class Memory:
    """One thing remembered, with where it came from and what became of it."""

    number: int
    id: str
    about_kind: str
    about_key: str
    kind: str
    slot: str
    text: str
    data: Mapping[str, Any]
    signature: str
    origin: str
    confidence: float
    case_id: str | None
    domain: str
    refs: list[str]
    seen: int
    created_at: datetime
    confirmed_at: datetime
    expires_at: datetime | None
    corrected_by: str | None
    superseded_by: str | None
    superseded_at: datetime | None
    erased_by: str | None
    erased_at: datetime | None

    @property
    def current(self) -> bool:
        return self.superseded_by is None and self.erased_at is None


_COLUMNS = columns(memories, Memory)
_CURRENT = (memories.c.superseded_by.is_(None), memories.c.erased_at.is_(None))
_UNEXPIRED = or_(memories.c.expires_at.is_(None), memories.c.expires_at > bindparam("now", type_=UtcDateTime()))
_ABOUT = (
    select(*_COLUMNS)
    .where(
        memories.c.about_kind == bindparam("kind"),
        memories.c.about_key == bindparam("key"),
        *_CURRENT,
        _UNEXPIRED,
    )
    .order_by(memories.c.confirmed_at.desc())
    .limit(bindparam("most"))
)


# ── finding ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def about(db: Database, kind: str, key: str, now: datetime, most: int = MOST_LOOKED_AT) -> list[Memory]:
    """What is remembered of one customer, vendor or topic, newest first. One statement, one round trip."""
    values = {"kind": kind, "key": key, "now": now, "most": most}
    if db.is_sqlite:
        with db.read() as tx:
            return many(Memory, tx.execute(_ABOUT, values).all())
    with db.direct() as cursor:
        return [Memory(*row) for row in cursor.execute(_written(db.engine.dialect), values).fetchall()]


@cache
def _written(dialect: Dialect) -> bytes:
    """The statement as PostgreSQL's driver takes it."""
    return str(_ABOUT.compile(dialect=dialect)).encode()


def similar(tx: Tx, kind: str, question: str, now: datetime, most: int, *, key: str | None = None) -> list[Memory]:
    """Memories that share words with a question, best first: of one subject, or of all of its kind."""
    if not (asked := _asked(tx, question)):
        return []
    values = {"kind": kind, "key": key, "asked": asked, "now": now, "most": most}
    return many(Memory, tx.execute(_worded(tx.dialect.name, key is not None), values).all())


@cache
def _worded(dialect: str, of_one: bool) -> Select[Any]:
    """Built once: building it anew costs more than running it."""
    query = (
        select(*_COLUMNS)
        .where(memories.c.about_kind == bindparam("kind"), *_CURRENT, _UNEXPIRED)
        .limit(bindparam("most"))
    )
    if of_one:
        query = query.where(memories.c.about_key == bindparam("key"))
    if dialect == "postgresql":
        asked = func.to_tsquery(text("'simple'"), bindparam("asked"))
        search: ColumnElement[Any] = literal_column("memories.search")
        return query.where(search.op("@@")(asked)).order_by(func.ts_rank(search, asked).desc())
    found = (
        text("SELECT rowid AS found, bm25(memories_text) AS score FROM memories_text WHERE memories_text MATCH :asked")
        .columns(found=memories.c.number.type, score=memories.c.confidence.type)
        .subquery()
    )
    return query.join(found, found.c.found == memories.c.number).order_by(found.c.score)


def get(tx: Tx, memory_id: str) -> Memory | None:
    return one(Memory, tx.execute(select(*_COLUMNS).where(memories.c.id == memory_id)).first())


def history(tx: Tx, kind: str, key: str, limit: int = 500) -> list[Memory]:
    """All that is and was remembered of one subject, newest first, with what was replaced or forgotten."""
    query = (
        select(*_COLUMNS)
        .where(memories.c.about_kind == kind, memories.c.about_key == key)
        .order_by(memories.c.number.desc())
        .limit(limit)
    )
    return many(Memory, tx.execute(query).all())


def in_slots(tx: Tx, slots: Sequence[tuple[str, str, str]]) -> list[Memory]:
    """All that is and was remembered in these (about kind, about key, slot), newest first."""
    if not slots:
        return []
    place = tuple_(memories.c.about_kind, memories.c.about_key, memories.c.slot)
    return many(Memory, tx.execute(select(*_COLUMNS).where(place.in_(slots)).order_by(memories.c.number.desc())).all())


def count(tx: Tx) -> int:
    return int(tx.execute(select(func.count()).select_from(memories).where(*_CURRENT)).scalar_one())


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def add(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        tx.execute(insert(memories), [dict(row) for row in rows])


def change(tx: Tx, memory_id: str, **changes: Any) -> None:
    tx.execute(update(memories).where(memories.c.id == memory_id).values(**changes))


def supersede(tx: Tx, memory_id: str, by: str, now: datetime) -> bool:
    """Mark a current memory as replaced. False where it is no longer current."""
    query = update(memories).where(memories.c.id == memory_id, *_CURRENT).values(superseded_by=by, superseded_at=now)
    return bool(tx.execute(query).rowcount)


def erase(tx: Tx, ids: Sequence[str], by: str, now: datetime) -> int:
    """Take away what memories say. What stays tells that there was one, and keeps the same from being learned again."""
    gone = {"text": "", "data": {}, "refs": [], "erased_by": by, "erased_at": now}
    tx.execute(delete(memory_vectors).where(memory_vectors.c.memory_id.in_(ids)))
    query = update(memories).where(memories.c.id.in_(ids), memories.c.erased_at.is_(None)).values(**gone)
    return int(tx.execute(query).rowcount)


def drop_expired(tx: Tx, now: datetime, limit: int = 1000) -> int:
    over = select(memories.c.id).where(memories.c.expires_at <= now).limit(limit)
    ids = list(tx.execute(over).scalars())
    if ids:
        tx.execute(delete(memory_vectors).where(memory_vectors.c.memory_id.in_(ids)))
        tx.execute(delete(memories).where(memories.c.id.in_(ids)))
    return len(ids)


# ── vectors ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def without_vector(tx: Tx, model: str, limit: int) -> list[tuple[str, str]]:
    """(id, text) of current memories that have no vector of this model."""
    has = select(memory_vectors.c.memory_id).where(
        memory_vectors.c.memory_id == memories.c.id, memory_vectors.c.model == model
    )
    query = select(memories.c.id, memories.c.text).where(*_CURRENT, ~has.exists())
    return [(row[0], row[1]) for row in tx.execute(query.order_by(memories.c.number.desc()).limit(limit))]


def keep_vectors(tx: Tx, model: str, vectors: Mapping[str, Sequence[float]]) -> None:
    tx.execute(delete(memory_vectors).where(memory_vectors.c.memory_id.in_(list(vectors))))
    # Only of what is still remembered: it may have been forgotten while its vector was made.
    still = set(tx.execute(select(memories.c.id).where(memories.c.id.in_(list(vectors)), *_CURRENT)).scalars())
    rows = [{"memory_id": i, "model": model, "vector": _packed(tx, v)} for i, v in vectors.items() if i in still]
    if rows:
        tx.execute(insert(memory_vectors), rows)


def vectors_of(tx: Tx, model: str, ids: Sequence[str]) -> dict[str, Sequence[float]]:
    query = select(memory_vectors.c.memory_id, memory_vectors.c.vector).where(
        memory_vectors.c.memory_id.in_(ids), memory_vectors.c.model == model
    )
    return {row[0]: _unpacked(row[1]) for row in tx.execute(query)}


def nearest(tx: Tx, kind: str, model: str, vector: Sequence[float], now: datetime, most: int) -> list[Memory] | None:
    """Memories of a kind of subject by the nearness of their vectors. None where the database cannot tell: it needs
    PostgreSQL with the extension pgvector."""
    if tx.dialect.name != "postgresql" or tx.execute(text("SELECT to_regtype('vector')")).scalar() is None:
        return None
    distance = memory_vectors.c.vector.op("::vector <=>")(literal(_spelled(vector)).op("::")(text("vector")))
    query = (
        _living(now)
        .join(memory_vectors, memory_vectors.c.memory_id == memories.c.id)
        .where(memories.c.about_kind == kind, memory_vectors.c.model == model)
        .order_by(distance)
        .limit(most)
    )
    return many(Memory, tx.execute(query).all())


def newest(tx: Tx, kind: str, now: datetime, most: int) -> list[Memory]:
    """The newest memories of a kind of subject."""
    query = _living(now).where(memories.c.about_kind == kind).order_by(memories.c.number.desc()).limit(most)
    return many(Memory, tx.execute(query).all())


def _living(now: datetime) -> Select[Any]:
    return select(*_COLUMNS).where(*_CURRENT, or_(memories.c.expires_at.is_(None), memories.c.expires_at > now))


def _packed(tx: Tx, vector: Sequence[float]) -> Any:
    return list(vector) if tx.dialect.name == "postgresql" else struct.pack(f"<{len(vector)}f", *vector)


def _unpacked(kept: Any) -> Sequence[float]:
    return struct.unpack(f"<{len(kept) // 4}f", kept) if isinstance(kept, bytes) else kept


def _spelled(vector: Sequence[float]) -> str:
    return "[" + ",".join(map(repr, vector)) + "]"


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _asked(tx: Tx, question: str) -> str:
    """A question as either database's query language has it: any of its words, each in quotes, so that no operator ever
    comes from outside."""
    words = [word for word in re.findall(r"\w+", question.casefold()) if len(word) > 1]
    either = " | " if tx.dialect.name == "postgresql" else " OR "
    quote = "'" if tx.dialect.name == "postgresql" else '"'
    return either.join(f"{quote}{word}{quote}" for word in dict.fromkeys(words[:MOST_WORDS]))

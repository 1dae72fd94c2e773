"""Tables for what is remembered beyond a case: memories, their vectors, and which closed cases were looked at.

Declared beside `tables`, as those for archives are. Searching text needs what each database has of its own (a generated
`tsvector` on PostgreSQL, FTS5 with triggers on SQLite), which migration 0007 makes and `declared` keeps out of comparisons.
"""

from __future__ import annotations

from sqlalchemy import REAL, BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, String, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from workers.store.columns import Json, at, metadata, partial

#: a row that still holds: neither replaced, nor forgotten
CURRENT = "superseded_by IS NULL AND erased_at IS NULL"

memories = Table(
    "memories",
    metadata,
    # FTS5 finds rows by number; an id of text would not do.
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", String(40), nullable=False, unique=True),
    Column("about_kind", String(16), nullable=False),
    Column("about_key", String(320), nullable=False),
    # outcome · decision · preference · claim · note
    Column("kind", String(16), nullable=False),
    # What a memory is about, within its subject: one that speaks of the same replaces the older.
    Column("slot", String(120), nullable=False),
    Column("text", Text, nullable=False),
    Column("data", Json, nullable=False),
    # Over slot, origin and text: the same thing said again is found by it.
    Column("signature", String(64), nullable=False),
    # trusted: from a record · person: a colleague's words · untrusted: what a stranger claims
    Column("origin", String(16), nullable=False),
    Column("confidence", Float, nullable=False),
    # No foreign keys: cases leave for the archive, what was learned from them stays.
    Column("case_id", String(40)),
    Column("domain", String(32), nullable=False),
    Column("refs", Json, nullable=False),
    Column("seen", Integer, nullable=False),
    at("created_at"),
    at("confirmed_at"),
    at("expires_at", nullable=True),
    Column("corrected_by", String(200)),
    Column("superseded_by", String(40)),
    at("superseded_at", nullable=True),
    Column("erased_by", String(200)),
    at("erased_at", nullable=True),
    partial("ix_memories_about", "about_kind", "about_key", "confirmed_at", where=CURRENT),
    # Also what was replaced or forgotten, so that it is not learned again.
    Index("ix_memories_slot", "about_kind", "about_key", "slot"),
    partial("ix_memories_expires_at", "expires_at", where="expires_at IS NOT NULL"),
    Index("ix_memories_case_id", "case_id"),
)

memory_vectors = Table(
    "memory_vectors",
    metadata,
    Column("memory_id", String(40), primary_key=True),
    # Vectors of different models cannot be compared.
    Column("model", String(120), nullable=False),
    Column("vector", ARRAY(REAL).with_variant(LargeBinary(), "sqlite"), nullable=False),
)

remembered = Table(
    "remembered",
    metadata,
    # Not a foreign key either: the row says that nothing more is to be learned from a case, wherever that is now.
    Column("case_id", String(40), primary_key=True),
    at("closed_at"),
    Column("erased", Boolean, nullable=False),
    Index("ix_remembered_closed_at", "closed_at"),
)

_SEARCHING = {"ix_memories_search", "search"}


def declared(name: str | None, _kind: str, _parents: object) -> bool:
    """Whether a thing found in the database should be declared here: what only serves searching is the database's own."""
    return name not in _SEARCHING and not (name or "").startswith("memories_text")

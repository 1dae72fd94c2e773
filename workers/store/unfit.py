"""Columns as the proof of the log reads them: whatever somebody, or a failing disk, made of a value, there is something to tell.

SQLite keeps anything in any column, and one value that its column's type cannot read would keep all others from being read.
PostgreSQL holds its types itself. Called by whoever reads entries of the log, and what is held against them.
"""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, String, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import NullType, TypeEngine

from workers.store.database import Tx

#: in place of a time that is none
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
#: bytes, or whatever stands in their place
AnyBytes = NullType


class AnyMoment(TypeDecorator[datetime]):
    """A time as `UtcDateTime` reads it, or `NEVER`."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(String() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime:
        try:
            moment = datetime.fromisoformat(value) if dialect.name == "sqlite" else value
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            return NEVER


class AnyJson(TypeDecorator[Any]):
    """A JSON value, or None for what is no JSON."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(String() if dialect.name == "sqlite" else JSONB())

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        if dialect.name != "sqlite":
            return value
        try:
            return json.loads(value)
        except (TypeError, ValueError, RecursionError):
            return None


def in_bytes(kept: object) -> bytes:
    """Bytes of a column; nothing, which fits no hash, where something else stands."""
    return bytes(kept) if isinstance(kept, bytes | memoryview) else b""


def read_any_text(tx: Tx) -> None:
    """From now on bytes that are no text can be read on this connection, too; what they say fits no hash. SQLite only."""
    connection = tx.connection.driver_connection
    if isinstance(connection, sqlite3.Connection):
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")

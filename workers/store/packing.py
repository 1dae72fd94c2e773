"""Decision records, and what steps came to, as PostgreSQL keeps them: packed with words that most of them are made of.

A record is three to four thousand characters, of which all but a tenth are the names of facts and the texts of rules, and each
commit of a decision would write them ahead once more. Packed it is a text of five hundred, in the same column. What was
stored before packing is read as it is. SQLite keeps records plain: it writes no log that others wait for.

What comes in is packed many at a time, by `frames`, with words of its own kind.

The words are a file of their own and are never changed: whatever was packed with them could not be read again. Better words
get the next number. Called by the column's type and by `flow_postgresql`, which sends rows as one text.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic_core import PydanticSerializationError, to_json
from sqlalchemy import JSON, Column, Dialect, LargeBinary, Text, TypeDecorator, cast, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from workers.store import frames
from workers.store.frames import WORDS

#: the words in use, for decision records, for what steps came to, for actions, for what came in and for the audit log; every number
#: that ever was can be read
NUMBER = 8
OF_STEPS = 2
OF_ACTIONS = 4
OF_EVENTS = 16
OF_NOTES = 9
#: what is shorter than this stays as it is
LEAST = 256
#: enough to find what is in the words; more costs five times as much and saves twenty bytes
_LEVEL, _MEMORY = 3, 5
#: how far back a packer looks, as a power of two: short words need little room, which is copied for each record
_REACH = {OF_STEPS: 13, OF_ACTIONS: 13, OF_NOTES: 12}
_ENCODER = json.JSONEncoder(separators=(",", ":"), default=dict)


def packed(record: Mapping[str, Any], words: int = NUMBER) -> Any:
    """A record as it is stored: text, or itself where that would not be shorter."""
    text = written(record)
    if len(text) < LEAST:
        return record
    packer = _packer(words).copy()
    return f"{words}:{b64encode(packer.compress(text) + packer.flush()).decode()}"


def in_bytes(record: Mapping[str, Any], words: int) -> bytes:
    """A record as a column of bytes keeps it, a quarter shorter than as text: the words' number, then what is packed."""
    return deflated(written(record), words)


def of_bytes(stored: bytes) -> Any:
    """What `in_bytes` packed. Raise `ValueError` for what nobody packed."""
    return json.loads(inflated(stored))


def deflated(text: bytes, words: int) -> bytes:
    """Any bytes as a column of bytes keeps them."""
    packer = _packer(words).copy()
    return b"%c%b%b" % (words, packer.compress(text), packer.flush())


def inflated(stored: bytes) -> bytes:
    """What `deflated` packed. Raise `ValueError` for what nobody packed."""
    return _inflated(stored[0] if stored else 0, stored[1:])[0]


def reinflated(stored: bytes) -> tuple[bytes, bytes]:
    """What `deflated` packed, and whatever follows it."""
    return _inflated(stored[0] if stored else 0, stored[1:])


def unpacked(stored: Any) -> Any:
    """What was stored, packed or not."""
    return json.loads(_text_of(stored)) if isinstance(stored, str) else stored


class Record(TypeDecorator[Any]):
    """A column of records: mappings in and out, however they are kept."""

    impl = JSON
    cache_ok = True

    def __init__(self, words: int = NUMBER) -> None:
        super().__init__()
        self.words = words

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(JSONB() if dialect.name == "postgresql" else JSON())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return packed(value, self.words) if dialect.name == "postgresql" and isinstance(value, Mapping) else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 - the base's signature
        return unpacked(value)


class PackedRecord(TypeDecorator[Any]):
    """A column of records that are always packed: mappings in and out."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, words: int = NUMBER) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:  # noqa: ARG002 - the base's signature
        return None if value is None else in_bytes(value, self.words)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 - the base's signature
        return None if value is None else of_bytes(bytes(value))


class RecordText(TypeDecorator[str]):
    """Text of JSON that may be packed, unpacked."""

    impl = Text
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - the base's signature
        if value is None or not value.startswith('"'):
            return value
        try:
            return _text_of(json.loads(value))
        except ValueError:
            # Whoever holds a record against the log must be told what is there, whatever somebody made of it.
            return value


def as_text(column: Column[Any], *, sqlite: bool) -> Any:
    """A column of JSON as text, unpacked: whoever wants the values reads it, once."""
    return type_coerce(column, Text) if sqlite else cast(column, RecordText)


def _text_of(stored: str) -> str:
    """Raise `ValueError` for what nobody packed."""
    number, _, text = stored.partition(":")
    return _inflated(int(number), b64decode(text, validate=True))[0].decode()


def _inflated(number: int, packed_: bytes) -> tuple[bytes, bytes]:
    if number >= frames.FROM:
        return frames.unpacked(packed_, number), b""
    try:
        unpacker = _unpacker(number).copy()
        read: bytes = unpacker.decompress(packed_)
    except (zlib.error, FileNotFoundError) as error:
        raise ValueError(f"this is no packed record: {number}:{packed_[:30]!r}") from error
    if not unpacker.eof:
        raise ValueError(f"this packed record is not whole: {number}:{packed_[:30]!r}")
    return read, unpacker.unused_data


def written(record: Mapping[str, Any] | list[Any]) -> bytes:
    """As JSON."""
    try:
        return to_json(record, fallback=dict)
    except PydanticSerializationError:
        # Half of a character: text that is no text.
        return _ENCODER.encode(record).encode()


@cache
def _packer(number: int) -> Any:
    reach = _REACH.get(number, zlib.MAX_WBITS)
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, -reach, _MEMORY, zlib.Z_DEFAULT_STRATEGY, _words(number))


@cache
def _unpacker(number: int) -> Any:
    return zlib.decompressobj(-zlib.MAX_WBITS, _words(number))


def _words(number: int) -> bytes:
    return (WORDS / f"{number}.txt").read_bytes()

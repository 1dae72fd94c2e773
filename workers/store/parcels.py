"""What came with an event, packed into one column: what its source made of the body, the headers, and the body to the byte.

The three say nearly the same, so that together they are a sixth of what they are apart, and each event is written ahead whole.
What was stored before there was packing is in columns of its own and read from there; what was packed with other words is read with
those. Called by whoever stores or reads events; words, and how bytes are packed, are `packing`'s and `frames`'s.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import from_json, to_json
from sqlalchemy import Dialect, LargeBinary, RowMapping, TypeDecorator
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from workers.store import frames
from workers.store.packing import OF_EVENTS, inflated
from workers.store.tables import events

Headers = Sequence[Sequence[str]]
#: data, headers and body
Parts = tuple[Mapping[str, Any], Headers, bytes]
#: between what was made of a body and the body: JSON holds no such byte
_SEAM = b"\0"


def packed(came: Sequence[Parts]) -> list[bytes]:
    """What came with each of many events, in their order. Raise `PydanticSerializationError` for text that is no text."""
    texts = [to_json([data, headers], fallback=dict) + _SEAM + raw for data, headers, raw in came]
    return frames.packed(texts, OF_EVENTS)


def opened(stored: bytes) -> tuple[dict[str, Any], list[list[str]], bytes]:
    """The data, the headers and the body."""
    told, _, raw = inflated(stored).partition(_SEAM)
    data, headers = json.loads(told)
    return data, headers, raw


def data_of(stored: bytes) -> dict[str, Any]:
    data: dict[str, Any] = from_json(inflated(stored).partition(_SEAM)[0])[0]
    return data


def data_in(item: Any) -> Any:
    """The data as a JSON document of the database holds it: as it is, or what is packed as text."""
    return data_of(b64decode(item)) if isinstance(item, str) else item


def laid_open(row: RowMapping | Mapping[str, Any]) -> dict[str, Any]:
    """A whole row as it was before packing, whichever way it is kept."""
    plain = {name: value for name, value in row.items() if name != "packed"}
    if row["packed"] is not None:
        plain["data"], plain["headers"], plain["raw"] = opened(bytes(row["packed"]))
    return plain


class _Data(TypeDecorator[Any]):
    """Bytes that are an event's data, packed or JSON."""

    impl = LargeBinary
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 - the base's signature
        if value is None:
            return None
        stored = bytes(value)
        # A document begins with its brace, and no words have that number.
        return json.loads(stored) if stored[:1] == b"{" else data_of(stored)


class _Told(FunctionElement[Any]):
    """Either column of an event's data."""

    type = _Data()
    name = "told"
    inherit_cache = True


@compiles(_Told)
def _told(element: _Told, compiler: SQLCompiler, **kw: Any) -> str:
    kept, plain = (compiler.process(clause, **kw) for clause in element.clauses)
    in_bytes = f"CAST({plain} AS BLOB)"
    if compiler.dialect.name == "postgresql":
        in_bytes = f"convert_to(CAST({plain} AS TEXT), 'UTF8')"
    return f"coalesce({kept}, {in_bytes})"


#: an event's data, as a column of a query
DATA = _Told(events.c.packed, events.c.data)

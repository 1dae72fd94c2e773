"""Statements as PostgreSQL's protocol takes them: numbered parameters, values and their types as bytes, rows read back.

A statement's text is put into that form once in a process; psycopg's cursor does it, and much more, each time. Values and
rows are turned by psycopg's own dumpers and loaders, so both are what its cursor takes and gives. Called by
`workers.store.direct`; nothing here talks to a server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import psycopg
from psycopg import abc, adapt
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, PyFormat
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult
from psycopg.types.json import set_json_loads
from pydantic_core import from_json

Values = Sequence[Any] | Mapping[str, Any] | None
Row = tuple[Any, ...]

_HOLE = re.compile(rb"%(?:\((\w+)\)([sb])|([sb])|(%))")
#: as psycopg takes them where a connection does not say otherwise, and ours do not
ENCODING = "utf-8"


@dataclass(frozen=True, slots=True)
class _Context:
    """How values are turned, for no connection in particular: text is UTF-8, and times are UTC."""

    adapters: AdaptersMap = field(default_factory=lambda: AdaptersMap(psycopg.adapters))
    connection: None = None


_CONTEXT = _Context()
# What comes back are documents that this system wrote: the faster reader gives the same.
set_json_loads(from_json, _CONTEXT)
#: those at rest; each serves one thread at a time and remembers how types are turned
_AT_REST: list[abc.Transformer] = []


class Rows:
    """What a statement gave, read already."""

    __slots__ = ("_rows",)

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def fetchone(self) -> Row | None:
        return self._rows[0] if self._rows else None

    def fetchall(self) -> list[Row]:
        return self._rows

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)


@dataclass(frozen=True, slots=True)
class Phrase:
    """A statement's text with numbered parameters, and in which order values go there."""

    text: bytes
    names: tuple[str, ...]
    formats: tuple[PyFormat, ...]

    def bound(self, values: Values) -> Bound:
        """Raise what psycopg raises for values that cannot be sent."""
        if isinstance(values, Mapping):
            given: Sequence[Any] = [values[name] for name in self.names]
        else:
            given = values or ()
        if len(given) != len(self.formats):
            raise psycopg.ProgrammingError(f"{len(self.formats)} values are asked for, {len(given)} were given")
        transformer = _AT_REST.pop() if _AT_REST else adapt.Transformer(_CONTEXT)
        params = transformer.dump_sequence(given, self.formats)
        bound = Bound(self.text, params, transformer.types or (), tuple(transformer.formats or ()))
        _AT_REST.append(transformer)
        return bound


@dataclass(frozen=True, slots=True)
class Bound:
    """A statement with its values, ready to be sent."""

    text: bytes
    params: Sequence[Buffer | None]
    types: tuple[int, ...]
    formats: tuple[Format, ...]


@cache
def phrase(statement: str | bytes) -> Phrase:
    """Put a text with `%s`, `%b` or `%(name)s` into the protocol's form. There must be few of them, and no values in any."""
    text = statement.encode() if isinstance(statement, str) else statement
    places: dict[bytes, int] = {}
    formats: list[PyFormat] = []

    def numbered(hole: re.Match[bytes]) -> bytes:
        name, kind, bare, percent = hole.groups()
        if percent:
            return percent
        if name is None or name not in places:
            formats.append(PyFormat.BINARY if (kind or bare) == b"b" else PyFormat.AUTO)
        if name is None:
            return b"$%d" % len(formats)
        return b"$%d" % places.setdefault(name, len(formats))

    numbered_text = _HOLE.sub(numbered, text)
    return Phrase(numbered_text, tuple(name.decode() for name in places), tuple(formats))


def bound(statement: str | bytes, values: Values) -> Bound:
    """Without values a statement is sent as it stands."""
    if values is None:
        return Bound(statement.encode() if isinstance(statement, str) else statement, (), (), ())
    return phrase(statement).bound(values)


def read(result: PGresult) -> Rows:
    """The rows of what a statement gave. Raise the psycopg error that the server told instead."""
    if result.status == ExecStatus.TUPLES_OK:
        transformer = _AT_REST.pop() if _AT_REST else adapt.Transformer(_CONTEXT)
        transformer.set_pgresult(result)
        rows = transformer.load_rows(0, result.ntuples, tuple)
        transformer.set_pgresult(None)
        _AT_REST.append(transformer)
        return Rows(rows)
    if result.status in (ExecStatus.COMMAND_OK, ExecStatus.EMPTY_QUERY):
        return Rows([])
    raise psycopg.errors.error_from_result(result, encoding=ENCODING)

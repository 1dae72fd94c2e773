"""Turning result rows into records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from typing import Any, Protocol, TypeVar

from sqlalchemy import Column, Row, Table

R_co = TypeVar("R_co", covariant=True)


class Maker(Protocol[R_co]):
    """A record class, called with its fields in order."""

    def __call__(self, *values: Any) -> R_co: ...


@cache
def columns(table: Table, record: type) -> tuple[Column[Any], ...]:
    """The table's columns that the record has, in the record's order."""
    return tuple(table.c[field.name] for field in fields(record))


def one(record: Maker[R_co], row: Row[Any] | None) -> R_co | None:
    return None if row is None else record(*row)


def many(record: Maker[R_co], rows: Sequence[Row[Any]]) -> list[R_co]:
    return [record(*row) for row in rows]


def shallow(record: Any) -> dict[str, Any]:
    """A record's columns as they are. `dataclasses.asdict` would copy every document in them."""
    return {name: getattr(record, name) for name in _names(record.__class__)}


@cache
def _names(record: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(record))

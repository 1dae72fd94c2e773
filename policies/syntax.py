"""Reads what a compiled condition consists of: which names it uses, binds and calls.

`cel` hands in the engine's own checked form (the public protobuf ``cel.expr.CheckedExpr``), so this never disagrees with
the engine about what a condition means, as a second parser of the language could. Only the few fields needed are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

# Field numbers of cel/expr/checked.proto and cel/expr/syntax.proto.
_ANY_VALUE = 2
_CHECKED_TYPES, _CHECKED_EXPR = 3, 4
_MAP_ENTRY_VALUE = 2
_CONST, _IDENT, _SELECT, _CALL, _LIST, _STRUCT, _LOOP = 3, 4, 5, 6, 7, 8, 9
_CALL_TARGET, _CALL_FUNCTION, _CALL_ARGUMENT = 1, 2, 3
_STRUCT_ENTRY, _STRUCT_ENTRY_PARTS = 2, (3, 4)
_LOOP_VARIABLE, _LOOP_RANGE, _LOOP_VARIABLE_2 = 1, 2, 8
_LOOP_BODY = (4, 5, 6, 7)
_CONST_STRING = 6
_TYPE_DYN, _TYPE_LIST, _TYPE_MAP = 1, 6, 7


@dataclass(frozen=True, slots=True)
class Call:
    """One function call. A literal argument is given as its value, text or not; `None` stands for anything computed."""

    function: str
    arguments: tuple[str | bytes | None, ...]


@dataclass(slots=True)
class Syntax:
    """What a condition is made of. `loops` is the depth to which its list macros are nested."""

    names: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    calls: list[Call] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    loops: int = 0
    untyped: bool = False


def read(serialised: bytes) -> Syntax:
    """Read an ``Any`` with a ``CheckedExpr`` in it."""
    found = Syntax()
    for number, checked in _fields(_first(serialised, _ANY_VALUE)):
        if number == _CHECKED_EXPR:
            _expression(checked, found, 0)
        elif number == _CHECKED_TYPES:
            found.untyped |= _is_dyn(_first(checked, _MAP_ENTRY_VALUE))
    return found


def _expression(message: bytes, found: Syntax, loops: int) -> None:
    for kind, body in _fields(message):
        if kind == _IDENT:
            found.names.add(_first(body, 1).decode())
        elif kind == _CONST:
            found.texts += (text.decode() for number, text in _fields(body) if number == _CONST_STRING)
        elif kind == _CALL:
            _call(body, found, loops)
        elif kind == _LOOP:
            _loop(body, found, loops + 1)
        elif kind in {_SELECT, _LIST, _STRUCT}:
            for part in _parts(kind, body):
                _expression(part, found, loops)


def _parts(kind: int, body: bytes) -> Iterator[bytes]:
    """The expressions in a field access, a list, a map."""
    for number, part in _fields(body):
        if (kind == _SELECT and number == 1) or (kind == _LIST and number == 1):
            yield part
        elif kind == _STRUCT and number == _STRUCT_ENTRY:
            yield from (value for place, value in _fields(part) if place in _STRUCT_ENTRY_PARTS)


def _call(body: bytes, found: Syntax, loops: int) -> None:
    arguments: list[str | bytes | None] = []
    for number, argument in _fields(body):
        if number in {_CALL_TARGET, _CALL_ARGUMENT}:
            _expression(argument, found, loops)
        if number == _CALL_ARGUMENT:
            arguments.append(_literal(argument))
    found.calls.append(Call(_first(body, _CALL_FUNCTION).decode(), tuple(arguments)))


def _loop(body: bytes, found: Syntax, loops: int) -> None:
    found.loops = max(found.loops, loops)
    for number, part in _fields(body):
        if number in {_LOOP_VARIABLE, _LOOP_VARIABLE_2}:
            found.variables.add(part.decode())
        elif number == _LOOP_RANGE:
            _expression(part, found, loops - 1)
        elif number in _LOOP_BODY:
            _expression(part, found, loops)


def _literal(message: bytes) -> str | bytes | None:
    for kind, constant in _fields(message):
        if kind == _CONST:
            for number, value in _fields(constant):
                return value.decode() if number == _CONST_STRING else value
    return None


def _is_dyn(message: bytes) -> bool:
    return any(
        number == _TYPE_DYN or (number in {_TYPE_LIST, _TYPE_MAP} and any(_is_dyn(part) for _, part in _fields(body)))
        for number, body in _fields(message)
    )


def _first(message: bytes, wanted: int) -> bytes:
    return next((value for number, value in _fields(message) if number == wanted), b"")


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and raw content of each field, in order. Numbers come as their varint's bytes: nothing here reads them."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        start = at
        if key & 7 == 0:
            _, at = _varint(message, at)
        elif key & 7 == 1:
            at += 8
        elif key & 7 == 5:
            at += 4
        else:
            length, start = _varint(message, at)
            at = start + length
        yield key >> 3, message[start:at]


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at

"""A compiled condition as a tree, out of the engine's own checked form (the public protobuf ``cel.expr.CheckedExpr``).

So this never disagrees with the engine about what a condition means, as a second parser of the language could. `portable`
looks for what does not mean the same everywhere, `policies.analysis` for rules that can never match.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

# Field numbers of cel/expr/checked.proto and cel/expr/syntax.proto.
_ANY_VALUE = 2
_REFERENCES, _TYPES, _EXPR = 2, 3, 4
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_OVERLOAD = 3
_ID = 2  # of an expression; what it is follows: 3 literal, 4 name, 5 field, 6 call, 7 list, 8 map, 9 list macro
_CALL_TARGET, _CALL_FUNCTION, _CALL_ARGUMENT = 1, 2, 3
_STRUCT_ENTRY, _MAP_KEY, _MAP_VALUE = 2, 3, 4
_BOOL, _INT, _DOUBLE, _STRING = 2, 3, 5, 6
_TYPE_DYN, _TYPE_LIST, _TYPE_MAP = 1, 6, 7

#: nested deeper than this is refused: the walkers here recurse
MAX_DEPTH: Final = 100


class TooDeep(ValueError):
    """Nested deeper than anybody reads."""


@dataclass(frozen=True, slots=True)
class Const:
    """A literal. `value` is None for those kinds that no condition may use (null, bytes, unsigned)."""

    value: bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Name:
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function or operator. A method's target is its first argument; `method` says that it was written so."""

    function: str
    overloads: tuple[str, ...]
    arguments: tuple[Node, ...]
    method: bool


@dataclass(frozen=True, slots=True)
class Items:
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A map literal."""

    entries: tuple[tuple[Node, Node], ...]


@dataclass(frozen=True, slots=True)
class Field:
    """``operand.name`` or ``has(operand.name)``."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Loop:
    """A list macro, as the engine has spelt it out: `parts` are its start, condition, step and result."""

    variables: tuple[str, ...]
    result: str
    over: Node
    over_map: bool
    parts: tuple[Node, ...]


Node = Const | Name | Call | Items | Table | Field | Loop


@dataclass(frozen=True, slots=True)
class Checked:
    """A condition and what the type check said of it."""

    tree: Node
    untyped: bool


def read(serialised: bytes) -> Checked:
    """Read an ``Any`` with a ``CheckedExpr`` in it. Raise `TooDeep`."""
    overloads: dict[int, tuple[str, ...]] = {}
    types: dict[int, bytes] = {}
    expression = b""
    for number, part in _fields(_first(serialised, _ANY_VALUE)):
        if number == _EXPR:
            expression = part
        elif number == _REFERENCES:
            said = _fields(_first(part, _ENTRY_VALUE))
            overloads[_number(_first(part, _ENTRY_KEY))] = tuple(text.decode() for n, text in said if n == _OVERLOAD)
        elif number == _TYPES:
            types[_number(_first(part, _ENTRY_KEY))] = _first(part, _ENTRY_VALUE)
    return Checked(_Reader(overloads, types).node(expression, 0), any(map(_is_dyn, types.values())))


def walk(node: Node) -> Iterator[Node]:
    """The node and everything in it, outside in."""
    yield node
    for child in children(node):
        yield from walk(child)


def children(node: Node) -> tuple[Node, ...]:
    match node:
        case Call(arguments=parts) | Items(items=parts):
            return parts
        case Table(entries=entries):
            return tuple(part for entry in entries for part in entry)
        case Field(operand=operand):
            return (operand,)
        case Loop(over=over, parts=parts):
            return (over, *parts)
        case _:
            return ()


@dataclass(frozen=True, slots=True)
class _Reader:
    overloads: dict[int, tuple[str, ...]]
    types: dict[int, bytes]

    def node(self, message: bytes, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise TooDeep(f"nested deeper than {MAX_DEPTH} levels")
        identity = 0
        for kind, body in _fields(message):
            if kind == _ID:
                identity = _number(body)
            else:
                return self._node(kind, identity, body, depth)
        return Const(None)

    def _node(self, kind: int, identity: int, body: bytes, depth: int) -> Node:
        match kind:
            case 4:
                return Name(_first(body, 1).decode())
            case 5:
                return Field(self.node(_first(body, 1), depth + 1))
            case 6:
                return self._call(identity, body, depth)
            case 7:
                return Items(tuple(self.node(item, depth + 1) for number, item in _fields(body) if number == 1))
            case 8:
                return self._table(body, depth)
            case 9:
                return self._loop(body, depth)
            case _:
                return _const(body)

    def _call(self, identity: int, body: bytes, depth: int) -> Call:
        parts = [part for number, part in _fields(body) if number == _CALL_TARGET]
        method = bool(parts)
        parts += (part for number, part in _fields(body) if number == _CALL_ARGUMENT)
        arguments = tuple(self.node(part, depth + 1) for part in parts)
        return Call(_first(body, _CALL_FUNCTION).decode(), self.overloads.get(identity, ()), arguments, method)

    def _table(self, body: bytes, depth: int) -> Table:
        entries = [entry for number, entry in _fields(body) if number == _STRUCT_ENTRY]
        return Table(
            tuple(
                (self.node(_first(entry, _MAP_KEY), depth + 1), self.node(_first(entry, _MAP_VALUE), depth + 1))
                for entry in entries
            )
        )

    def _loop(self, body: bytes, depth: int) -> Loop:
        said: dict[int, bytes] = dict(_fields(body))
        over = said[2]
        identity = _number(_first(over, _ID))
        return Loop(
            variables=tuple(said[number].decode() for number in (1, 8) if said.get(number)),
            result=said.get(3, b"").decode(),
            over=self.node(over, depth + 1),
            over_map=any(number == _TYPE_MAP for number, _ in _fields(self.types.get(identity, b""))),
            parts=tuple(self.node(said[number], depth + 1) for number in (4, 5, 6, 7) if number in said),
        )


def _const(body: bytes) -> Const:
    for kind, value in _fields(body):
        if kind == _BOOL:
            return Const(_number(value) != 0)
        if kind == _INT:
            number = _number(value)
            return Const(number - 2**64 if number >= 2**63 else number)
        if kind == _DOUBLE:
            found: Any = struct.unpack("<d", value)[0]
            return Const(float(found))
        if kind == _STRING:
            return Const(value.decode())
    return Const(None)


def _is_dyn(message: bytes) -> bool:
    return any(
        number == _TYPE_DYN or (number in {_TYPE_LIST, _TYPE_MAP} and any(_is_dyn(part) for _, part in _fields(body)))
        for number, body in _fields(message)
    )


def _first(message: bytes, wanted: int) -> bytes:
    return next((value for number, value in _fields(message) if number == wanted), b"")


def _number(varint: bytes) -> int:
    return _varint(varint, 0)[0] if varint else 0


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and raw content of each field, in order; numbers come as their varint's bytes."""
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

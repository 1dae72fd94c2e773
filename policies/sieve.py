"""An index on facts: what a condition asks of single facts, tried in Python before the engine is asked at all.

Of a chain of ``&&`` one part that is false makes the whole false, whatever the others are, failures among them: the language
says so. So a rule whose plainest part is false does not match, and most rules are that on most facts. Only comparisons with
literals, and of two facts of one kind, are tried, which Python and the engines make alike; only the engine ever says that a rule
matches.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, Final

from policies.cel.tree import Call, Const, Items, Loop, Name, Node

#: a fact, and what is certainly not met by it where this is false (anything that is not exactly that is asked of the engine)
Test = tuple[str, Callable[[Any], Any]]
#: what ``||`` joins: false where all of these are
Part = tuple[Test, ...]

#: two facts, and what is certainly not met by them where this is false
Pair = tuple[str, Callable[[Any, Any], Any], str]

#: tried of each rule; more would cost more than they save
MOST: Final = 3
# How the literal compares with the fact: 2500 >= fact for fact <= 2500.
_MIRRORED: Final = {
    "_<_": "__gt__",
    "_<=_": "__ge__",
    "_>_": "__lt__",
    "_>=_": "__le__",
    "_==_": "__eq__",
    "_!=_": "__ne__",
}
_TURNED: Final = {"_<_": "_>_", "_<=_": "_>=_", "_>_": "_<_", "_>=_": "_<=_", "_==_": "_==_", "_!=_": "_!=_"}
_EQUAL: Final = {"_==_": operator.eq, "_!=_": operator.ne}
_ORDERED: Final = {"_<_": operator.lt, "_<=_": operator.le, "_>_": operator.gt, "_>=_": operator.ge}
_NUMBERS: Final = frozenset({int, float})


def parts(tree: Node | None) -> tuple[Part, ...]:
    """The parts of a condition that can be tried beforehand."""
    if tree is None:
        return ()
    found = [part for node in _chain(tree, "_&&_") if (part := _part(node)) is not None]
    # The single ones first: they cost least. Which part is tried first changes nothing but the price.
    return tuple(sorted(found, key=len)[:MOST])


def pairs(tree: Node | None) -> tuple[Pair, ...]:
    """The parts of a condition that compare two facts, and can be tried beforehand."""
    found = []
    for node in () if tree is None else _chain(tree, "_&&_"):
        match node:
            case Call(function=compared, arguments=(Name(name=one), Name(name=other))) if compared in _EQUAL:
                found.append((one, _alike(_EQUAL[compared], _NUMBERS | {str}), other))
            case Call(function=compared, arguments=(Name(name=one), Name(name=other))) if compared in _ORDERED:
                found.append((one, _alike(_ORDERED[compared], _NUMBERS), other))
    return tuple(found[:MOST])


def _alike(compared: Callable[[Any, Any], Any], kinds: frozenset[type]) -> Callable[[Any, Any], Any]:
    """A comparison of two values of the same of these kinds; of others the engine is asked."""

    def tried(one: Any, other: Any) -> Any:
        return compared(one, other) if one.__class__ is other.__class__ and one.__class__ in kinds else None

    return tried


def _chain(node: Node, joined: str) -> Iterator[Node]:
    if isinstance(node, Call) and node.function == joined:
        for side in node.arguments:
            yield from _chain(side, joined)
    else:
        yield node


def _part(node: Node) -> Part | None:
    """``||`` is false only where every side is, so each of them must be such as can be tried."""
    found = []
    for side in _chain(node, "_||_"):
        test = _test(side)
        if test is None:
            return None
        found.append(test)
    return tuple(found) if len(found) <= MOST else None


def _test(node: Node) -> Test | None:
    match node:
        case Name(name=name):
            return name, True.__eq__
        case Call(function="!_", arguments=(Name(name=name),)):
            return name, False.__eq__
        case Call(function="!_", arguments=(Call(function="@in", arguments=(Name(name=name), Items())) as inner,)):
            within = _test(inner)
            return None if within is None else (name, lambda word: not within[1](word))
        case Loop(over=Name(name=name), over_map=False, parts=(Const(value=False), _, _, Name(name=kept))) if (
            kept == node.result
        ):
            # ``exists`` says false of an empty list; of any other the engine is asked.
            return name, lambda words: len(words) > 0
        case Call(function="@in", arguments=(Const(value=str(word)), Name(name=name))):
            return name, lambda words: word in words
        case Call(function="@in", arguments=(Name(name=name), Items(items=items))):
            said = [item.value for item in items if isinstance(item, Const) and isinstance(item.value, str)]
            return (name, frozenset(said).__contains__) if len(said) == len(items) else None
        case Call(function=operator, arguments=(one, other)) if operator in _MIRRORED:
            return _comparison(operator, one, other)
    return None


def _comparison(operator: str, one: Node, other: Node) -> Test | None:
    if isinstance(one, Const):
        one, other, operator = other, one, _TURNED[operator]
    # Texts are compared for being the same only: their order is the engine's affair.
    if not isinstance(other, Const) or not _simple(operator, other.value):
        return None
    compared = getattr(other.value, _MIRRORED[operator])
    match one:
        case Name(name=name):
            return name, compared
        case Call(function="size", overloads=("size_list" | "list_size",), arguments=(Name(name=name),)):
            return name, lambda words: compared(len(words))
    return None


def _simple(operator: str, value: object) -> bool:
    if isinstance(value, str):
        return operator in {"_==_", "_!=_"}
    return isinstance(value, int | float) and not isinstance(value, bool)

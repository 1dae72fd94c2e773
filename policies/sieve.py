"""An index on facts: what a condition asks of single facts, tried in Python before the engine is asked at all.

Of a chain of ``&&`` one part that is false makes the whole false, whatever the others are, failures among them: the language
says so. So a rule whose plainest part is false does not match, and most rules are that on most facts. Only comparisons with
literals are tried, which Python and the engines make alike; only the engine ever says that a rule matches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from policies.cel.tree import Call, Const, Items, Name, Node

#: a fact, and what is certainly not met by it where this is false (anything that is not exactly that is asked of the engine)
Part = tuple[str, Callable[[Any], Any]]

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


def parts(tree: Node | None) -> tuple[Part, ...]:
    """The parts of a condition that can be tried beforehand."""
    if tree is None:
        return ()
    found = (part for node in _chain(tree) if (part := _part(node)) is not None)
    return tuple(part for part, _ in zip(found, range(MOST), strict=False))


def _chain(node: Node) -> Iterator[Node]:
    if isinstance(node, Call) and node.function == "_&&_":
        for side in node.arguments:
            yield from _chain(side)
    else:
        yield node


def _part(node: Node) -> Part | None:
    match node:
        case Name(name=name):
            return name, True.__eq__
        case Call(function="!_", arguments=(Name(name=name),)):
            return name, False.__eq__
        case Call(function="@in", arguments=(Const(value=str(word)), Name(name=name))):
            return name, lambda words: word in words
        case Call(function="@in", arguments=(Name(name=name), Items(items=items))):
            said = [item.value for item in items if isinstance(item, Const) and isinstance(item.value, str)]
            return (name, frozenset(said).__contains__) if len(said) == len(items) else None
        case Call(function=operator, arguments=(one, other)) if operator in _MIRRORED:
            if isinstance(one, Const):
                one, other, operator = other, one, _TURNED[operator]
            # Texts are compared for being the same only: their order is the engine's affair.
            if isinstance(one, Name) and isinstance(other, Const) and _simple(operator, other.value):
                return one.name, getattr(other.value, _MIRRORED[operator])
    return None


def _simple(operator: str, value: object) -> bool:
    if isinstance(value, str):
        return operator in {"_==_", "_!=_"}
    return isinstance(value, int | float) and not isinstance(value, bool)

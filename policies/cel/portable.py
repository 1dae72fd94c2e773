"""What of the language may be used: that part which every engine behind the adapter evaluates alike, and bounded in time.

Whatever the two engines were seen to differ in is refused when a policy is loaded, by name and with what to write instead;
and so is all that nobody has compared. The list is of what is allowed, function by function and type by type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from policies.cel.contract import Refused, readable
from policies.cel.tree import Call, Const, Field, Items, Loop, Name, Node, Table, children, walk

#: loops in one condition: over lists of 200 at most this stays within the main engine's budget of 10,000 rounds
MAX_LOOPS: Final = 40

_COMPARED = ("int64", "double", "string", "timestamp", "duration")
_ALLOWED: Final = frozenset(
    {
        *("equals", "not_equals", "logical_and", "logical_or", "logical_not", "not_strictly_false", "conditional"),
        *(f"{how}_{kind}" for how in ("less", "less_equals", "greater", "greater_equals") for kind in _COMPARED),
        *(f"{how}_int64" for how in ("add", "subtract", "multiply", "divide", "modulo")),
        *("int64_to_double", "int64_to_string"),
        *("add_string", "contains_string", "starts_with_string", "ends_with_string", "matches_string"),
        *("in_list", "in_map", "index_list", "index_map", "add_list", "size_list", "list_size"),
        *("string_to_timestamp", "string_to_duration"),
        *("add_timestamp_duration", "subtract_timestamp_duration", "subtract_timestamp_timestamp"),
        *(f"timestamp_to_{part}" for part in ("year", "month", "day_of_month", "day_of_month_1_based")),
        *(f"timestamp_to_{part}" for part in ("day_of_week", "day_of_year", "hours", "minutes", "seconds")),
    }
)
#: what to write instead
_INSTEAD: Final = {
    "size_string": "the engines count different things in a text: lengths are facts",
    "string_size": "the engines count different things in a text: lengths are facts",
    "matches": 'write it as a method: currency.matches("^E")',
    "negate_int64": "write 0 - x",
}
_ZONED = re.compile(r"timestamp_to_\w+_with_tz")
_DOUBLES = re.compile(r"(?:add|subtract|multiply|divide|negate)_double")

# Literals that are compiled without a look at their text, and the part of their notation that both engines read alike.
_LITERALS: Final = {
    "timestamp": ("time", re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)),
    "duration": ("duration", re.compile(r"[0-9]{1,9}(?:h|m|s|ms)")),
    "matches": ("regular expression", None),
}
_CLASS = r"\[\^?(?:[^\W_]-[^\W_]|[^\[\]\\&~^-]|\\[^\w\s])+\]"
_PIECE: Final = re.compile(
    # What opens something is not repeated: `(?i)` would be a flag, and not read alike.
    rf"\((?:\?:)?|\||\^|(?:\)|\$|\.|{_CLASS}|\\[^\w\s]|[^\\()\[\]{{}}*+?|^$.])"
    r"(?:(?:[*+?]|\{(?P<least>\d{1,3})(?:,(?P<most>\d{0,3}))?\})\??)?"
)
# The engines stop at different sizes of a regular expression: these are small to both.
_MOST_GROUPS: Final = 20
_MOST_REPEATED: Final = 1_000

# Outside of literals: `.fact` is the fact to one engine and nothing to the other.
_TEXTS = re.compile(r'r?"(?:\\.|[^"\\])*"|r?\'(?:\\.|[^\'\\])*\'|//[^\n]*', re.IGNORECASE)
_LEADING_DOT = re.compile(r"(?:^|[^\w)\]}\"'\s]|\bin)\s*\.\s*[A-Za-z_]")
_BARE_NUMBER = re.compile(r"(?<![\w.])(?:\d+\.(?!\d)|\.\d)")
_ESCAPES = re.compile(r"\\(?![\\\"'u])")
_TRIPLE = re.compile(r'"""|\'\'\'')
# What can fail, so that in a loop one engine stops and the other goes on.
_FALLIBLE = frozenset({"_+_", "_-_", "_*_", "_/_", "_%_", "-_", "_[_]", "timestamp", "duration", "string", "double"})


def check(text: str, tree: Node, *, untyped: bool, facts: frozenset[str]) -> None:
    """Raise `Refused` for the first thing that is not of the common part."""
    loops = [node for node in walk(tree) if isinstance(node, Loop)]
    variables = {variable for loop in loops for variable in loop.variables}
    if hidden := sorted(variables & facts):
        raise Refused(f"the macro variable {hidden[0]!r} hides the fact of that name: call it otherwise")
    if any(isinstance(inner, Loop) for loop in loops for part in loop.parts for inner in walk(part)):
        raise Refused("a list macro inside a list macro can exceed the engine's budget: split the rule")
    if len(loops) > MAX_LOOPS:
        raise Refused(f"more than {MAX_LOOPS} list macros can exceed the engine's budget: split the rule")
    if untyped:
        raise Refused("mixed or dynamic types cannot be checked: give every part one type, without dyn()")
    _text(text)
    known = facts | variables | {loop.result for loop in loops}
    for problem in _problems(tree, known):
        raise Refused(problem)
    for loop in loops:
        _loop(loop)


def literals(tree: Node) -> Iterator[tuple[str, str, str]]:
    """What stands in functions that read a text when they run: the function, what it is to be, and the text."""
    for node in walk(tree):
        if isinstance(node, Call) and node.function in _LITERALS and node.arguments:
            what, _ = _LITERALS[node.function]
            literal = node.arguments[-1]
            if isinstance(literal, Const) and isinstance(literal.value, str):
                yield node.function, what, literal.value


def _text(text: str) -> None:
    if _TRIPLE.search(text):
        raise Refused("triple quotes are refused: one pair is enough")
    for found in _TEXTS.findall(text):
        if found[0] not in "rR/" and _ESCAPES.search(found.replace("\\\\", "")):
            raise Refused("of escapes only \\\\, \\\", \\' and \\u are read alike by all engines")
    bare = _TEXTS.sub('""', text)
    if _LEADING_DOT.search(bare):
        raise Refused("a leading dot is not read alike by all engines: leave it out")
    if _BARE_NUMBER.search(bare):
        raise Refused("write numbers with a digit on both sides of the point")


def _problems(tree: Node, known: frozenset[str]) -> Iterator[str]:
    for node in walk(tree):
        match node:
            case Const(value=None):
                yield "null, bytes and unsigned numbers are refused: no fact is one"
            case Const(value=str(said)) if not readable(said):
                yield "text with control characters never equals a fact: facts have none"
            case Name(name=name) if name not in known:
                yield f"{name!r} is a type's name: conditions compare facts"
            case Field():
                yield "fields and has() are refused: every fact is always there"
            case Table(entries=entries):
                yield from _table(entries)
            case Call():
                yield from _call(node)


def _table(entries: tuple[tuple[Node, Node], ...]) -> Iterator[str]:
    keys = [key.value for key, _ in entries if isinstance(key, Const) and isinstance(key.value, str)]
    if len(keys) < len(entries) or len(set(keys)) < len(keys):
        yield "the keys of a map are texts, literal and each there once"


def _call(call: Call) -> Iterator[str]:
    for overload in call.overloads:
        if overload in _ALLOWED:
            continue
        if _ZONED.fullmatch(overload):
            yield "the engines know different time zones: local_hour, local_weekday and local_date are facts"
        elif _DOUBLES.fullmatch(overload):
            yield "decimals are compared, not computed with: their overflow is no number and compares differently"
        else:
            yield f"{call.function.strip('_@')} is refused here: {_INSTEAD.get(overload, 'no two engines were compared in it')}"
    if call.function in _LITERALS:
        what, notation = _LITERALS[call.function]
        literal = call.arguments[-1]
        if not isinstance(literal, Const) or not isinstance(literal.value, str):
            yield f"the {what} of {call.function}() must be a literal, so that it is checked before use"
        elif notation is not None and not notation.fullmatch(literal.value):
            yield f"{literal.value!r} is no {what} that all engines read alike"
        elif notation is None and not _regular(literal.value):
            yield (
                f"{literal.value!r} is no {what} that all engines read alike: "
                "use plain characters, [a-z], groups, |, repeats, ^ and $, and escape only punctuation"
            )


def _regular(pattern: str) -> bool:
    rest = pattern.removeprefix("(?i)")
    if rest != pattern and not pattern.isascii():
        return False
    at, groups, repeated = 0, 0, 1
    while at < len(rest):
        piece = _PIECE.match(rest, at)
        if piece is None:
            return False
        groups += piece.group().startswith("(")
        repeated *= max(1, int(piece["least"] or 1), int(piece["most"] or 1))
        at = piece.end()
    return groups <= _MOST_GROUPS and repeated <= _MOST_REPEATED


def _loop(loop: Loop) -> None:
    if loop.over_map:
        raise Refused("list macros are for lists, not for maps")
    if any(isinstance(node, Call) and node.function == "_+_" for node in walk(loop.over)) and not any(
        isinstance(node, Loop) for node in walk(loop.over)
    ):
        raise Refused("a list macro over lists put together can exceed the engine's budget: ask of each list by itself")
    for part in loop.parts:
        for node in _own(part, loop):
            if isinstance(node, Call) and node.function in _FALLIBLE:
                raise Refused(
                    "inside a list macro only comparisons are read alike by all engines: no arithmetic, no index"
                )


def _own(node: Node, loop: Loop) -> Iterator[Node]:
    """What was written, without the engine's own counting and collecting (``@result + 1``)."""
    counts = isinstance(node, Call) and node.function == "_+_" and node.arguments[:1] == (Name(loop.result),)
    if not counts:
        yield node
    for child in children(node):
        yield from _own(child, loop)


__all__ = ["MAX_LOOPS", "Items", "check", "literals"]

"""What a condition says of each fact, as sets of values: enough to see that two conditions exclude or imply each other.

Called by `analysis`. Understood are comparisons of a fact with literals, ``in`` a list of literals, the size of a list, and
yes or no; anything else is a thing of its own that is true, false or failed, the same wherever it is written the same way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from policies.cel.tree import Call, Const, Items, Name, Node

#: more alternatives than this are not looked through
MOST: Final = 400

Truth = frozenset[str]
TRUE, FALSE = "true", "false"
_FAILED = "failed"
_ANYTHING: Final[Truth] = frozenset({TRUE, FALSE, _FAILED})
_FLIPPED: Final = {"_<_": "_>_", "_<=_": "_>=_", "_>_": "_<_", "_>=_": "_<=_", "_==_": "_==_", "_!=_": "_!=_"}
_OPPOSITE: Final = {"_<_": "_>=_", "_<=_": "_>_", "_>_": "_<=_", "_>=_": "_<_", "_==_": "_!=_", "_!=_": "_==_"}


class Undecided(Exception):
    """Too many alternatives to look through."""


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`, some left out. Of whole numbers both ends belong to it."""

    low: float
    high: float
    low_open: bool = False
    high_open: bool = False
    without: frozenset[float] = frozenset()
    whole: bool = True

    def __and__(self, other: Range) -> Range:
        low, low_open = max((self.low, self.low_open), (other.low, other.low_open))
        high, closed = min((self.high, not self.high_open), (other.high, not other.high_open))
        return Range(low, high, low_open, not closed, self.without | other.without, self.whole)

    @property
    def empty(self) -> bool:
        if self.low > self.high:
            return True
        if self.low == self.high:
            return self.low_open or self.high_open or self.low in self.without
        if self.whole and self.high - self.low < len(self.without):
            return all(self.low + step in self.without for step in range(int(self.high - self.low) + 1))
        return False


@dataclass(frozen=True, slots=True)
class Among:
    """One of these values, or with `but` any except these."""

    values: frozenset[Any]
    but: bool = False

    def __and__(self, other: Among) -> Among:
        if self.but and other.but:
            return Among(self.values | other.values, but=True)
        if self.but:
            return Among(other.values - self.values)
        return Among(self.values - other.values) if other.but else Among(self.values & other.values)

    @property
    def empty(self) -> bool:
        return not self.but and not self.values


Region = Range | Among
#: what must hold together, by what it is said of
Case = Mapping[Any, Region]


def when(node: Node, wanted: Truth) -> list[Case]:
    """The ways in which a condition comes to one of the `wanted` truths; each is possible by itself. Raise `Undecided`."""
    match node:
        case Const(value=bool(said)):
            return [{}] if (TRUE if said else FALSE) in wanted else []
        case Call(function="!_", arguments=(inner,)):
            return when(inner, _turned(wanted))
        case Call(function="_&&_" | "_||_" as operator, arguments=(one, other)):
            return _joined(one, other, wanted, all_of=(operator == "_&&_"))
        case Call(function="_?_:_", arguments=(asked, yes, no)) if _FAILED not in wanted:
            chosen = _both(when(asked, _only(TRUE)), when(yes, wanted))
            return _few([*chosen, *_both(when(asked, _only(FALSE)), when(no, wanted))])
        case _:
            return _atom(node, wanted)


def true(node: Node) -> list[Case]:
    return when(node, _only(TRUE))


def untrue(node: Node) -> list[Case]:
    """The ways in which it does not match: false, or failed."""
    return when(node, _ANYTHING - {TRUE})


def possible(one: Sequence[Case], other: Sequence[Case]) -> bool:
    """Whether any way of the one goes together with any of the other."""
    return bool(_both(one, other))


def _joined(one: Node, other: Node, wanted: Truth, *, all_of: bool) -> list[Case]:
    """And; or as its mirror image. One side that decides (false; true) does so over a failure of the other."""
    decides, agreed = (FALSE, TRUE) if all_of else (TRUE, FALSE)
    if wanted == {decides} or wanted == _ANYTHING - {agreed}:
        return _few([*when(one, wanted), *when(other, wanted)])
    if wanted == {agreed}:
        return _both(when(one, wanted), when(other, wanted))
    if decides not in wanted:
        # For a failure alone this is more than can be, which is the safe side.
        undecided = _ANYTHING - {decides}
        return _both(when(one, undecided), when(other, undecided))
    return [{}]


def _atom(node: Node, wanted: Truth) -> list[Case]:
    said = _region(node)
    if said is None:
        return [{node: Among(wanted)}]
    what, yes, no = said
    regions = [region for word, region in ((TRUE, yes), (FALSE, no)) if word in wanted]
    if len(regions) == 2:
        return [{}]
    return [{what: region} for one in regions for region in one if not region.empty]


def _region(node: Node) -> tuple[Any, list[Region], list[Region]] | None:
    """What it speaks of, and the values for which it holds and does not; None where it is not understood."""
    match node:
        case Name(name=name):
            return name, [Among(frozenset({True}))], [Among(frozenset({False}))]
        case Call(function="@in", arguments=(Name(name=name), Items(items=items))):
            values = [item.value for item in items if isinstance(item, Const) and item.value is not None]
            if len(values) < len(items):
                return None
            return _of_values(name, values)
        case Call(function=operator, arguments=(one, other)) if operator in _FLIPPED:
            if isinstance(one, Const):
                one, other, operator = other, one, _FLIPPED[operator]
            what = _subject(one)
            if what is None or not isinstance(other, Const) or other.value is None:
                return None
            return _compared(what, operator, other.value)
        case _:
            return None


def _subject(node: Node) -> Any:
    match node:
        case Name(name=name):
            return name
        case Call(function="size", arguments=(Name(name=name),)):
            return "size", name
        case _:
            return None


def _of_values(what: Any, values: Sequence[Any]) -> tuple[Any, list[Region], list[Region]]:
    if all(isinstance(value, str | bool) for value in values):
        return what, [Among(frozenset(values))], [Among(frozenset(values), but=True)]
    whole = all(isinstance(value, int) for value in values)
    without = Range(-math.inf, math.inf, without=frozenset(values), whole=whole)
    return what, [Range(value, value, whole=whole) for value in sorted(set(values))], [without]


def _compared(what: Any, operator: str, value: Any) -> tuple[Any, list[Region], list[Region]] | None:
    if isinstance(value, bool | str):
        if operator not in {"_==_", "_!=_"}:
            return None
        said = Among(frozenset({value})), Among(frozenset({value}), but=True)
        yes, no = said if operator == "_==_" else reversed(said)
        return what, [yes], [no]
    return what, _numbers(what, operator, value), _numbers(what, _OPPOSITE[operator], value)


def _numbers(what: Any, operator: str, value: float) -> list[Region]:
    whole = isinstance(value, int)
    lowest = 0 if isinstance(what, tuple) else -math.inf
    step = 1 if whole else 0
    match operator:
        case "_<_":
            return [Range(lowest, value - step, high_open=not whole, whole=whole)]
        case "_<=_":
            return [Range(lowest, value, whole=whole)]
        case "_>_":
            return [Range(max(lowest, value + step), math.inf, low_open=not whole, whole=whole)]
        case "_>=_":
            return [Range(max(lowest, value), math.inf, whole=whole)]
        case "_==_":
            return [Range(value, value, whole=whole) & Range(lowest, math.inf, whole=whole)]
        case _:
            return [Range(lowest, math.inf, without=frozenset({value}), whole=whole)]


def _both(some: Sequence[Case], others: Sequence[Case]) -> list[Case]:
    if len(some) * len(others) > MOST * MOST:
        raise Undecided
    made = []
    for one in some:
        for other in others:
            together = _together(one, other)
            if together is not None:
                made.append(together)
    return _few(made)


def _together(one: Case, other: Case) -> Case | None:
    """Both at once, or None where they contradict each other."""
    made = dict(one)
    for what, region in other.items():
        there = made.get(what)
        if there is None:
            made[what] = region
            continue
        # Types are checked: both speak of numbers or neither does.
        both = _common(there, region)
        if both.empty:
            return None
        made[what] = both
    return made


def _common(one: Region, other: Region) -> Region:
    if isinstance(one, Range):
        return one & other if isinstance(other, Range) else one
    return one & other if isinstance(other, Among) else one


def _few(cases: list[Case]) -> list[Case]:
    if len(cases) > MOST:
        raise Undecided
    return cases


def _only(word: str) -> Truth:
    return frozenset({word})


def _turned(wanted: Truth) -> Truth:
    turn = {TRUE: FALSE, FALSE: TRUE, _FAILED: _FAILED}
    return frozenset(turn[word] for word in wanted)

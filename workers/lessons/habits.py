"""Habits: what people keep changing in the standard answers, found in examples. Pure arithmetic, called by `notebook`.

A habit needs enough cases, nearly all of them, and says how many. What a macro proposes *by itself* is compared with what people
let through, so that a habit that is followed goes on being confirmed, and one that people undo again fades. Amounts are
only ever lowered and recipients never touched; what results is judged by the policy like any draft.
"""

from __future__ import annotations

import difflib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from integrations.models.amendments import Amendment, Change
from workers.actions.catalogue import CATALOGUE
from workers.lessons.masking import MASK
from workers.store.examples import Example

#: fewer decisions than this teach nothing
LEAST = 8
#: the share of such decisions must be at least this, at the lower end of what so few of them can tell
SURE = 0.7
#: one-sided 95 %
_Z = 1.645
#: of one macro's proposals the newest so many count
WINDOW = 100
#: what names who gets something is never learned
_RECIPIENTS = frozenset({"to", "currency", "target", "email"})
_CONDITIONS = ("tier", "language", "urgency", "sentiment", "intent")
_LONG = 80

_Key = tuple[Change, str, str, str, str]


def found_in(examples: Sequence[Example]) -> list[Amendment]:
    """The habits that these examples, newest first, show."""
    groups: dict[tuple[str, str], list[Example]] = defaultdict(list)
    for example in examples:
        if example.macro and example.base is not None and example.verdict != "changes":
            groups[example.macro, example.kind].append(example)
    return [
        amendment
        for (macro, kind), members in sorted(groups.items())
        for amendment in _habits(macro, kind, members[:WINDOW])
    ]


def lower_bound(times: int, seen: int) -> float:
    """Wilson's: the share that is at least to be expected, however few were seen."""
    if not seen:
        return 0.0
    share, z2 = times / seen, _Z * _Z
    centre = share + z2 / (2 * seen)
    spread = _Z * math.sqrt(share * (1 - share) / seen + z2 / (4 * seen * seen))
    return (centre - spread) / (1 + z2 / seen)


def changes(kind: str, base: Mapping[str, Any], made: Mapping[str, Any]) -> Iterator[_Key]:
    """What a person did to each argument, as keys that are equal where the same was done."""
    long_fields = CATALOGUE[kind].long_fields if kind in CATALOGUE else ()
    for field, before in base.items():
        after = made.get(field)
        if before == after or after is None or field in _RECIPIENTS or field.endswith("_id"):
            continue
        if field.endswith("_minor"):
            if isinstance(before, int) and isinstance(after, int) and 0 < after < before:
                yield "scale", field, "", json.dumps(_simple(after, before)), ""
        elif isinstance(before, str) and isinstance(after, str) and _is_text(field, before, long_fields):
            yield from _lines(field, before, after)
        elif MASK not in json.dumps([before, after], ensure_ascii=False):
            yield "set", field, "", json.dumps(after, sort_keys=True), ""


def _simple(part: int, whole: int) -> list[int]:
    """The simplest fraction that gives this amount, within a rounding."""
    for most in range(1, 21):
        found = Fraction(part, whole).limit_denominator(most)
        if abs(found * whole - part) <= 1 and found > 0:
            return [found.numerator, found.denominator]
    return [part, whole]


def _is_text(field: str, value: str, long_fields: Sequence[str]) -> bool:
    return field in long_fields or "\n" in value or len(value) > _LONG


def _lines(field: str, before: str, after: str) -> Iterator[_Key]:
    old, new = before.split("\n"), after.split("\n")
    for op, i, j, k, m in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        follows = old[i - 1] if i else ""
        touched = "\n".join([*old[i:j], *new[k:m], *([follows] if i == j else [])])
        # A line that names the customer is another line for the next one.
        if op != "equal" and MASK not in touched and (i < j or follows.strip()):
            lines = json.dumps(old[i:j]), json.dumps(new[k:m])
            yield "line", field, *lines, follows if i == j else ""


def _habits(macro: str, kind: str, members: Sequence[Example]) -> list[Amendment]:
    told = [(example, set(_keys(kind, example))) for example in members]
    general = _passing(told)
    found = [_amendment(macro, kind, key, counted, ()) for key, counted in general.items()]
    for name in _CONDITIONS:
        for value in sorted({str(example.situation[name]) for example, _ in told if example.situation.get(name)}):
            within = [(example, keys) for example, keys in told if example.situation.get(name) == value]
            if len(within) == len(told):
                continue
            for key, counted in _passing(within).items():
                known = [amendment for amendment in found if _same_place(amendment, key)]
                if not known:
                    found.append(_amendment(macro, kind, key, counted, ((name, value),)))
    return found


def _keys(kind: str, example: Example) -> Iterator[_Key]:
    if example.verdict == "rejected":
        # A reply without its refund, or the other way round, would say what is not so: both are left.
        whole = kind in CATALOGUE and (CATALOGUE[kind].speaks or CATALOGUE[kind].moves_money)
        yield ("set_aside" if whole else "drop"), "", "", "", ""
    elif example.made is not None and example.base is not None:
        yield from changes(kind, example.base, example.made)


def _passing(told: Sequence[tuple[Example, set[_Key]]]) -> dict[_Key, tuple[int, int]]:
    """Changes that were made often enough, each with how often of how many times. Of one place only the commonest."""
    counted = Counter(key for _, keys in told for key in keys)
    passing: dict[_Key, tuple[int, int]] = {}
    places: set[tuple[str, str, str]] = set()
    for key, times in counted.most_common():
        seen = sum(1 for example, _ in told if _could(key, example))
        place = key[1], key[2], key[4]
        if times >= LEAST and lower_bound(times, seen) >= SURE and place not in places:
            passing[key] = times, seen
            places.add(place)
    return passing


def _could(key: _Key, example: Example) -> bool:
    """Whether this proposal had what the change changes. A rejected one says nothing about its wording."""
    change, field, before, _, follows = key
    if change in ("drop", "set_aside"):
        return True
    value = (example.base or {}).get(field)
    if example.verdict == "rejected" or value is None:
        return False
    if change != "line" or not isinstance(value, str):
        return True
    return follows in value.split("\n") if follows else "\n".join(json.loads(before)) in value


def _same_place(amendment: Amendment, key: _Key) -> bool:
    if key[0] in ("drop", "set_aside"):
        return amendment.change == key[0] and not amendment.when
    return not amendment.when and (amendment.field, json.dumps(amendment.before)) == (key[1], key[2] or '""')


def _amendment(
    macro: str, kind: str, key: _Key, counted: tuple[int, int], when: tuple[tuple[str, str], ...]
) -> Amendment:
    change, field, before, after, follows = key
    return Amendment(
        macro=macro,
        kind=kind,
        change=change,
        field=field,
        before=json.loads(before) if before else "",
        after=json.loads(after) if after else "",
        times=counted[0],
        seen=counted[1],
        when=when,
        follows=follows,
    )

"""What differs between two versions of a draft: field by field, and word by word in text. For people to read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.messages import money
from workers.inbox.forms import label

#: beyond this, words are not matched up: that costs the square of their number
_MOST_WORDS = 4000


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text: ``same``, ``gone`` or ``new``."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """One argument that differs, as pieces of its text."""

    name: str
    label: str
    pieces: tuple[Piece, ...]


def between(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """The arguments that differ, in the later version's order."""
    names = [*after, *(name for name in before if name not in after)]
    return [
        Change(name, label(name), tuple(_pieces(_shown(name, before), _shown(name, after))))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _pieces(before: str, after: str) -> list[Piece]:
    old, new = _words(before), _words(after)
    if not old or not new or len(old) + len(new) > _MOST_WORDS:
        return [piece for piece in (Piece("gone", before), Piece("new", after)) if piece.text]
    pieces: list[Piece] = []
    matcher = difflib.SequenceMatcher(None, old, new)
    if matcher.quick_ratio() < 0.3:
        return [Piece("gone", before), Piece("new", after)]
    for op, i, j, k, m in matcher.get_opcodes():
        if op == "equal":
            pieces.append(Piece("same", "".join(old[i:j])))
            continue
        if j > i:
            pieces.append(Piece("gone", "".join(old[i:j])))
        if m > k:
            pieces.append(Piece("new", "".join(new[k:m])))
    return pieces


def _words(text: str) -> Sequence[str]:
    return re.findall(r"\s+|[\w.,:/@-]*\w|.", text, flags=re.DOTALL)


def _shown(name: str, arguments: Mapping[str, Any]) -> str:
    value = arguments.get(name)
    if value is None:
        return ""
    if name.endswith("_minor") and isinstance(value, int):
        return money(value, str(arguments.get("currency", "")))
    if isinstance(value, list):
        return "\n".join(_line(item) for item in value)
    return _line(value)


def _line(value: Any) -> str:
    if isinstance(value, Mapping):
        return " · ".join(f"{key}: {item}" for key, item in value.items())
    return str(value)

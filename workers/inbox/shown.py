"""Gathered data as people read it: labels instead of keys, money instead of minor units, long text folded, nothing cut."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from policies.messages import money
from workers.inbox.forms import label

#: longer text is folded away behind its beginning
LONG = 280
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}")
_MOST_DEPTH = 6


@dataclass(frozen=True, slots=True)
class Entry:
    """One labelled value: text, a time, or entries within it."""

    label: str
    text: str = ""
    at: datetime | None = None
    within: tuple[Entry, ...] = ()

    @property
    def is_long(self) -> bool:
        return len(self.text) > LONG or self.text.count("\n") > 5


def entries(data: Mapping[str, Any]) -> tuple[Entry, ...]:
    """The entries of a record, without what says nothing."""
    return _entries(data, str(data.get("currency", "")), 0)


def _entries(data: Mapping[str, Any], currency: str, depth: int) -> tuple[Entry, ...]:
    currency = str(data.get("currency", currency))
    has_money = any(str(name).endswith("_minor") for name in data)
    return tuple(
        _entry(str(name), value, currency, depth)
        for name, value in data.items()
        if value not in (None, "", [], {}) and not (name == "currency" and has_money)
    )


def _entry(name: str, value: Any, currency: str, depth: int) -> Entry:
    shown = label(name)
    if isinstance(value, bool):
        return Entry(shown, "yes" if value else "no")
    if isinstance(value, int) and name.endswith("_minor"):
        return Entry(shown, money(value, currency))
    if isinstance(value, Mapping) and depth < _MOST_DEPTH:
        return Entry(shown, within=_entries(value, currency, depth + 1))
    if isinstance(value, Sequence) and not isinstance(value, str):
        if all(isinstance(item, str | int | float) for item in value):
            return Entry(shown, ", ".join(map(str, value)))
        if depth < _MOST_DEPTH:
            return Entry(shown, within=tuple(_item(i, item, currency, depth) for i, item in enumerate(value, 1)))
    text = str(value)
    if _TIME.match(text):
        try:
            at = datetime.fromisoformat(text)
            if at.tzinfo is not None:
                return Entry(shown, text, at=at.astimezone(UTC))
        except (ValueError, OverflowError):  # of a time at the ends of the calendar, whose zone leads out of it
            return Entry(shown, text)
    return Entry(shown, text)


def _item(number: int, item: Any, currency: str, depth: int) -> Entry:
    if isinstance(item, Mapping):
        return Entry(f"{number}.", within=_entries(item, currency, depth + 1))
    return _entry(f"{number}.", item, currency, depth + 1)

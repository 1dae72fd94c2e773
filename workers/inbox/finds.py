"""The checkable parts of a text or of a draft's arguments: amounts, dates, spans of time, addresses, identifiers.

What is plain prose is no claim and is left to the reader. Used by `citations`; knows nothing of facts or cases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from policies.messages import money
from workers.agents.origins import EMAIL, IBAN, LINK, leaves, minor_units, normal
from workers.agents.origins.forms import CODES, SIGNED, TIMES
from workers.inbox.amounts import minor_digits

#: whose a dollar is nobody knows; here it is the one that most mean
_SIGNS = {sign: "USD" if currency == "$" else currency for sign, currency in SIGNED.items() if currency != "kr"}
_CURRENCY = "|".join(
    [*(rf"{code}\b" for code in CODES.split("|")), *(re.escape(s) + r"\b" * s.isalpha() for s in _SIGNS)]
)
_DIGITS = r"\d{1,3}(?:[., \u00a0\u202f]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d+(?:[.,]\d{1,2})?(?!\d)"
_AMOUNT = re.compile(
    rf"(?:({_CURRENCY})\s?({_DIGITS}){TIMES})|(?:(?<![\d.,])({_DIGITS}){TIMES}\s?({_CURRENCY}))", re.IGNORECASE
)
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("january", "jan"),
            ("february", "feb"),
            ("march", "mar"),
            ("april", "apr"),
            ("may",),
            ("june", "jun"),
            ("july", "jul"),
            ("august", "aug"),
            ("september", "sept", "sep"),
            ("october", "oct"),
            ("november", "nov"),
            ("december", "dec"),
        ),
        start=1,
    )
    for name in names
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2})?(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})?)?")
_DAY_FIRST = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\.? (?:of )?({_MONTH})\b\.?,? (\d{{4}})\b", re.IGNORECASE)
_MONTH_FIRST = re.compile(rf"\b({_MONTH})\.? (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}})\b", re.IGNORECASE)
_NUMBERS = re.compile(r"\b(\d{1,2})[./](\d{1,2})[./](\d{4})\b")
_SPAN = re.compile(
    r"\b\d{1,3}(?:\s?(?:-|\u2013|to)\s?\d{1,3})?[\s-](?:business |working |calendar )?(?:hour|day|week|month|year)s?\b",
    re.IGNORECASE,
)
_IDENTIFIER = re.compile(r"(?<![\w.@/-])#?(?=[\w-]*\d{3})[A-Za-z0-9][\w-]{3,39}(?![\w@/-])")
_YEAR = re.compile(r"(?:19|20)\d{2}")


@dataclass(frozen=True, slots=True)
class Found:
    """One checkable part. `beside` are the other values of the same group, for bare numbers."""

    path: str
    kind: str  # amount, date, span, link, contact, identifier, value, number
    text: str
    money: tuple[int, str] | None = None
    date: date | None = None
    beside: frozenset[str] = frozenset()


def parts_of(arguments: Mapping[str, Any]) -> Iterator[Found]:
    """What can be checked of an action's arguments."""
    currency = str(arguments.get("currency", ""))
    for path, value in leaves(arguments):
        name = path.rpartition(".")[2]
        if name == "currency" or value in ("", None):
            continue
        if isinstance(value, int):
            if name.endswith("_minor"):
                yield Found(path, "amount", money(value, currency), money=(value, currency))
            else:
                yield Found(path, "number", str(value), beside=_beside(arguments, path))
        elif isinstance(value, str):
            yield from _of_text(path, value)


def _of_text(path: str, text: str) -> Iterator[Found]:
    if not re.search(r"\s", text.strip()):
        # One word: a value as it stands, if it can be checked at all.
        if re.search(r"[\d@/]", text):
            days = dates_in(text)
            yield Found(path, "date", text, date=days[0]) if days else Found(path, "value", text)
        return
    left = text
    for kind, pattern in (("link", LINK), ("contact", EMAIL), ("contact", IBAN)):
        for match in pattern.finditer(left):
            yield Found(path, kind, match.group().rstrip(".,;:!?"))
        left = pattern.sub(" ", left)
    for words, day in _dates(left):
        yield Found(path, "date", words, date=day)
        left = left.replace(words, " ")
    for words, amount in _amounts(left):
        yield Found(path, "amount", words, money=amount)
        left = left.replace(words, " ")
    for found in _SPAN.finditer(left):
        yield Found(path, "span", found.group())
    for found in _IDENTIFIER.finditer(_SPAN.sub(" ", left)):
        if not _YEAR.fullmatch(found.group()):
            yield Found(path, "identifier", found.group().lstrip("#"))


def money_in(text: str) -> list[tuple[int, str]]:
    return [amount for _, amount in _amounts(text) if amount is not None]


def dates_in(text: str) -> list[date]:
    return [day for _, day in _dates(text)]


def _amounts(text: str) -> Iterator[tuple[str, tuple[int, str] | None]]:
    """Each with what it says in minor units; None where that cannot be told, which nothing can back."""
    for match in _AMOUNT.finditer(text):
        before, behind, times, first, often, after = match.groups()
        sign = before or after
        currency = _SIGNS.get(sign.casefold(), sign.upper())
        cents = minor_units(re.sub(r"\s", "", behind or first))
        if cents is not None:
            minor, rest = divmod(cents * 10 ** minor_digits(currency), 100)
            yield match.group().strip(), None if rest or times or often else (minor, currency)


def _dates(text: str) -> Iterator[tuple[str, date]]:
    for pattern, order in ((_ISO, "ymd"), (_DAY_FIRST, "dmy"), (_MONTH_FIRST, "mdy")):
        for match in pattern.finditer(text):
            named = dict(zip(order, match.groups(), strict=False))
            month = _MONTHS.get(named["m"].casefold()) or int(named["m"])
            day = _date(int(named["y"]), month, int(named["d"]))
            if day is not None:
                yield match.group(), day
    for match in _NUMBERS.finditer(text):
        first, second, year = map(int, match.groups())
        # 04/11 is one day here and another there: only what can be read in one way is a date.
        if first == second or first > 12 or "." in match.group():
            day = _date(year, second, first)
        elif second > 12:
            day = _date(year, first, second)
        else:
            day = None
        if day is not None:
            yield match.group(), day


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _beside(arguments: Mapping[str, Any], path: str) -> frozenset[str]:
    """The other values of the group that a number stands in."""
    *way, name = path.split(".")
    group: Any = arguments
    for step in way:
        group = group[int(step)] if isinstance(group, Sequence) else group[step]
    if not isinstance(group, Mapping):
        return frozenset()
    return frozenset(normal(v) for key, v in group.items() if key != name and isinstance(v, str) and len(v) > 3)

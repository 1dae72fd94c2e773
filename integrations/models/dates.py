"""Calendar dates in a text, as ISO 8601: ``2026-11-20``, ``20.11.2026``, ``20 November 2026``, ``le 3 mars 2026``.

`extract` calls it. A date without a year, or with day and month in an order that neither its form nor the language tells, is
left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Final

_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar januari jänner janvier enero ene gennaio janeiro",
            "february feb februar februari février fevrier febrero febbraio fevereiro",
            "march mar mär märz maart mars marzo março",
            "april apr avril abril aprile",
            "may mai mei mayo maggio maio",
            "june jun juni juin junio giugno junho",
            "july jul juli juillet julio luglio julho",
            "august aug août aout augustus agosto",
            "september sep sept septembre septiembre settembre setembro",
            "october oct oktober okt octobre octubre ottobre outubro",
            "november nov novembre noviembre novembro",
            "december dec dezember dez décembre decembre diciembre dicembre dezembro",
        ),
        start=1,
    )
    for name in names.split()
}
#: Everywhere but in the United States the day comes first; of the languages told apart here only English leaves it open.
_DAY_FIRST: Final = frozenset({"de", "fr", "es", "it", "nl", "pt"})

_NAMES = "|".join(sorted(_MONTHS, key=len, reverse=True))
_ISO = re.compile(r"(?<![\w-])(\d{4})-(\d{2})-(\d{2})(?=T|[^\w-]|$)")
_DOTTED = re.compile(r"(?<![\w.,])(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})(?!\w)")
_SLASHED = re.compile(r"(?<![\w/])(\d{1,2})([/-])(\d{1,2})\2(\d{4})(?![\w/])")
_DAY_MONTH = re.compile(
    rf"(?<!\w)(\d{{1,2}})(?:st|nd|rd|th|er|º|\.)?\s{{1,3}}(?:of\s|de\s|di\s)?({_NAMES})\.?,?\s{{1,3}}(?:de\s|del\s)?(\d{{4}})(?!\w)",
    re.IGNORECASE,
)
_MONTH_DAY = re.compile(
    rf"(?<!\w)({_NAMES})\.?\s{{1,3}}(\d{{1,2}})(?:st|nd|rd|th)?,?\s{{1,3}}(\d{{4}})(?!\w)", re.IGNORECASE
)


def find_dates(text: str, language: str) -> Iterator[tuple[str, int, int]]:
    for match in _ISO.finditer(text):
        yield from _date(match, int(match[1]), int(match[2]), int(match[3]))
    for match in _DOTTED.finditer(text):
        yield from _date(match, int(match[3]), int(match[2]), int(match[1]))
    for match in _SLASHED.finditer(text):
        one, other, year = int(match[1]), int(match[3]), int(match[4])
        if one > 12 or one == other or language in _DAY_FIRST:
            yield from _date(match, year, other, one)
        elif other > 12:
            yield from _date(match, year, one, other)
    for match in _DAY_MONTH.finditer(text):
        yield from _date(match, int(match[3]), _month(match[2]), int(match[1]))
    for match in _MONTH_DAY.finditer(text):
        yield from _date(match, int(match[3]), _month(match[1]), int(match[2]))


def _month(name: str) -> int:
    # `re` ignores the case of a few letters that fold otherwise (the long s): month 0 makes no date.
    return _MONTHS.get(name.casefold(), 0)


def _date(match: re.Match[str], year: int, month: int, day: int) -> Iterator[tuple[str, int, int]]:
    try:
        found = date(year, month, day)
    except ValueError:
        return
    yield found.isoformat(), match.start(), match.end()

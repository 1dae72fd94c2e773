"""What has letters in it: e-mail addresses, IBANs, national ids with letters, and patterns of the installation's own.

`finding` calls each function with one text. Patterns begin at the beginning of a word and go on without a way back, so that the
time grows with the text alone, whatever a stranger wrote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from integrations.models.redaction import checks, marks

Span = tuple[int, int, str]

_LOCAL: Final = r"\s\x00@\uff20<>()\[\]{},;:\"|\\/=&?%"
#: an address from its sign on; what stands before it is read backwards
_AT: Final = re.compile(
    r"(?:[@\uff20]|%40)(?:[^\W_][\w-]{0,62}+[.\uff0e\u3002])+(?:xn--[a-z0-9-]{2,59}|[^\W\d_]{2,24})", re.IGNORECASE
)
_LOCAL_BACKWARDS: Final = re.compile(rf"[^{_LOCAL}]+")
_LONGEST_LOCAL: Final = 128
#: signs of prose before an address that are no part of it
_PROSE: Final = "'`*_~.!-\u201c\u201d\u2018\u2019\u00ab\u00bb"

#: Each alternative begins with the value's first digit and looks back for the letters before it: a pattern that begins with a
#: digit is searched for six times as fast as one that begins with a word.
_TWO: Final = "(?:(?<=[A-Z]{2}[0-9])|(?<=[A-Z]{2}[ -][0-9]))"
_LETTERED: Final = re.compile(
    r"[0-9](?<![0-9][0-9])(?:(?:"
    rf"(?P<nino>{_TWO}[0-9][ -]?[0-9]{{2}}[ -]?[0-9]{{2}}[ -]?[A-D])"
    r"|(?P<cf>(?:(?<=[A-Z]{6}[0-9])|(?<=[A-Z]{6} [0-9]))[\dL-NP-V][A-EHLMPR-T][\dL-NP-V]{2} ?[A-Z][\dL-NP-V]{3}[A-Z])"
    r"|(?P<hetu>[0-9]{5}[-+A-FU-Y][0-9]{3}[\dA-FHJ-NPR-Y])"
    r"|(?P<dni>(?:[0-9]\.[0-9]{3}\.[0-9]{3}|[0-9]{7})-?[A-HJ-NP-TV-Z])"
    r"|(?P<nie>(?:(?<=[X-Z][0-9])|(?<=[X-Z]-[0-9]))[0-9]{6}-?[A-HJ-NP-TV-Z])"
    r"|(?P<nir> ?[0-9]{2} ?[0-9]{2} ?2[AB] ?[0-9]{3} ?[0-9]{3} ?[0-9]{2})"
    r")(?![^\W_])"
    rf"|(?P<iban>{_TWO}[0-9])(?=[ -]?[A-Z0-9]))",
    re.IGNORECASE | re.ASCII,
)
_LETTERS_BEFORE: Final = {"nino": 2, "iban": 2, "cf": 6, "nie": 1}
_NO_NINO: Final = re.compile(r"[DFIQUV].|.[DFIOQUV]|BG|GB|NK|KN|TN|NT|ZZ", re.IGNORECASE)
_JOIN: Final = re.compile(r"[ .\-]")
_SPREAD: Final = re.compile(r"[A-Z0-9](?:[ \u00a0.-]?[A-Z0-9]){14,33}+", re.IGNORECASE | re.ASCII)
_CHECKS: Final[Mapping[str, Callable[[str], bool]]] = {
    "nino": lambda text: not _NO_NINO.match(text),
    "cf": lambda text: checks.codice_fiscale(_JOIN.sub("", text)),
    "hetu": checks.henkilotunnus,
    "dni": lambda text: checks.dni(_JOIN.sub("", text)),
    "nie": lambda text: checks.dni(_JOIN.sub("", text)),
    "nir": lambda text: checks.nir(_JOIN.sub("", text)),
}


def emails(text: str) -> Iterator[Span]:
    """E-mail addresses, also as addresses of pages write them (``%40``)."""
    if "@" not in text and "%40" not in text and "\uff20" not in text:
        return
    upto = 0
    plain = "%40" not in text and "\uff20" not in text
    for match in marks.matches(_AT, text, marks.places(text, "@")) if plain else _AT.finditer(text):
        local = _LOCAL_BACKWARDS.match(text[max(upto, match.start() - _LONGEST_LOCAL) : match.start()][::-1])
        if local is None:
            continue
        start = match.start() - local.end()
        while text[start] in _PROSE:
            start += 1
        if start < match.start():
            upto = match.end()
            yield start, upto, "email"


def ids(text: str, where: Sequence[int] | None = None) -> Iterator[Span]:
    """IBANs, and national ids with letters. `where` are the places where numbers begin, if they are known."""
    starts = marks.numbers(text, every_script=False) if where is None else where
    for match in marks.matches(_LETTERED, text, starts):
        which = match.lastgroup or ""
        start = match.start()
        letters = _LETTERS_BEFORE.get(which, 0)
        if letters:
            start -= letters if text[start - 1].isalpha() else letters + 1
        before = text[start - 1] if start else ""
        if before.isascii() and before.isalnum():
            continue
        if which == "iban":
            end = _iban_end(text, start)
            if end:
                yield start, end, "iban"
        elif _CHECKS[which](text[start : match.end()]):
            yield start, match.end(), "national_id"


def _iban_end(text: str, start: int) -> int:
    """Where the IBAN that begins here ends; 0 where there is none."""
    length = checks.iban_length(text[start : start + 2].upper())
    spread = _SPREAD.match(text, start) if length else None
    if spread is None:
        return 0
    at = start
    signs: list[str] = []
    while at < spread.end() and len(signs) < length:
        if text[at].isalnum():
            signs.append(text[at])
        at += 1
    follows = text[at : at + 1]
    if len(signs) < length or (follows.isascii() and follows.isalnum()):
        return 0
    return at if checks.iban("".join(signs).upper()) else 0


def own_pattern(template: str) -> re.Pattern[str]:
    """A pattern of the installation's own: ``#`` is a digit, ``@`` a letter, ``*`` either, ``{2,6}`` how often; all else
    stands for itself. No regular expression, because one can be written that takes for ever. Raise ValueError."""
    parts: list[str] = []
    at = 0
    while at < len(template):
        sign = template[at]
        at += 1
        part = {"#": r"\d", "@": r"[^\W\d_]", "*": r"[^\W_]"}.get(sign)
        if part is None:
            parts.append(re.escape(sign))
            continue
        often = re.compile(r"\{(\d{1,2})(?:,(\d{1,2}))?\}").match(template, at)
        if often is not None:
            at = often.end()
            least, most = int(often[1]), int(often[2] or often[1])
            if not 0 < least <= most:
                raise ValueError(f"the pattern {template!r} has {often[0]}: write {{2,6}}, the smaller number first")
            part += f"{{{least},{most}}}+"
        parts.append(part)
    if sum(sign in "#@*" for sign in template) == 0 or len(template) > 100:
        raise ValueError(f"the pattern {template!r} needs a place that varies (#, @ or *) and at most 100 signs")
    return re.compile(rf"(?<![^\W_]){''.join(parts)}(?![^\W_])", re.IGNORECASE)

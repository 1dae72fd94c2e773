"""Where values of somebody's stand in a text. `session` asks for all texts of a request at once, the log for one line.

All texts are searched as one, put together with a sign between them that no value contains: a case is a hundred short texts, and a
search is begun three times, not three hundred times. What one search has found is blanked out for the next, so that nothing is
found twice. The time grows with the text alone.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final, NamedTuple

from integrations.models.redaction import lettered, marks, numbers

EMAIL, IBAN, PHONE = "email", "iban", numbers.PHONE
CARD, NATIONAL_ID, ADDRESS, NAME, SECRET = numbers.CARD, numbers.NATIONAL_ID, "address", "name", "secret"
#: the last three are known by their field's name alone
KINDS: Final = (EMAIL, PHONE, IBAN, CARD, NATIONAL_ID, ADDRESS, NAME, SECRET)

#: hints: an identifier of ours or of a system, in which nothing but addresses and IBANs is looked for; and a whole number
IDENTIFIER: Final = "identifier"
NUMBER: Final = "number"

_WORTH: Final = re.compile(r"[\d@\uff20]|%40")
_BETWEEN: Final = "\x00"
#: what a field holds is also looked for elsewhere, if it is long enough to mean something
_SHORTEST_KNOWN: Final = 6
_MOST_KNOWN: Final = 64


class Text(NamedTuple):
    """One text, and what is known of it: a kind (by its field's name), `IDENTIFIER`, `NUMBER`, or nothing."""

    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: kinds, and the installation's own patterns by name."""

    kinds: frozenset[str]
    patterns: Mapping[str, re.Pattern[str]] = field(default_factory=dict)


def find(text: str, wanted: Wanted) -> Sequence[Found]:
    """What is found in one text, in order."""
    return find_all([Text(text)], wanted)[0] if _WORTH.search(text) or wanted.patterns else ()


def blotted(text: str, wanted: Wanted) -> str:
    """The text with the kind's name where a value was: for good."""
    pieces, upto = [], 0
    for one in find(text, wanted):
        pieces += [text[upto : one.start], f"[{one.kind}]"]
        upto = one.end
    return "".join([*pieces, text[upto:]]) if pieces else text


def find_all(texts: Sequence[Text], wanted: Wanted) -> Sequence[Sequence[Found]]:
    """For each text what is found in it, in order and without overlaps."""
    return find_among([one.text for one in texts], [one.hint for one in texts], wanted)


def find_among(texts: Sequence[str], hints: Sequence[str], wanted: Wanted) -> Sequence[Sequence[Found]]:
    """The same, with what is known of each text beside it: a case has dozens."""
    found: list[Sequence[Found]] = [()] * len(texts)
    searched: list[int] = []
    known: dict[str, str] = {}
    kinds = wanted.kinds
    for n, text in enumerate(texts):
        if hints[n] in kinds:
            if text.strip():
                found[n] = (Found(0, len(text), hints[n]),)
                _remember(known, text, hints[n])
        elif text:
            searched.append(n)
    known = dict(list(known.items())[:_MOST_KNOWN])
    if not (known or wanted.patterns):
        searched = [n for n in searched if _WORTH.search(texts[n])]
    if searched:
        for n, spans in zip(
            searched, _search([texts[n] for n in searched], [hints[n] for n in searched], wanted, known), strict=True
        ):
            found[n] = spans
    return found


class _Search:
    """All texts as one, and what was found in each."""

    def __init__(self, texts: Sequence[str], hints: Sequence[str]) -> None:
        self._texts = texts
        self._hints = hints
        self._starts = list(accumulate([len(text) + 1 for text in texts], initial=0))
        self.joined = _BETWEEN.join(texts)
        self.found: list[list[Found]] = [[] for _ in texts]
        self._starting: Sequence[int] | None = None

    def number_starts(self) -> Sequence[int] | None:
        """Where numbers begin, for all searches: blanking one out begins no other. None where other scripts may have digits too."""
        if self._starting is None and self.joined.isascii():
            self._starting = marks.numbers(self.joined, every_script=True)
        return self._starting

    def take(self, spans: Iterable[tuple[int, int, str]], *barred: str) -> None:
        """Write down what was found, and blank it out for the next search. Texts with a `barred` hint keep theirs."""
        pieces, upto = [], 0
        for start, end, kind in spans:
            place = bisect_right(self._starts, start) - 1
            if start < upto or self._hints[place] in barred:
                continue
            begin = self._starts[place]
            self.found[place].append(Found(start - begin, end - begin, kind))
            pieces += [self.joined[upto:start], _BETWEEN * (end - start)]
            upto = end
        if pieces:
            self.joined = "".join([*pieces, self.joined[upto:]])

    def numbers(self, kinds: frozenset[str]) -> None:
        """Cards, ids and telephone numbers. The last search, so nothing is blanked out."""
        starts = self.number_starts()
        if starts is None:
            starts = marks.numbers(self.joined, every_script=True)
        for match in marks.matches(numbers.CLUSTER, self.joined, starts):
            place = bisect_right(self._starts, match.start()) - 1
            hint, begin = self._hints[place], self._starts[place]
            if hint == NUMBER:
                text = self._texts[place]
                kind = numbers.whole(text)
                if kind in kinds:
                    self.found[place].append(Found(0, len(text), kind))
            elif hint != IDENTIFIER:
                self.found[place] += [
                    Found(number.start - begin, number.end - begin, number.kind)
                    for number in numbers.of_cluster(self.joined, *match.span(), begin)
                    if number.kind in kinds
                ]


def _search(
    texts: Sequence[str], hints: Sequence[str], wanted: Wanted, known: Mapping[str, str]
) -> Sequence[Sequence[Found]]:
    search = _Search(texts, hints)
    if known:
        search.take(_known(search.joined, known))
    for name, pattern in wanted.patterns.items():
        search.take(((*match.span(), name) for match in pattern.finditer(search.joined)), NUMBER)
    if EMAIL in wanted.kinds:
        search.take(lettered.emails(search.joined))
    if wanted.kinds & {IBAN, NATIONAL_ID}:
        ids = lettered.ids(search.joined, search.number_starts())
        search.take((span for span in ids if span[2] in wanted.kinds), NUMBER)
    if wanted.kinds & {CARD, NATIONAL_ID, PHONE}:
        search.numbers(wanted.kinds)
    for spans in search.found:
        if len(spans) > 1:
            spans.sort(key=lambda one: one.start)
    return search.found


def _remember(known: dict[str, str], text: str, kind: str) -> None:
    value = text.strip()
    if len(value) >= _SHORTEST_KNOWN and not value.isalpha():
        known.setdefault(value, kind)


def _known(joined: str, known: Mapping[str, str]) -> list[tuple[int, int, str]]:
    """What fields hold, word by word, in other texts: longest first where one is part of another."""
    spans = []
    for value, kind in known.items():
        at = joined.find(value)
        while at >= 0:
            end = at + len(value)
            if not (joined[at - 1 : at].isalnum() or joined[end : end + 1].isalnum()):
                spans.append((at, end, kind))
            at = joined.find(value, end)
    return sorted(spans, key=lambda span: (span[0], -span[1]))

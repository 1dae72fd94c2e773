"""Which language a text is in: one of seven, or ``und`` when there is too little to tell.

The local model asks, because it understands only what it has examples of, and a reply goes out in the customer's language.
Counts function words and what people write to shops, and letter patterns for words that are in no list; a few words are
enough. Never raises, whatever the text.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

UNDETERMINED: Final = "und"
MAX_CHARS: Final = 4_000
_LISTS: Final = Path(__file__).with_name("languages.yaml")

#: Addresses, codes and numbers are in no language.
_NOISE = re.compile(r"\S*(?:@|://|www\.|\d)\S*")
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*'?")
_MARKS = re.compile(r"[¿¡]")
#: Scripts in which none of the seven is written. A text mostly in them is not guessed at.
_LATIN_END: Final = 0x0250
#: How much a word that is in no list, but looks like a language, counts against one that is in a list.
_LOOKS: Final = 0.25
#: Evidence below this (about two ordinary words) is an accident.
_LEAST: Final = 1.1
_SURE: Final = 0.55


@dataclass(frozen=True, slots=True)
class Language:
    """An ISO 639-1 code, or ``und``; `confidence` is the share of the evidence that speaks for it."""

    code: str
    confidence: float


@dataclass(frozen=True, slots=True)
class _Evidence:
    codes: tuple[str, ...]
    #: a word or pattern, and how much it says for each language
    words: Mapping[str, tuple[float, ...]]
    patterns: Mapping[str, tuple[float, ...]]


def detect(text: str) -> Language:
    """The language of `text`."""
    evidence = _evidence()
    folded = text[:MAX_CHARS].replace("\u2019", "'").lower()
    letters = [char for char in folded if char.isalpha()]
    if sum(ord(char) >= _LATIN_END for char in letters) * 2 > len(letters):
        return Language(UNDETERMINED, 0.0)
    plain = _NOISE.sub(" ", folded)
    score = [0.0] * len(evidence.codes)
    for word in _WORD.findall(plain) + _MARKS.findall(plain):
        known = evidence.words.get(word)
        weights = known if known is not None else _looks(word, evidence)
        score = [have + more for have, more in zip(score, weights, strict=True)]
    total = sum(score)
    best = max(range(len(score)), key=score.__getitem__)
    if score[best] < _LEAST:
        return Language(UNDETERMINED, 0.0)
    second = max(value for place, value in enumerate(score) if place != best)
    # Shares near each other (Spanish and Portuguese) are uncertain, and so is little evidence.
    share = (score[best] ** 2) / (score[best] ** 2 + second**2)
    confidence = share * (1 - math.exp(-total / 1.5))
    return Language(evidence.codes[best] if confidence >= _SURE else UNDETERMINED, round(confidence, 4))


def _looks(word: str, evidence: _Evidence) -> tuple[float, ...]:
    found = [weights for pattern, weights in evidence.patterns.items() if pattern in word]
    if not found:
        return (0.0,) * len(evidence.codes)
    summed = [sum(weights) for weights in zip(*found, strict=True)]
    return tuple(_LOOKS * value / max(1.0, sum(summed)) for value in summed)


@functools.cache
def _evidence() -> _Evidence:
    lists = yaml.safe_load(_LISTS.read_text(encoding="utf-8"))
    codes = tuple(lists)
    words = {code: frozenset(lists[code]["words"].split()) for code in codes}
    patterns = {code: frozenset(lists[code]["patterns"]) for code in codes}
    return _Evidence(codes, _weigh(codes, words), _weigh(codes, patterns))


def _weigh(codes: tuple[str, ...], lists: Mapping[str, frozenset[str]]) -> dict[str, tuple[float, ...]]:
    weighed = {}
    for item in frozenset().union(*lists.values()):
        holders = [code for code in codes if item in lists[code]]
        # What two languages share says half as much for each, and less than half in all.
        weight = 1 / len(holders) ** 1.5
        weighed[item] = tuple(weight if code in holders else 0.0 for code in codes)
    return weighed

"""The writing of the word lists `lexicon.yaml` and `concepts.yaml`, compiled to regular expressions.

Phrases are regular expressions over folded text; a star after a letter stands for the rest of the word, … for up to four
words in between. `flags` and `concepts` use it. Searching takes time linear in the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

_UNSEEN = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]")
_PUNCTUATION = re.compile(r"[^\w'&:-]+")
_APOSTROPHES: Final = str.maketrans(dict.fromkeys("\u2019\u2018\u02bc`\u00b4", "'"))
_TWO_LETTERS: Final = re.compile(r"[^\W\d_]{2}(?![?*{])")
_FEW_WORDS: Final = r"(?: \S+){0,4}? "


def fold(text: str) -> str:
    """Lower case, one kind of apostrophe, nothing invisible, punctuation as one space, a space at both ends."""
    if not text.isascii():
        text = _UNSEEN.sub("", unicodedata.normalize("NFKC", text)).translate(_APOSTROPHES)
    seen = text.replace("`", "'").lower()
    return f" {_PUNCTUATION.sub(' ', seen).strip()} "


def compile_phrases(lines: Iterable[str]) -> re.Pattern[str]:
    """One pattern that finds any of the phrases, whole words only."""
    any_ending = re.sub(r"(?<=[^\W\d_])\*", lambda _: r"\w*", "|".join(map(_announced, lines)))
    return re.compile(r"(?<![\w'])(?:" + re.sub(r" ?… ?", lambda _: _FEW_WORDS, any_ending) + r")(?!\w)")


def _announced(line: str) -> str:
    """A phrase behind a look at its first two letters, which turns most words away at once: three times as fast."""
    starts = [_TWO_LETTERS.match(word) for word in _first_words(line)]
    if not all(starts):
        return line
    return f"(?={'|'.join(sorted({start.group() for start in starts if start}))}){line}"


def _first_words(line: str) -> list[str]:
    """What a phrase can begin with: itself, or the alternatives of the group that it opens with."""
    if not line.startswith("("):
        return line.split("|")
    words, depth, at = [""], 0, 0
    for at, letter in enumerate(line):  # noqa: B007 - where the group ends is needed below
        if letter == "|" and depth == 1:
            words.append("")
        elif depth:
            words[-1] += letter
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            break
    # What may be left out says nothing of how the phrase begins.
    return [""] if line[at + 1 : at + 2] in ("?", "*", "{") else words

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
#: all of that for ASCII, letter by letter
_FOLDED: Final = bytes(
    ord(" " if _PUNCTUATION.match(kept) else kept.lower())
    for kept in (chr(code).replace("`", "'") for code in range(128))
).ljust(256)
_BEGINNING: Final = re.compile(r"[^\W\d_]{2,5}")
_TWO_LETTERS: Final = re.compile(r"[^\W\d_]{2}(?![?*{])")
_FEW_WORDS: Final = r"(?: \S+){0,4}? "


def fold(text: str) -> str:
    """Lower case, one kind of apostrophe, nothing invisible, punctuation as one space, a space at both ends."""
    if text.isascii():
        return f" {' '.join(text.encode().translate(_FOLDED).decode().split())} "
    text = _UNSEEN.sub("", unicodedata.normalize("NFKC", text)).translate(_APOSTROPHES)
    return f" {_PUNCTUATION.sub(' ', text.lower()).strip()} "


def compile_phrases(lines: Iterable[str]) -> re.Pattern[str]:
    """One pattern that finds any of the phrases in a folded text, whole words only, with what stands before it."""
    phrases = list(lines)
    any_ending = re.sub(r"(?<=[^\W\d_])\*", lambda _: r"\w*", "|".join(map(_announced, phrases)))
    return re.compile(rf"[ &:-]{_any_of(phrases)}(?:" + re.sub(r" ?… ?", lambda _: _FEW_WORDS, any_ending) + r")(?!\w)")


def _any_of(lines: Iterable[str]) -> str:
    """A look at the first letters of a word, whether any phrase begins so: hardly a word of a text passes it."""
    begins = set()
    for word in (word for line in lines for word in _first_words(line)):
        found = _BEGINNING.match(word)
        # A letter that may be left out or repeated says nothing.
        told = found.group()[: -1 if word[found.end() : found.end() + 1] in {"?", "*", "{"} else None] if found else ""
        if not told:
            return ""
        begins.add(told)
    return f"(?={_branching(begins)})"


def _branching(words: set[str]) -> str:
    """Words as a pattern that looks at each letter once."""
    if "" in words or not words:
        return ""
    by_letter: dict[str, set[str]] = {}
    for word in words:
        by_letter.setdefault(word[0], set()).add(word[1:])
    ways = [letter + _branching(rest) for letter, rest in sorted(by_letter.items())]
    return ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})"


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

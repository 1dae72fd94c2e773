"""What stands in a text instead of a value, and the way back. One `Ledger` for each request to a model; `session` keeps it.

A placeholder's number is made from a key, the case and the value. So a value has the same one in every call of a case, in every
worker and after each restart, with nothing kept; and an outsider cannot guess it. A number that stands anywhere in what is sent is
never given away: whatever a stranger wrote that looks like a placeholder stands for itself. `Ledger.back` is harmless if repeated.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import Any, Final

#: the lowest number and how many there are: four digits, and eight where a request is somebody's whole list
_FEW, _MANY, _CROWDED = (1000, 9000), (10_000_000, 90_000_000), 3000
_GROUPS: Final = re.compile(r"\d(?<!\d\d)\d{3,7}(?!\d)")
_LETTERS: Final = "bcdefghjkmnpqrstuvwxyz"
#: letters that are ours to a pattern that leaves their case out of account
_LIKE_OURS: Final = ("\u0130", "\u0131", "\u017f", "\u212a")
#: so far before its number a placeholder's word ends at the latest: the rest of the kind's name, and three signs as JSON writes them
_NEAR: Final = 60
_BRACKETS: Final = {"[": "]", "{": "}", "\u3010": "\u3011", "\uff3b": "\uff3d"}


def numbers_in(text: str) -> frozenset[int]:
    """Every number that a placeholder could have, as it stands in a text."""
    return frozenset(map(int, _GROUPS.findall(text)))


class Taken:
    """The numbers that stand in the texts of a request, and in others. They are looked for when one is about to be given away, and
    most often it is enough to see that these digits stand nowhere."""

    def __init__(self, texts: Sequence[str], others: Callable[[], Collection[int]] = frozenset) -> None:
        self._texts = texts
        self._others = others
        self._joined: str | None = None
        self._all: frozenset[int] | None = None

    def __contains__(self, number: int) -> bool:
        if self._all is None:
            joined = self._as_one()
            # Digits of other scripts are digits too.
            if joined.isascii() and str(number) not in joined:
                return number in self._others()
        return number in self._every()

    def more_than(self, many: int) -> bool:
        """Whether there are so many. Each takes five signs of the texts, the one behind it included."""
        if self._all is None and len(self._as_one()) // 5 + len(self._others()) < many:
            return False
        return len(self._every()) > many

    def _as_one(self) -> str:
        if self._joined is None:
            self._joined = "\0".join(self._texts)
        return self._joined

    def _every(self) -> frozenset[int]:
        if self._all is None:
            self._all = numbers_in(self._as_one()).union(self._others())
        return self._all


class Ledger:
    """Values and their placeholders. `taken` are the numbers in the request; `final` kinds are never put back."""

    def __init__(
        self, key: bytes, case_id: str, *, taken: Taken, final: Collection[str], kinds: Collection[str]
    ) -> None:
        self._keyed = hashlib.blake2b(f"{case_id}\0".encode(), key=key[:64], digest_size=8)
        self._taken = taken
        self._given: set[int] = set()
        self._final = final
        self._loose, self._before = _loose(tuple(kinds))
        #: (kind, value as it is compared) -> number, and how often it was spelled otherwise
        self._numbers: dict[tuple[str, str], tuple[int, list[str]]] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._values: dict[tuple[str, int, str], str] = {}

    @property
    def reversible(self) -> bool:
        """Whether an answer may hold something to be put back."""
        return bool(self._values)

    def name(self, kind: str, value: str) -> str:
        """The placeholder of a value."""
        known = self._names.get((kind, value))
        if known is None:
            known = self._names[kind, value] = self._new_name(kind, value)
        return known

    def may_stand_in(self, json: str) -> bool:
        """Whether a placeholder may stand in a JSON text, as it was given out or somewhat otherwise. No is certain."""
        if "\\u" in json or any(sign in json for sign in _LIKE_OURS):
            return True
        for match in _GROUPS.finditer(json):
            before = json[max(0, match.start() - _NEAR) : match.start()].lower()
            if any(word in before for word in self._before):
                return True
        return False

    def back(self, text: str) -> tuple[str, list[str]]:
        """The text with values instead of placeholders, and the placeholders that nobody gave out."""
        pieces: list[str] = []
        invented: list[str] = []
        upto = 0
        for match in self._loose.finditer(text):
            kind, number, letter = re.sub("[ _]", "-", match[1].lower()), int(match[2]), (match[3] or "").lower()
            end = match.end() if kind == "card" else match.end(3) if match[3] else match.end(2)
            start, end, whole = _with_brackets(text, match.start(), end, upto)
            value = self._values.get((kind, number, letter))
            if value is None:
                if whole and number not in self._taken:
                    invented.append(text[start:end])
                continue
            if not whole:
                start, end = _all_there_is(text, start, end)
            pieces += [text[upto:start], value]
            upto = end
        return ("".join([*pieces, text[upto:]]) if pieces else text), invented

    def back_in(self, value: Any, invented: list[str]) -> Any:
        """The same for all texts of plain JSON, names of fields among them."""
        if isinstance(value, str):
            text, more = self.back(value)
            invented += more
            return text
        if isinstance(value, Mapping):
            return {self.back_in(key, invented): self.back_in(item, invented) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.back_in(item, invented) for item in value]
        return value

    def _new_name(self, kind: str, value: str) -> str:
        compared = _compared(kind, value)
        shown = kind.replace("_", "-")
        number, spellings = self._numbers.get((kind, compared), (0, []))
        if not number or len(spellings) > len(_LETTERS):
            number, spellings = self._new_number(f"{kind}\0{compared}"), []
            self._numbers[kind, compared] = number, spellings
        if kind == "card":
            self._values[shown, number, ""] = f"card ending {compared[-4:]}"
            return f"[card-{number} ending {compared[-4:]}]"
        if kind in self._final:
            self._values[shown, number, ""] = f"({shown.replace('-', ' ')} withheld)"
            return f"[{shown}-{number}]"
        # Ana@example.com is ana@example.com, and yet must be put back as it was written.
        letter = _LETTERS[len(spellings) - 1] if spellings else ""
        spellings.append(value)
        self._values[shown, number, letter] = value
        return f"[{shown}-{number}{letter}]"

    def _new_number(self, what: str) -> int:
        digest = self._keyed.copy()
        digest.update(what.encode("utf-8", "surrogatepass"))
        drawn = int.from_bytes(digest.digest())
        lowest, span = _MANY if self._taken.more_than(_CROWDED - len(self._given)) else _FEW
        while (number := lowest + drawn % span) in self._given or number in self._taken:
            drawn += 1
        self._given.add(number)
        return number


def _compared(kind: str, value: str) -> str:
    """Two spellings of one value are equal in this."""
    if kind in ("card", "phone"):
        digits = "".join(str(int(sign)) for sign in value if sign.isdecimal())
        return digits.removeprefix("00") if kind == "phone" and digits else digits or value
    if kind in ("iban", "national_id"):
        return "".join(sign for sign in value if sign.isalnum()).upper()
    return " ".join(value.split()).casefold()


def _with_brackets(text: str, start: int, end: int, upto: int) -> tuple[int, int, bool]:
    """The place with its brackets, where it has both; inside of them a blank, or a backslash before each."""
    left, right = start, end
    if text[left - 1 : left] == " " and left - 1 > upto:
        left -= 1
    escaped = text[right : right + 1] == "\\"
    if escaped or text[right : right + 1] == " ":
        right += 1
    closing = _BRACKETS.get(text[left - 1]) if left > upto else None
    if closing is None or text[right : right + 1] != closing:
        return start, end, False
    left -= 1
    return (left - 1 if escaped and left > upto and text[left - 1] == "\\" else left), right + 1, True


def _all_there_is(text: str, start: int, end: int) -> tuple[int, int]:
    """Where one bracket was lost and there is nothing else, the other one goes as well."""
    if text[end:].strip() in ("", *_BRACKETS.values()) and text[:start].strip() in ("", *_BRACKETS):
        return 0, len(text)
    return start, end


@cache
def _loose(kinds: tuple[str, ...]) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """A placeholder as a model may write it: in other case, with other dashes, without its brackets. And what always stands
    before its number."""
    names = "|".join(re.escape(kind.replace("_", "-")).replace(r"\-", "[- _]") for kind in kinds)
    pattern = re.compile(
        rf"(?<![^\W_])({names})[\s_#:\u2010-\u2015\u2212-]{{0,3}}(\d{{4,8}})([{_LETTERS}])?(?![^\W_])"
        r"(?:\s{1,2}ending\s{1,2}(?:in\s{1,2})?\d{4}(?!\d))?",
        re.IGNORECASE,
    )
    return pattern, tuple(dict.fromkeys(kind.partition("_")[0] for kind in kinds))

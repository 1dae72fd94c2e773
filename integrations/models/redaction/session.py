"""One request on its way to a model elsewhere and its answer on the way back. `redacting` opens a `Session` for each call.

All texts of the request are searched together, so that one value has one placeholder wherever it stands: in the material, in the
results of look-ups, in what the model said before. What the provider must get back unchanged (`Turn.native`) holds only what the
model itself wrote, which is placeholders.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from integrations.models.base import Material, ModelRequest, T, ToolCall, ToolResult, Turn
from integrations.models.redaction.finding import IDENTIFIER, NUMBER, Found, Wanted, find_among
from integrations.models.redaction.placeholders import Ledger, Taken, numbers_in
from integrations.models.redaction.rules import Redaction

#: before the words of a service in a provider's error
_SAYS: Final = " It says: "
_QUOTED: Final = re.compile(r"(?<!\w)'[^']*'|\"[^\"]*\"|`[^`]*`")
#: so many signs in a row are no coincidence
_RUN: Final = 12

#: values of plain JSON that hold no text
_SILENT: Final = frozenset({bool, float, type(None)})
#: above a field with one of these hints its own name decides
_OPEN: Final = frozenset({"", IDENTIFIER})
#: so many pieces of the house itself are remembered; there is one
_MOST_PLAIN: Final = 16

#: a whole number from here on is long enough for a payment card's
_LONG_NUMBER: Final = 10**13


class _Texts:
    """Texts in the order in which they stand in plain JSON, with what is known of each."""

    def __init__(self, rules: Redaction, wanted: Wanted) -> None:
        self.texts: list[str] = []
        self.hints: list[str] = []
        self._rules = rules
        self._kinds = wanted.kinds

    def add(self, text: str, hint: str = "") -> None:
        self.texts.append(text)
        self.hints.append(hint)

    # What is read and what is rebuilt goes through the same values in the same order.

    def gather(self, value: Any, hint: str = "") -> None:
        kind = type(value)
        if kind is str:
            self.add(value, hint)
        elif kind is int:
            if self._is_told(value, hint):
                self.add(str(value), hint if hint in self._kinds else NUMBER)
        elif kind is dict or isinstance(value, Mapping):
            self._gather_fields(value, hint)
        elif isinstance(value, list | tuple):
            for item in value:
                self.gather(item, hint)

    def _gather_fields(self, value: Mapping[str, Any], hint: str) -> None:
        fields = self._rules.field
        for name, item in value.items():
            field = fields(name)
            if not field.plain_name:
                self.add(name)
            below = field.hint if hint in _OPEN else "" if field.says_nothing else hint
            if type(item) is str:
                self.texts.append(item)
                self.hints.append(below)
            elif type(item) not in _SILENT:
                self.gather(item, below)

    def rebuilt(self, value: Any, new: Iterator[str], hint: str = "") -> Any:
        kind = type(value)
        if kind is str:
            return next(new)
        if kind is int:
            text = next(new) if self._is_told(value, hint) else None
            return value if text is None or text == str(value) else text
        if kind in _SILENT:
            return value
        if kind is dict or isinstance(value, Mapping):
            made = {}
            for name, item in value.items():
                field = self._rules.field(name)
                key = name if field.plain_name else next(new)
                below = field.hint if hint in _OPEN else "" if field.says_nothing else hint
                made[key] = next(new) if type(item) is str else self.rebuilt(item, new, below)
            return made
        if isinstance(value, list | tuple):
            return [self.rebuilt(item, new, hint) for item in value]
        return value

    def _is_told(self, number: int, hint: str) -> bool:
        """Whether a whole number is looked at like a text."""
        return number >= _LONG_NUMBER or hint in self._kinds


class Session:
    """The texts of one request, replaced; and the way back. Not to be shared."""

    def __init__(self, rules: Redaction, request: ModelRequest[Any], classes: frozenset[str]) -> None:
        self._rules = rules
        self._wanted: Wanted = rules.wanted(classes)
        self._request = request
        self.invented: list[str] = []
        self._read = read = _Texts(rules, self._wanted)
        self._texts = read.texts
        #: where the texts of each piece and each turn end
        self._ends: list[int] = []
        for piece in request.material:
            read.add(piece.ref, IDENTIFIER)
            if not self._is_plain(piece):
                read.gather(piece.data)
            self._ends.append(len(read.texts))
        for turn in request.turns:
            self._gather_turn(turn)
            self._ends.append(len(read.texts))
        self._found = find_among(read.texts, read.hints, self._wanted)
        self.ledger = Ledger(
            rules.key,
            request.about.case_id,
            # No method of this session: they would know each other, and only the collector could part them.
            taken=Taken(read.texts, partial(_plain_numbers, rules, self._wanted, request)),
            final=rules.final,
            kinds=rules.kinds,
        )

    @property
    def anything(self) -> bool:
        """Whether anything has to be replaced."""
        return any(self._found)

    def told(self) -> tuple[tuple[Material, ...], tuple[Turn, ...]]:
        """Material and turns as they may leave."""
        request = self._request
        if not self.anything:
            return request.material, request.turns
        begin = 0
        parts: list[Iterator[str] | None] = []
        for end in self._ends:
            parts.append(self._replaced(begin, end) if any(self._found[begin:end]) else None)
            begin = end
        pieces = len(request.material)
        material = tuple(
            piece if new is None else self._told_piece(piece, new)
            for piece, new in zip(request.material, parts[:pieces], strict=True)
        )
        turns = tuple(
            turn if new is None else self._told_turn(turn, new)
            for turn, new in zip(request.turns, parts[pieces:], strict=True)
        )
        return material, turns

    def back(self, value: Any) -> Any:
        """Plain JSON with values instead of placeholders."""
        return self.ledger.back_in(value, self.invented)

    def unquoted(self, sentence: str) -> str:
        """A provider's error without what its service quotes of the request: some repeat the very text that they refuse."""
        ours, sign, theirs = sentence.partition(_SAYS)
        if not sign:
            return sentence
        theirs = _QUOTED.sub("\u2026", theirs)
        words = " ".join(theirs.split()).casefold()
        sent = " ".join(" ".join((*self._texts, *self._plain_texts())).split()).casefold()
        if any(words[at : at + _RUN] in sent for at in range(max(1, len(words) - _RUN + 1))):
            return ours
        return f"{ours}{sign}{theirs}"

    def _is_plain(self, piece: Material) -> bool:
        return _is_plain(self._rules, piece)

    def _plain_texts(self) -> Sequence[str]:
        """What the house itself says, which nobody searches."""
        said = _Texts(self._rules, self._wanted)
        for piece in self._request.material:
            if self._is_plain(piece):
                said.gather(piece.data)
        return said.texts

    def _replaced(self, begin: int, end: int) -> Iterator[str]:
        """The texts from `begin` to `end` with names instead of values."""
        for text, spans in zip(self._texts[begin:end], self._found[begin:end], strict=True):
            yield self._named(text, spans) if spans else text

    def _named(self, text: str, spans: Sequence[Found]) -> str:
        pieces, upto = [], 0
        for span in spans:
            pieces += [text[upto : span.start], self.ledger.name(span.kind, text[span.start : span.end])]
            upto = span.end
        return "".join([*pieces, text[upto:]])

    def _told_piece(self, piece: Material, new: Iterator[str]) -> Material:
        ref = next(new)
        data = piece.data if self._is_plain(piece) else self._read.rebuilt(piece.data, new)
        return Material(ref, piece.name, piece.trusted, data)

    def _gather_turn(self, turn: Turn) -> None:
        read = self._read
        for call in turn.calls:
            read.gather(call.arguments)
            read.add(call.flaw or "")
        for result in turn.results:
            read.gather(result.content)
        read.add(turn.text)

    def _told_turn(self, turn: Turn, new: Iterator[str]) -> Turn:
        calls = tuple(self._told_call(call, new) for call in turn.calls)
        results: tuple[ToolResult, ...] = tuple(
            replace(result, content=self._read.rebuilt(result.content, new)) for result in turn.results
        )
        return replace(turn, calls=calls, results=results, text=next(new))

    def _told_call(self, call: ToolCall, new: Iterator[str]) -> ToolCall:
        arguments = self._read.rebuilt(call.arguments, new)
        return replace(call, arguments=arguments, flaw=next(new) or None)


def sources_of(request: ModelRequest[T]) -> Iterator[str]:
    """The systems whose data are in a request: the case's own, and those that its facts' refs name."""
    if request.about.source:
        yield request.about.source
    for piece in request.material:
        system, sign, _ = piece.ref.partition(":")
        if sign and system != "computed":
            yield system


def _is_plain(rules: Redaction, piece: Material) -> bool:
    """Whether it is the house itself that speaks."""
    return piece.trusted and piece.name in rules.rules.plain_material


def _plain_numbers(rules: Redaction, wanted: Wanted, request: ModelRequest[Any]) -> frozenset[int]:
    """The numbers in what the house itself says. It is the same object in every request."""
    numbers: frozenset[int] = frozenset()
    for piece in request.material:
        if _is_plain(rules, piece):
            numbers |= _numbers_of(rules, wanted, piece.data)
    return numbers


def _numbers_of(rules: Redaction, wanted: Wanted, data: Any) -> frozenset[int]:
    key = id(data), wanted.kinds
    known = rules.plain.get(key)
    if known is not None and known[0] is data:
        return known[1]
    said = _Texts(rules, wanted)
    said.gather(data)
    numbers = numbers_in("\0".join(said.texts))
    if len(rules.plain) >= _MOST_PLAIN:
        rules.plain.clear()
    rules.plain[key] = data, numbers
    return numbers

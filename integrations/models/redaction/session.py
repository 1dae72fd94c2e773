"""One request on its way to a model elsewhere and its answer on the way back. `redacting` opens a `Session` for each call.

All texts of the request are searched together, so that one value has one placeholder wherever it stands: in the material, in the
results of look-ups, in what the model said before. What the provider must get back unchanged (`Turn.native`) holds only what the
model itself wrote, which is placeholders.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from integrations.models.base import Material, ModelRequest, T, ToolCall, ToolResult, Turn
from integrations.models.redaction.finding import IDENTIFIER, NUMBER, Text, Wanted, find_all
from integrations.models.redaction.placeholders import Ledger
from integrations.models.redaction.rules import Redaction

#: before the words of a service in a provider's error
_SAYS: Final = " It says: "
_QUOTED: Final = re.compile(r"(?<!\w)'[^']*'|\"[^\"]*\"|`[^`]*`")
#: so many signs in a row are no coincidence
_RUN: Final = 12

#: a whole number from here on is long enough for a payment card's
_LONG_NUMBER: Final = 10**13


class Session:
    """The texts of one request, replaced; and the way back. Not to be shared."""

    def __init__(self, rules: Redaction, request: ModelRequest[Any], classes: frozenset[str]) -> None:
        self._rules = rules
        self._wanted: Wanted = rules.wanted(classes)
        self._request = request
        self.invented: list[str] = []
        texts: list[Text] = []
        plain: list[Text] = []
        for piece in request.material:
            into = plain if self._is_plain(piece) else texts
            texts.append(Text(piece.ref, IDENTIFIER))
            self._gather(piece.data, "", into)
        for turn in request.turns:
            self._gather_turn(turn, texts)
        found = find_all(texts, self._wanted)
        self.ledger = Ledger(
            rules.key,
            request.about.case_id,
            taken=(one.text for part in (texts, plain) for one in part),
            final=rules.final,
            kinds=rules.kinds,
        )
        self._replaced = iter(
            [self._named(one.text, spans) if spans else one.text for one, spans in zip(texts, found, strict=True)]
        )
        self._anything = any(found)
        self._texts = (*texts, *plain)

    def told(self) -> ModelRequest[Any]:
        """The request as it may leave; once."""
        if not self._anything:
            return self._request
        new = self._replaced
        material = tuple(
            replace(
                piece, ref=next(new), data=piece.data if self._is_plain(piece) else self._rebuilt(piece.data, "", new)
            )
            for piece in self._request.material
        )
        turns = tuple(self._rebuilt_turn(turn, new) for turn in self._request.turns)
        return replace(self._request, material=material, turns=turns)

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
        sent = " ".join(" ".join(one.text for one in self._texts).split()).casefold()
        if any(words[at : at + _RUN] in sent for at in range(max(1, len(words) - _RUN + 1))):
            return ours
        return f"{ours}{sign}{theirs}"

    def _is_plain(self, piece: Material) -> bool:
        return piece.trusted and piece.name in self._rules.rules.plain_material

    def _named(self, text: str, spans: Any) -> str:
        pieces, upto = [], 0
        for span in spans:
            pieces += [text[upto : span.start], self.ledger.name(span.kind, text[span.start : span.end])]
            upto = span.end
        return "".join([*pieces, text[upto:]])

    # What is read and what is rebuilt goes through the same values in the same order.

    def _gather(self, value: Any, hint: str, texts: list[Text]) -> None:
        if type(value) is str:
            texts.append(Text(value, hint))
        elif isinstance(value, Mapping):
            for name, item in value.items():
                if not name.isidentifier():
                    texts.append(Text(name))
                self._gather(item, self._hint(name, hint), texts)
        elif isinstance(value, list | tuple):
            for item in value:
                self._gather(item, hint, texts)
        elif _is_number(value, hint, self._wanted):
            texts.append(Text(str(value), hint if hint in self._wanted.kinds else NUMBER))

    def _rebuilt(self, value: Any, hint: str, new: Iterator[str]) -> Any:
        if type(value) is str:
            return next(new)
        if isinstance(value, Mapping):
            return {
                name if name.isidentifier() else next(new): self._rebuilt(item, self._hint(name, hint), new)
                for name, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._rebuilt(item, hint, new) for item in value]
        if _is_number(value, hint, self._wanted):
            text = next(new)
            return value if text == str(value) else text
        return value

    def _hint(self, name: str, above: str) -> str:
        """A field of an address is a part of the address, but for what says nothing of a person."""
        if above and above != IDENTIFIER:
            return "" if name in self._rules.rules.plain_fields else above
        return self._rules.hint(name)

    def _gather_turn(self, turn: Turn, texts: list[Text]) -> None:
        for call in turn.calls:
            self._gather(call.arguments, "", texts)
            texts.append(Text(call.flaw or ""))
        for result in turn.results:
            self._gather(result.content, "", texts)
        texts.append(Text(turn.text))

    def _rebuilt_turn(self, turn: Turn, new: Iterator[str]) -> Turn:
        calls = tuple(self._rebuilt_call(call, new) for call in turn.calls)
        results: tuple[ToolResult, ...] = tuple(
            replace(result, content=self._rebuilt(result.content, "", new)) for result in turn.results
        )
        return replace(turn, calls=calls, results=results, text=next(new))

    def _rebuilt_call(self, call: ToolCall, new: Iterator[str]) -> ToolCall:
        arguments = self._rebuilt(call.arguments, "", new)
        return replace(call, arguments=arguments, flaw=next(new) or None)


def sources_of(request: ModelRequest[T]) -> Iterator[str]:
    """The systems whose data are in a request: the case's own, and those that its facts' refs name."""
    if request.about.source:
        yield request.about.source
    for piece in request.material:
        system, sign, _ = piece.ref.partition(":")
        if sign and system != "computed":
            yield system


def _is_number(value: object, hint: str, wanted: Wanted) -> bool:
    return type(value) is int and (hint in wanted.kinds or value >= _LONG_NUMBER)

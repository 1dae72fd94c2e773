"""Whether what a draft says is in what was gathered: found by matching values, never by asking the model.

Amounts are compared as numbers with their currency, dates as dates, text after the same normalising that decides where
arguments come from. Three honest answers: *verifiable* (a stored source holds it), *asserted* (sources are cited, none
holds it), *uncited*. A source that outsiders write can prove what they said, never that it is true; such sources are told
apart, because a wrongly green mark is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from policies.messages import money
from workers.agents.origins import leaves, normal, prices
from workers.inbox.finds import Found, dates_in, money_in, parts_of
from workers.inbox.forms import label
from workers.store.records import Event, Fact

#: of one source's text; a page that somebody else wrote must not cost us seconds
_MOST_TEXT = 200_000


class Standing(StrEnum):
    VERIFIABLE = "verifiable"
    ASSERTED = "asserted"
    UNCITED = "uncited"


@dataclass(frozen=True, slots=True)
class Source:
    """Something gathered, made ready to be searched."""

    ref: str
    title: str
    trusted: bool
    texts: frozenset[str]
    text: str
    money: frozenset[tuple[int, str]]
    dates: frozenset[date]
    groups: tuple[frozenset[str], ...]

    @classmethod
    def of(cls, ref: str, title: str, data: Mapping[str, Any], *, trusted: bool) -> Source:
        told = [(path, value) for path, value in leaves(data) if value not in ("", None)]
        texts = [normal(str(value)[:_MOST_TEXT]) for _, value in told]
        prose = "\n".join(str(value) for _, value in told if isinstance(value, str))[:_MOST_TEXT]
        groups = tuple(frozenset(normal(v) for v in g.values() if isinstance(v, str | int)) for g in _groups(data))
        return cls(
            ref=ref,
            title=title,
            trusted=trusted,
            texts=frozenset([*texts, normal(ref)]),
            text="\n".join(texts),
            money=frozenset(prices(data)) | frozenset(money_in(prose)),
            dates=frozenset(dates_in(prose)),
            groups=groups,
        )

    def holds(self, found: Found) -> bool:
        match found.kind:
            case "amount":
                return found.money in self.money
            case "date":
                return found.date in self.dates
            case "number":
                # A bare number is everywhere; it counts beside something else that the draft says with it.
                return any(normal(found.text) in group and found.beside & group for group in self.groups)
            case "value" if normal(found.text) in self.texts:
                return True
        needle = normal(found.text)
        if needle not in self.text:
            return False
        # "14 days" is not in "114 days", nor an address in a longer one.
        return re.search(rf"(?<![\w/@-]){re.escape(needle)}(?![\w/@-])", self.text) is not None


@dataclass(frozen=True, slots=True)
class Claim:
    """One checkable thing that the draft says, and where it stands in what was gathered."""

    label: str
    kind: str
    text: str
    standing: Standing
    sources: tuple[Source, ...]

    @property
    def confirmed(self) -> bool:
        """A record of our own holds it."""
        return any(source.trusted for source in self.sources)


@dataclass(frozen=True, slots=True)
class Comparison:
    """An argument beside what the target's record says today (when it was gathered)."""

    label: str
    draft: str
    record: tuple[tuple[str, str], ...]


def sources_of(facts: Sequence[Fact], events: Sequence[Event]) -> list[Source]:
    gathered = [Source.of(fact.ref, fact.title, fact.data, trusted=fact.trusted) for fact in facts]
    said = [
        Source.of(event.id, str(event.data.get("title", event.type)), event.data, trusted=False) for event in events
    ]
    return [*gathered, *said]


def claims(arguments: Mapping[str, Any], sources: Sequence[Source], cited: Sequence[str]) -> list[Claim]:
    """Every checkable part of a draft, once; what could not be found first."""
    told: dict[tuple[str, str], Claim] = {}
    for found in parts_of(arguments):
        holding = tuple(source for source in sources if source.holds(found))
        holding = tuple(sorted(holding, key=lambda s: (not s.trusted, s.ref not in cited)))
        missing = Standing.ASSERTED if cited else Standing.UNCITED
        standing = Standing.VERIFIABLE if holding else missing
        name = label(found.path.partition(".")[0])
        last = found.path.rpartition(".")[2].replace("_", " ")
        text = f"{last} {found.text}" if found.kind == "number" else found.text
        told.setdefault((found.kind, normal(text)), Claim(name, found.kind, text, standing, holding))
    return sorted(told.values(), key=lambda claim: (claim.standing is Standing.VERIFIABLE, claim.confirmed))


def comparisons(arguments: Mapping[str, Any], target: Fact | None) -> list[Comparison]:
    """A draft's amounts beside all amounts of the target's record, and whatever else the record has otherwise."""
    if target is None:
        return []
    currency = str(target.data.get("currency", ""))
    amounts = tuple(
        (label(name), money(value, currency))
        for name, value in target.data.items()
        if name.endswith("_minor") and isinstance(value, int)
    )
    rows = []
    for name, value in arguments.items():
        if name.endswith("_minor") and isinstance(value, int) and amounts:
            rows.append(Comparison(label(name), money(value, str(arguments.get("currency", ""))), amounts))
        elif isinstance(value, str | int) and name in target.data and normal(value) != normal(target.data[name]):
            rows.append(Comparison(label(name), str(value), ((label(name), str(target.data[name])),)))
    return rows


def _groups(value: Any) -> Iterable[Mapping[str, Any]]:
    """Every mapping within nested JSON: values that belong together."""
    if isinstance(value, Mapping):
        yield value
        for item in value.values():
            yield from _groups(item)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for item in value:
            yield from _groups(item)

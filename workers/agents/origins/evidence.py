"""Where an argument's value comes from (DESIGN invariant 8): a trusted record, untrusted text, or the model itself.

Computed by matching values against what was gathered; never by asking the model. A record vouches only for what it holds
exactly (but for case, form and spaces), only where it is this case's customer's or nobody's in particular, and never by a
field that outsiders wrote. What is left over is searched for in strangers' text as loosely as a reader could take it. Amounts
of money are matched with amounts alone, those of the charge that they are for where one is named: that an order has 40 items
must not vouch for 0.40 EUR. Called by `workers.judgement`, once a case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Protocol

from integrations.outsiders import FIELDS
from workers.agents.origins.forms import (
    EMAIL,
    LINK,
    Amount,
    amounts,
    contact_key,
    contacts,
    exact,
    link_key,
    normal,
    numbers,
    readable,
    same_currency,
)
from workers.agents.origins.skeleton import assembled, compact, hidden

#: arguments and records name amounts of money so
_MONEY_KEY = "_minor"
#: longer values are prose: put together from many words, each of which is somewhere
_MOST_WORDS = 6
_MOST_LETTERS = 200
_NUMBERED = re.compile(r"([a-z]{1,6}[-_#]?)(\d{3,16})")
_NOBODY: frozenset[str] = frozenset()
#: records say whose they are by this field
_OWNER = "customer_id"


class Origin(StrEnum):
    RECORD = "record"
    UNTRUSTED = "untrusted"
    MODEL = "model"


class FactView(Protocol):
    """A gathered fact, as far as evidence goes."""

    @property
    def name(self) -> str: ...
    @property
    def ref(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def trusted(self) -> bool: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


@dataclass(slots=True)
class _Sieve:
    """Leaves of what was gathered, by who vouches for them."""

    own: str | None
    ours: list[tuple[str, Any]] = field(default_factory=list)
    strange: list[Any] = field(default_factory=list)
    foreign: list[tuple[str, Any]] = field(default_factory=list)
    #: (charge id or "", minor units, currency or ""): amounts of records, with what is nearest around them
    prices: set[tuple[str, int, str]] = field(default_factory=set)

    def take(self, value: Any, written: frozenset[str], *, key: str = "", charge: str = "", currency: str = "") -> None:
        kind = value.__class__
        if kind is str:
            self.ours.append((key, value))
        elif kind is dict or isinstance(value, Mapping):
            owner = value.get(_OWNER)
            if owner is not None and owner != self.own:
                self.foreign += leaves(value)
                return
            charge = value.get("charge_id") or charge
            currency = value.get("currency") or currency
            for name, item in value.items():
                if name in written:
                    self.strange += [inner for _, inner in leaves(item)]
                else:
                    self.take(item, written, key=name, charge=charge, currency=currency)
        elif kind is not int and isinstance(value, Sequence) and not isinstance(value, str):
            for item in value:
                self.take(item, written, key=key, charge=charge, currency=currency)
        elif not isinstance(value, bool):
            self.ours.append((key, value))
            if key.endswith(_MONEY_KEY) and isinstance(value, int):
                self.prices.add((charge, value, str(currency).upper()))


@dataclass(frozen=True)
class Evidence:
    """Everything that was gathered, flattened to values in one form (`exact` of records, `normal` of what strangers wrote)."""

    records: frozenset[str]
    #: what records say, as written: numbers and ids as well as the prose of a help article
    record_values: tuple[tuple[str, Any], ...]
    untrusted: frozenset[str]
    untrusted_text: str
    #: what strangers wrote, as written
    said: tuple[str, ...] = ()
    #: amounts by the charge that they belong to
    charge_amounts: frozenset[tuple[str, int]] = frozenset()
    #: amounts that records hold as fields, in minor units with their currency, "" where none is near
    prices: frozenset[tuple[int, str]] = frozenset()
    #: of records that belong to somebody else than this case's customer
    foreign: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, trusted: Iterable[Any], untrusted: Iterable[Any]) -> Evidence:
        """From plain JSON: all of `trusted` vouches."""
        sieve = _Sieve(own=None)
        for item in trusted:
            sieve.ours += [(path.rpartition(".")[2], value) for path, value in leaves(item)]
            sieve.prices.update(("", *price) for price in prices(item))
        return cls._sifted(sieve, untrusted)

    @classmethod
    def gathered(cls, facts: Sequence[FactView], said: Iterable[Any], *, customer: str | None) -> Evidence:
        """From a case's facts and what its events said. `customer` is the id of the one whom the case is about."""
        sieve = _Sieve(own=customer)
        strange: list[Any] = list(said)
        for fact in facts:
            if fact.trusted:
                sieve.take(fact.data, FIELDS.get(fact.kind, _NOBODY))
                owner = fact.data.get(_OWNER)
                if owner is None or owner == customer:
                    sieve.ours.append(("ref", fact.ref))
            else:
                strange.append(fact.data)
        return cls._sifted(sieve, strange)

    @classmethod
    def _sifted(cls, sieve: _Sieve, untrusted: Iterable[Any]) -> Evidence:
        said = [str(value) for item in (*untrusted, sieve.strange) for _, value in leaves(item)]
        strange = list(map(normal, said))
        return cls(
            records=frozenset(exact(value) for _, value in sieve.ours),
            record_values=tuple(sieve.ours),
            untrusted=frozenset(strange),
            untrusted_text="\n".join(strange),
            said=tuple(said),
            charge_amounts=frozenset((charge, minor) for charge, minor, _ in sieve.prices if charge),
            prices=frozenset((minor, currency) for _, minor, currency in sieve.prices),
            foreign=tuple(sieve.foreign),
        )

    def origin(self, value: object, *, money: bool = False, charge: str = "") -> Origin:
        """Where `value` comes from. `money` says that it is an amount in minor units, of `charge` where that is named."""
        if money and isinstance(value, int):
            if self._vouched_amount(value, charge):
                return Origin.RECORD
            return Origin.UNTRUSTED if value in self.untrusted_numbers else Origin.MODEL
        if exact(value) in self.records:
            return Origin.RECORD
        plain = normal(value)
        if plain in self.untrusted or (len(plain) > 3 and plain in self.untrusted_text):
            return Origin.UNTRUSTED
        if len(plain) > _MOST_LETTERS or plain.count(" ") >= _MOST_WORDS:
            return Origin.MODEL
        if self._same_place(exact(value)):
            return Origin.RECORD
        return Origin.UNTRUSTED if self._looks_said(str(value)) else Origin.MODEL

    def _vouched_amount(self, value: int, charge: str) -> bool:
        if charge and self.charge_amounts:
            return (charge, value) in self.charge_amounts
        return value in self.record_amounts

    def _same_place(self, plain: str) -> bool:
        """A link, address or account number of a record in another spelling."""
        if LINK.fullmatch(plain) and not EMAIL.fullmatch(plain):
            return link_key(plain) in self.known_links
        is_contact = "@" not in plain and any(normal(found) == plain for found in contacts(plain.upper()))
        return is_contact and contact_key(plain) in self.known_contacts

    def _looks_said(self, value: str) -> bool:
        letters = compact(readable(value))
        return len(letters) > 3 and (letters in self.untrusted_letters or assembled(letters, self.untrusted_letters))

    # What follows is looked up for few actions only, so it is computed when first asked for.

    @cached_property
    def untrusted_letters(self) -> str:
        """What strangers wrote and what is hidden in it, as one run of letters that look alike."""
        written = "\n".join(self.said)
        told = [written, readable(written), *hidden(written)]
        return "\n".join(dict.fromkeys(compact(text) for text in dict.fromkeys(told)))

    @cached_property
    def untrusted_numbers(self) -> frozenset[int]:
        """Numbers in strangers' text, read as minor units and as main units of money."""
        return frozenset(numbers(readable("\n".join(self.said))))

    @cached_property
    def record_text(self) -> str:
        return "\n".join(readable(str(value)) for _, value in self.record_values)

    @cached_property
    def record_amounts(self) -> frozenset[int]:
        """Amounts of money that a record holds as a field, in minor units."""
        return frozenset(v for key, v in self.record_values if key.endswith(_MONEY_KEY) and isinstance(v, int))

    @cached_property
    def known_amounts(self) -> Mapping[int, frozenset[str]]:
        """Amounts that an outgoing text may name, by what they are in: fields of records, and amounts in their prose (a help
        article)."""
        known: dict[int, set[str]] = {}
        told = ((amount.minor, amount.currency) for amount in amounts(self.record_text))
        for minor, currency in (*self.prices, *told):
            if minor is not None:
                known.setdefault(minor, set()).add(currency)
        return {minor: frozenset(currencies) for minor, currencies in known.items()}

    def knows(self, amount: Amount) -> bool:
        """Whether a record holds this amount. 40 of another currency is another amount."""
        held = self.known_amounts.get(amount.minor, _NOBODY) if amount.minor is not None else _NOBODY
        return any(same_currency(amount.currency, currency) for currency in held)

    @cached_property
    def known_links(self) -> frozenset[str]:
        return frozenset(link_key(link) for link in LINK.findall(self.record_text))

    @cached_property
    def _shapes(self) -> dict[tuple[str, ...], re.Pattern[str] | None]:
        return {}

    def shapes(self, names: tuple[str, ...]) -> re.Pattern[str] | None:
        """What numbers of this company look like, learnt from those that the records hold in fields of these names:
        ``NW-11448`` is two letters and some five digits. None where there are none."""
        if names not in self._shapes:
            held = {normal(v) for key, v in self.record_values if key.rpartition(".")[2] in names and v}
            made = {shape for value in held if (shape := _shape(value)) is not None}
            pattern = "|".join(sorted(made))
            self._shapes[names] = re.compile(rf"(?<![\w-])(?:{pattern})(?!\w)") if made else None
        return self._shapes[names]

    @cached_property
    def known_contacts(self) -> frozenset[str]:
        return frozenset(map(contact_key, contacts(self.record_text))) | self.records


def origins(arguments: Mapping[str, Any], evidence: Evidence) -> dict[str, str]:
    """The origin of each argument by path (``amount_minor``, ``competitors.0.url``). Empty values have none."""
    charge = str(arguments.get("charge_id") or "")
    return {
        path: evidence.origin(value, money=path.endswith(_MONEY_KEY), charge=charge).value
        for path, value in leaves(arguments)
        if value not in ("", None)
    }


@dataclass(frozen=True, slots=True)
class Unknowns:
    """What an outgoing text says that no trusted record backs."""

    links: tuple[str, ...]
    contacts: tuple[str, ...]
    amounts: tuple[str, ...]


def unknowns(text: str, evidence: Evidence) -> Unknowns:
    """Links, e-mail addresses, phone numbers or bank details, and amounts of money that are in no trusted record."""
    text = readable(text)
    found = contacts(text)
    return Unknowns(
        links=tuple(link for link in _links(text) if link_key(link) not in evidence.known_links),
        contacts=tuple(c for c in found if contact_key(c) not in evidence.known_contacts),
        amounts=tuple(amount.written for amount in amounts(text) if not evidence.knows(amount)),
    )


def _shape(number: str) -> str | None:
    """A pattern for numbers of the same make; None for what is not letters and then digits."""
    match = _NUMBERED.fullmatch(number)
    if match is None:
        return None
    digits = len(match.group(2))
    return rf"{re.escape(match.group(1))}\d{{{max(3, digits - 1)},{digits + 1}}}"


def _links(text: str) -> Iterator[str]:
    """Links, but for what is the name of an e-mail address."""
    if "." not in text and ":" not in text:
        return
    for match in LINK.finditer(text):
        if not re.match(r"(?:\+[\w.+-]*)?@", text[match.end() :]):
            yield match.group()


def prices(value: Any, currency: str = "") -> Iterator[tuple[int, str]]:
    """Amounts kept as ``*_minor`` in nested JSON, each with the nearest currency around it."""
    if isinstance(value, Mapping):
        currency = str(value.get("currency") or currency).upper()
        for name, item in value.items():
            if str(name).endswith(_MONEY_KEY) and isinstance(item, int):
                yield item, currency
            else:
                yield from prices(item, currency)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for item in value:
            yield from prices(item, currency)


def leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """Every scalar in nested JSON with its dotted path."""
    found: list[tuple[str, Any]] = []
    _gather(value, path, found)
    return found


def _gather(value: Any, path: str, found: list[tuple[str, Any]]) -> None:
    # Exact types first: a question to an abstract class costs as much as all the rest of a leaf.
    kind = value.__class__
    if kind is str or kind is int:
        found.append((path, value))
    elif kind is dict or isinstance(value, Mapping):
        for key, item in value.items():
            _gather(item, f"{path}.{key}" if path else str(key), found)
    elif kind is list or (isinstance(value, Sequence) and not isinstance(value, str | bytes)):
        for index, item in enumerate(value):
            _gather(item, f"{path}.{index}" if path else str(index), found)
    elif not isinstance(value, bool):
        found.append((path, value))

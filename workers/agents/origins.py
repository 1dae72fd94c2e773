"""Where an argument's value comes from (DESIGN invariant 8): a trusted record, untrusted text, or the model itself.

Computed by matching values against what was gathered, exactly and after normalising; never by asking the model. A value
found in both a record and a stranger's text counts as a record's: the record vouches for it. Amounts of money are
matched with amounts alone: that an order has 40 items must not vouch for 0.40 EUR. Called by `workers.judgement`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from integrations.models.money import decimals


class Origin(StrEnum):
    RECORD = "record"
    UNTRUSTED = "untrusted"
    MODEL = "model"


_WEB_ENDINGS = "com|net|org|info|biz|io|app|dev|shop|store|site|online|top|xyz|link|click|example|[a-z]{2}"
#: also without a scheme: mail programs turn ``evil.com/pay`` into a link, too
LINK = re.compile(
    r"(?:https?://|www\.)[^\s<>()\"']+"
    rf"|(?<![\w@.-])(?:[\w-]{{2,63}}\.){{1,8}}(?:{_WEB_ENDINGS})\b(?!@)(?:/[^\s<>()\"']*)?",
    re.IGNORECASE,
)
EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")
PHONE = re.compile(r"\+\d[\d ()/.-]{6,20}\d")
_NUMBER = r"\d{1,3}(?:[.,'\u00a0\u202f ]\d{3}){1,4}(?:[.,]\d{1,2})?|\d{1,15}(?:[.,]\d{1,2})?"
_MONEY = r"EUR|USD|GBP|CHF|SEK|NOK|DKK|PLN|CZK|CAD|AUD|JPY|KRW|ISK|€|\$|£|¥|euros?\b|dollars?\b|pounds?\b|yen\b"
AMOUNT = re.compile(rf"({_MONEY})\s?({_NUMBER})(?!\d)|(?<![\d.,])({_NUMBER})\s?({_MONEY})", re.IGNORECASE)
_ANY_NUMBER = re.compile(_NUMBER)
#: control and format characters (Unicode Cc, Cf) but tab and newline: invisible, and able to split a word for a matcher
INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
#: arguments and records name amounts of money so
_MONEY_KEY = "_minor"


@dataclass(frozen=True)
class Evidence:
    """Everything that was gathered, flattened to normalised values, records apart from strangers' text."""

    records: frozenset[str]
    record_text: str
    #: amounts of money that a record holds as a field, in minor units
    record_amounts: frozenset[int]
    untrusted: frozenset[str]
    untrusted_text: str

    @classmethod
    def of(cls, trusted: Iterable[Any], untrusted: Iterable[Any]) -> Evidence:
        known = [(path, value) for item in trusted for path, value in leaves(item)]
        record_text = [normal(value) for _, value in known]
        strange = [normal(value) for item in untrusted for _, value in leaves(item)]
        return cls(
            records=frozenset(record_text),
            record_text="\n".join(record_text),
            record_amounts=frozenset(v for path, v in known if path.endswith(_MONEY_KEY) and isinstance(v, int)),
            untrusted=frozenset(strange),
            untrusted_text="\n".join(strange),
        )

    def origin(self, value: object, *, money: bool = False) -> Origin:
        """Where `value` comes from. `money` says that it is an amount in minor units."""
        if money and isinstance(value, int):
            if value in self.record_amounts:
                return Origin.RECORD
            return Origin.UNTRUSTED if value in self.untrusted_numbers else Origin.MODEL
        plain = normal(value)
        if plain in self.records:
            return Origin.RECORD
        if plain in self.untrusted or (len(plain) > 3 and plain in self.untrusted_text):
            return Origin.UNTRUSTED
        return Origin.MODEL

    # What follows is looked up for few actions only, so it is computed when first asked for.

    @cached_property
    def untrusted_numbers(self) -> frozenset[int]:
        """Numbers in strangers' text, read as minor units and as main units of money."""
        found = _ANY_NUMBER.findall(self.untrusted_text)
        plain = {int(number) for number in found if number.isdigit()}
        return frozenset(plain | {minor for number in found if (minor := minor_units(number)) is not None})

    @cached_property
    def known_amounts(self) -> frozenset[int]:
        """Amounts that an outgoing text may name: fields of records, and amounts in their prose (a help article)."""
        return self.record_amounts | {minor for _, minor in amounts(self.record_text) if minor is not None}

    @cached_property
    def known_links(self) -> frozenset[str]:
        return frozenset(_link(link) for link in LINK.findall(self.record_text))

    @cached_property
    def known_contacts(self) -> frozenset[str]:
        return frozenset(map(_contact, contacts(self.record_text.upper()))) | self.records


def origins(arguments: Mapping[str, Any], evidence: Evidence) -> dict[str, str]:
    """The origin of each argument by path (``amount_minor``, ``competitors.0.url``). Empty values have none."""
    return {
        path: evidence.origin(value, money=path.endswith(_MONEY_KEY)).value
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
    text = INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    return Unknowns(
        links=tuple(link for link in LINK.findall(text) if _link(link) not in evidence.known_links),
        contacts=tuple(c for c in contacts(text) if _contact(c) not in evidence.known_contacts),
        amounts=tuple(written for written, minor in amounts(text) if minor not in evidence.known_amounts),
    )


def contacts(text: str) -> list[str]:
    return [*EMAIL.findall(text), *IBAN.findall(text), *PHONE.findall(text)]


def amounts(text: str) -> list[tuple[str, int | None]]:
    """Amounts of money as written, and in minor units where they can be read."""
    found = []
    for before, number, other, after in AMOUNT.findall(text):
        minor = minor_units(number or other)
        currency = {"¥": "JPY", "yen": "JPY"}.get((before or after).casefold(), before or after)
        if minor is not None and minor % 100 == 0:
            minor = minor // 100 * 10 ** decimals(currency)
        found.append((number or other, minor))
    return found


def minor_units(text: str) -> int | None:
    """``"1.234,50"``, ``"1,234.50"``, ``"40"`` in minor units; None where the text is no amount."""
    digits = re.sub(r"[\s']", "", text)
    match = re.fullmatch(r"(\d{1,3}(?:[.,]\d{3})+|\d{1,12})(?:[.,](\d{1,2}))?", digits)
    if match is None:
        return None
    return int(re.sub(r"[.,]", "", match.group(1))) * 100 + int((match.group(2) or "0").ljust(2, "0"))


def normal(value: object) -> str:
    """Case, Unicode form, spaces and invisible characters made the same."""
    text = str(value)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    # Case folding can undo the normal form (as in ``ΐ``), so it comes before a second one.
    folded = INVISIBLE.sub("", text).casefold()
    return " ".join((folded if folded.isascii() else unicodedata.normalize("NFKC", folded)).split())


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every scalar in nested JSON with its dotted path."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}.{index}" if path else str(index))
    elif not isinstance(value, bool):
        yield path, value


def _link(link: str) -> str:
    return normal(link).rstrip(".,;:!?/").removeprefix("https://").removeprefix("http://").removeprefix("www.")


def _contact(contact: str) -> str:
    return normal(contact) if "@" in contact else re.sub(r"[^a-z0-9+]", "", normal(contact))

"""Values in a text, found by rules: e-mail and web addresses, order, charge and tracking numbers, amounts, dates.

The local model fills `Entities` with them, and agents compare an answer of any model against them. The text is hostile: no
pattern here may back-track without bound, and nothing may raise, whatever the text. What is ambiguous is left out: no value
is better than a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from integrations.models.dates import find_dates
from integrations.models.entities import AmountMention, Entities
from integrations.models.money import find_amounts

Kind: TypeAlias = Literal["email", "url", "charge_id", "tracking_number", "date", "amount", "order_number"]

#: Longer texts are cut: what matters to a case stands nearer to its beginning.
MAX_CHARS: Final = 20_000
MAX_MENTIONS: Final = 50

_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"'`{}|\\^]{3,2000}", re.IGNORECASE)
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])")
_CHARGE = re.compile(r"(?<![\w-])(?:ch|py|pi)_[A-Za-z0-9]{1,64}(?![\w-])")

#: Shipments that are recognisable by themselves: UPS, and the postal unions' thirteen characters with a check digit.
_UPS = re.compile(r"(?<!\w)1Z[0-9A-Z]{16}(?!\w)", re.IGNORECASE)
_POSTAL = re.compile(r"(?<!\w)([A-Z]{2})(\d{8})(\d)([A-Z]{2})(?!\w)")
#: Others only where the text says so.
_TRACKED = re.compile(
    r"(?:tracking|track\s*&\s*trace|trackingnummer|sendungsnummer|paketnummer|sendungsverfolgung|num[ée]ro\s+de\s+suivi|suivi"
    r"|n[úu]mero\s+de\s+seguimiento|seguimiento|codice\s+di\s+tracciamento|tracciamento|rastreio|volgnummer|parcel\s+number)"
    r"(?:\s{1,3}(?:number|no\.?|nr\.?|code|id|is|ist|est|es|è|é)){0,2}\s{0,3}[:#]?\s{0,3}([A-Z0-9-]{8,34})(?![\w-])",
    re.IGNORECASE,
)
_ORDER_WORD: Final = (
    r"orders?|bestell(?:ung|ungen|nummer)|auftrag(?:snummer)?|commandes?|pedidos?|encomenda|ordine|bestelling|purchase"
)
#: ``NW-10234``: letters and at least four digits, so that an article number such as ``PCK-301`` is none.
_ORDER = re.compile(r"(?<![\w-])([A-Z]{2,4})-(\d{4,10})(?![\w-])", re.IGNORECASE)
_HASH_ORDER = re.compile(r"(?<![\w&/#])#(\d{4,12})(?![\w-])")
_WORD_ORDER = re.compile(
    rf"(?<!\w)(?:{_ORDER_WORD})(?:\s{{1,3}}(?:number|no\.?|nr\.?|num\.?|nummer|numéro|número|numero|n[°º]|id)){{0,2}}"
    r"\s{0,3}[:#]?\s{0,3}((?:[A-Z]{1,4}-?)?\d{3,12})(?![\w,.-]{0,20}\d)(?!\s?[€$£%])",
    re.IGNORECASE,
)
#: Standards and diseases look like order numbers too.
_NOT_ORDERS: Final = frozenset(
    {"ISO", "EN", "DIN", "RFC", "CVE", "UTF", "IEC", "GDPR", "COVID", "VAT", "USD", "EUR", "GBP"}
)


@dataclass(frozen=True, slots=True)
class Mention:
    """`text[start:end]` mentions `value`: a normalised string, or an amount."""

    kind: Kind
    value: str | AmountMention
    start: int
    end: int


def mentions(text: str, *, language: str = "und") -> list[Mention]:
    """Everything found, in order, no two overlapping. `language` decides which of 03/04 is the month where both could be."""
    text = text[:MAX_CHARS]
    taken = bytearray(len(text))
    found: list[Mention] = []
    # What an address holds is not a number of its own, and a date is not an amount: the sure kinds claim their place first.
    finders: tuple[Callable[[str], Iterable[Mention]], ...] = (
        _urls,
        _emails,
        _charges,
        _trackings,
        lambda t: (Mention("date", value, start, end) for value, start, end in find_dates(t, language)),
        lambda t: (Mention("amount", value, start, end) for value, start, end in find_amounts(t)),
        _orders,
    )
    for find in finders:
        for mention in find(text):
            if not any(taken[mention.start : mention.end]):
                taken[mention.start : mention.end] = b"\1" * (mention.end - mention.start)
                found.append(mention)
    found.sort(key=lambda mention: mention.start)
    return found


def entities(text: str, *, language: str = "und") -> Entities:
    """The mentions of `text` by kind, each value once."""
    kinds: dict[Kind, dict[str | AmountMention, None]] = {}
    for mention in mentions(text, language=language):
        values = kinds.setdefault(mention.kind, {})
        if len(values) < MAX_MENTIONS:
            values[mention.value] = None

    def strings(kind: Kind) -> list[str]:
        return [value for value in kinds.get(kind, {}) if isinstance(value, str)]

    return Entities(
        order_numbers=strings("order_number"),
        charge_ids=strings("charge_id"),
        emails=strings("email"),
        dates=strings("date"),
        tracking_numbers=strings("tracking_number"),
        amounts=[value for value in kinds.get("amount", {}) if isinstance(value, AmountMention)],
        urls=strings("url"),
    )


def _urls(text: str) -> Iterator[Mention]:
    for match in _URL.finditer(text):
        url = match.group().rstrip(".,;:!?*_~")
        # A bracket around an address is not part of it, one inside an address is.
        while url.endswith((")", "]")) and url.count(url[-1]) > url.count("(" if url[-1] == ")" else "["):
            url = url[:-1].rstrip(".,;:!?")
        yield Mention("url", url, match.start(), match.start() + len(url))


def _emails(text: str) -> Iterator[Mention]:
    for match in _EMAIL.finditer(text):
        address = match.group().lower()
        local = address.partition("@")[0]
        if not local.startswith(".") and not local.endswith(".") and ".." not in address:
            yield Mention("email", address, match.start(), match.end())


def _charges(text: str) -> Iterator[Mention]:
    for match in _CHARGE.finditer(text):
        yield Mention("charge_id", match.group(), match.start(), match.end())


def _trackings(text: str) -> Iterator[Mention]:
    for match in _UPS.finditer(text):
        yield Mention("tracking_number", match.group().upper(), match.start(), match.end())
    for match in _POSTAL.finditer(text):
        if _postal_check(match[2]) == int(match[3]):
            yield Mention("tracking_number", match.group(), match.start(), match.end())
    for match in _TRACKED.finditer(text):
        if sum(char.isdigit() for char in match[1]) >= 6:
            yield Mention("tracking_number", match[1].upper(), match.start(1), match.end(1))


def _postal_check(serial: str) -> int:
    """The check digit of a UPU S10 item number."""
    total = sum(int(digit) * weight for digit, weight in zip(serial, (8, 6, 4, 2, 3, 5, 9, 7), strict=True))
    return {10: 0, 11: 5}.get(11 - total % 11, 11 - total % 11)


def _orders(text: str) -> Iterator[Mention]:
    for match in _ORDER.finditer(text):
        if match[1].upper() not in _NOT_ORDERS:
            yield Mention("order_number", match.group().upper(), match.start(), match.end())
    for match in _HASH_ORDER.finditer(text):
        yield Mention("order_number", match[1], match.start(), match.end())
    for match in _WORD_ORDER.finditer(text):
        yield Mention("order_number", match[1].upper(), match.start(1), match.end(1))

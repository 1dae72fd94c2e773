"""Amounts of money in a text: ``40 EUR``, ``$12``, ``1.234,50 €``, ``CHF 1'200.--``, as minor units with their currency.

`extract` calls it. A number without a currency is no amount. Which of comma and full stop separates the decimals is read off
the number itself; where that leaves two readings, the one with thousands is taken for three digits (nobody writes prices in
tenths of a cent).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Final

from integrations.models.entities import AmountMention

_SYMBOLS: Final = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "₹": "INR", "zł": "PLN", "US$": "USD", "C$": "CAD", "A$": "AUD", "R$": "BRL"}  # fmt: skip
_CODES: Final = (
    "EUR", "USD", "GBP", "CHF", "JPY", "CAD", "AUD", "NZD", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "RON", "BGN", "TRY",
    "INR", "BRL", "MXN", "ZAR", "CNY", "HKD", "SGD", "KRW", "ILS", "AED", "ISK",
)  # fmt: skip
_NAMES: Final = {
    "euro": "EUR", "euros": "EUR", "dollar": "USD", "dollars": "USD", "dólares": "USD", "bucks": "USD", "pound": "GBP",
    "pounds": "GBP", "quid": "GBP", "pfund": "GBP", "franken": "CHF", "francs": "CHF", "yen": "JPY",
}  # fmt: skip
#: ISO 4217: digits after the decimal separator, where they are not two. Also of currencies that no text is searched for: amounts of
#: records are written with them, and the policy's table says the same, as a test holds.
_DECIMALS: Final = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND"), 0),
    **dict.fromkeys(("VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
_CURRENCY: Final = {**{symbol.casefold(): code for symbol, code in _SYMBOLS.items()}, **{code.casefold(): code for code in _CODES}, **_NAMES}  # fmt: skip
#: More than any case is about; also keeps the minor units within 64 bits.
_LARGEST: Final = Decimal(10) ** 12

_NUMBER = r"\d{1,3}(?:[ \u00a0\u202f'\u2019.,]\d{3}){1,4}(?:[.,]\d{1,2})?|\d{1,13}(?:[.,]\d{1,3})?"
_WORDS = "|".join(sorted((re.escape(word) for word in _CURRENCY), key=len, reverse=True))
#: "$10 million" is not ten dollars.
_SCALE = r"(?!\s?(?:k|m|mio|mrd|thousand|million|billion|tausend|mille|mil|millones|millions|milioni)\b)"
#: In "20.50 EUR 3 times" the currency belongs to the number before it.
_BEFORE = re.compile(
    rf"(?<![\w.,])(?<!\d[ \u00a0])({_WORDS})[ \u00a0]?({_NUMBER})(?:[.,][-\u2013]{{1,2}})?(?![\w%]|[.,]\d|[-\u2013]\d){_SCALE}",
    re.IGNORECASE,
)
_AFTER = re.compile(
    rf"(?<![\w.,#/\u2013-])({_NUMBER})(?:[.,][-\u2013]{{1,2}})?[ \u00a0]?({_WORDS})(?!\w)", re.IGNORECASE
)


def find_amounts(text: str) -> Iterator[tuple[AmountMention, int, int]]:
    for match in _BEFORE.finditer(text):
        if (amount := _amount(match[2], match[1])) is not None:
            yield amount, match.start(), match.end()
    for match in _AFTER.finditer(text):
        if (amount := _amount(match[1], match[2])) is not None:
            yield amount, match.start(), match.end()


def decimals(currency: str) -> int:
    """How many digits the currency's minor unit takes."""
    return _DECIMALS.get(currency.upper(), 2)


def _amount(number: str, word: str) -> AmountMention | None:
    # `re` ignores the case of a few letters that fold otherwise (the long s), so not every match is in the table.
    currency = _CURRENCY.get(word.casefold())
    value = read_number(number)
    if currency is None or value is None or value > _LARGEST:
        return None
    minor = value.scaleb(decimals(currency))
    if minor != minor.to_integral_value():
        return None
    return AmountMention(amount_minor=int(minor), currency=currency)


def read_number(written: str) -> Decimal | None:
    """A number as people write it, in any of the usual ways of separating thousands and decimals."""
    plain = re.sub(r"[ \u00a0\u202f'\u2019]", "", written)
    comma, stop = plain.rfind(","), plain.rfind(".")
    if comma >= 0 and stop >= 0:
        thousands, decimal = (".", ",") if comma > stop else (",", ".")
        plain = plain.replace(thousands, "").replace(decimal, ".")
    elif comma >= 0 or stop >= 0:
        separator = "," if comma >= 0 else "."
        last = plain.rsplit(separator, 1)[1]
        plain = plain.replace(separator, "" if len(last) == 3 or plain.count(separator) > 1 else ".")
    try:
        value = Decimal(plain)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None

"""The forms in which people write addresses, bank details and amounts, and the one form in which they are compared.

What is found here is compared with what records hold, so a form that a reader would take for a link or an amount must be
found, and two that lead to different places must stay different. Used by `evidence` and `workers.agents.outgoing`, and by
the inbox to mark what a draft says.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

from integrations.models.money import decimals

_WEB_ENDINGS = (
    "com|net|org|info|biz|io|app|dev|shop|store|site|online|top|xyz|link|click|example|page|help|support|cloud|live|world|today"
    r"|zip|mov|agency|bank|finance|money|cash|pay|vip|club|fun|icu|test|invalid|xn--[a-z0-9-]{2,59}|[a-z]{2}|[^\W\d_\x00-\x7f]{2,12}"
)
#: also without a scheme: mail programs turn ``evil.com/pay`` into a link, too
LINK = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,15}://|www\.|(?:mailto|tel|sms|javascript|data):(?=\S))[^\s<>()\"']+"
    rf"|(?<![\w@.-])(?:[\w-]{{1,63}}\.){{1,8}}(?:{_WEB_ENDINGS})\b(?!@)(?::\d{{1,5}})?(?:[/?][^\s<>()\"']*)?"
    r"|(?<![\w@.-])(?:\d{1,3}\.){3}\d{1,3}[:/][^\s<>()\"']*",
    re.IGNORECASE,
)
EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")
PHONE = re.compile(r"\+\d[\d ()/.-]{6,20}\d|(?<![\w.,/-])0\d{2,4}[ /-]\d{3,}(?:[ -]?\d{2,}){0,3}(?![\w/-])")
_CARD = re.compile(r"(?<![\w-])\d{4}(?:[ -]?\d){9,15}(?![\w-])")
_ACCOUNT = re.compile(
    r"(?:sort code|routing (?:no|number)|account (?:no|number)|konto(?:nummer)?|blz|rekening|cuenta|conto|счет|счёт)\W{1,6}\d[\d -]{4,24}\d"
    r"|\b(?:bc1[a-z0-9]{25,60}|0x[0-9a-f]{40})\b",
    re.IGNORECASE,
)
#: control and format characters (Unicode Cc, Cf) but tab and newline: invisible, and able to split a word for a matcher
INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
#: the rest of ASCII
_SHOWN = bytes(code for code in range(128) if not INVISIBLE.match(chr(code)))
CODES = (
    "EUR|USD|GBP|CHF|SEK|NOK|DKK|PLN|CZK|CAD|AUD|NZD|JPY|KRW|ISK|INR|RUB|TRY|CNY|HKD|SGD|TWD|THB|MYR|IDR|VND|PKR|BRL|MXN|CLP|ARS"
    "|ZAR|EGP|NGN|KES|HUF|RON|BGN|RSD|UAH|ILS|AED|SAR|QAR|KWD|BHD|OMR|JOD|TND|BTC|ETH|USDT"
)
#: signs and words, by the currency that they stand for; of a dollar and a krone nobody knows whose
_SIGNS = {
    "€": "EUR", "£": "GBP", "¥": "JPY", "₽": "RUB", "₺": "TRY", "₹": "INR", "₩": "KRW", "₪": "ILS", "₴": "UAH", "฿": "THB", "₫": "VND",
    "₱": "PHP", "₿": "BTC", "zł": "PLN", "Kč": "CZK", "euro": "EUR", "euros": "EUR", "pound": "GBP", "pounds": "GBP", "quid": "GBP",
    "pfund": "GBP", "yen": "JPY", "francs": "CHF", "franken": "CHF", "$": "$", "dollar": "$", "dollars": "$", "bucks": "$",
    "dólares": "$", "kr": "kr", "kroner": "kr", "kronor": "kr",
}  # fmt: skip
SIGNED = {sign.casefold(): currency for sign, currency in _SIGNS.items()}
#: whose they may be
_SHARED = {
    "$": frozenset({"$", "USD", "CAD", "AUD", "NZD", "HKD", "SGD", "TWD", "BRL", "MXN", "CLP", "ARS"}),
    "kr": frozenset({"kr", "SEK", "NOK", "DKK", "ISK"}),
}
_WORDS = "|".join(rf"(?<![^\W\d_]){sign}\b" if len(sign) > 1 else re.escape(sign) for sign in _SIGNS)
_MONEY = rf"(?<![a-z])(?:{CODES})(?![a-z])|{_WORDS}"
#: bounded, as a text of nothing but digits must not keep us busy; what is longer is no amount
_DIGITS = r"\d(?:[.,'\u2019]?\d|[ \u00a0\u202f](?=\d{3}(?!\d))){0,40}"
TIMES = r"(?:[ \u00a0]?(k|tsd|thousand|tausend|mille|mil|mio|million|millionen)\b\.?)?"
_GAP = r"[ \t\u00a0\u202f]?"
# Apart, as one number can stand between two currencies. A currency that follows its own number announces none.
_BEFORE = re.compile(rf"(?<!\d[ \u00a0\u202f])({_MONEY}){_GAP}({_DIGITS}){TIMES}", re.IGNORECASE)
_ATTACHED = re.compile(rf"({_MONEY})({_DIGITS}){TIMES}", re.IGNORECASE)
_AFTER = re.compile(rf"(?<![\d.,])({_DIGITS}){TIMES}{_GAP}({_MONEY})", re.IGNORECASE)
_IN_WORDS = re.compile(
    r"(?<!\d )\b[^\W\d]*(?:hundred|thousand|million|hundert|tausend|fifty|twenty|thirty|forty|fünfzig|cinquante|cincuenta|cento|mille)\w*"
    r"(?: \w+)?[ -](?:euros?|dollars?|pounds?)\b",
    re.IGNORECASE,
)
_COINS = ("euro", "dollar", "pound")
_DIGIT = re.compile(r"\d")
_ANY_NUMBER = re.compile(_DIGITS)
_DOT_WORD = r"(?:\.|dot|punkt|punto|point|ponto|точка|点)"
_DOT = re.compile(rf"\s{{0,2}}[\[({{<]\s{{0,2}}{_DOT_WORD}\s{{0,2}}[\])}}>]\s{{0,2}}", re.IGNORECASE)
#: "el punto de recogida" is no address: spelt out, only endings that are no word of their own count
_SPOKEN_DOT = re.compile(
    r"(?<=\w) (?:dot|punkt|punto) (?=(?:com|net|org|info|biz|io|app|dev|xyz|co|ru|cn|tk)\b)", re.IGNORECASE
)
_AT = re.compile(r"\s{0,2}[\[({<]\s{0,2}(?:@|at|arroba|ät)\s{0,2}[\])}>]\s{0,2}", re.IGNORECASE)
_SPOKEN_AT = re.compile(r"(?<=\w) (?:at|arroba) (?=[\w-]+(?:\.[\w-]+)+)", re.IGNORECASE)
_HXXP = re.compile(r"\bh(?:xx|tt|\*\*)p(s?)\s{0,2}:\s{0,2}[/\\]{2}", re.IGNORECASE)
#: what each of them holds: hardly a letter has any of it, and looking for plain text is twenty times as fast
_BRACKETS = ("[", "(", "{", "<")
_SLASHES = ("//", "\\\\", "/\\", "\\/")
_SPOKEN_DOTS = (" dot ", " punkt ", " punto ")
_SPOKEN_ATS = (" at ", " arroba ")
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]{1,15}://")
#: besides the full stop, what a browser takes for one in a host's name (RFC 3490)
_STOPS = str.maketrans("\u3002\uff61\uff0e", "...")
_THOUSANDS = {"k", "tsd", "thousand", "tausend", "mille", "mil"}


def normal(value: object) -> str:
    """Case, Unicode form, spaces and invisible characters made the same."""
    text = value if value.__class__ is str else str(value)
    if text.isascii():
        return " ".join(_visible(text).lower().split())
    text = unicodedata.normalize("NFKC", text)
    # Case folding can undo the normal form (as in ``ΐ``), so it comes before a second one.
    folded = INVISIBLE.sub("", text).casefold()
    return " ".join((folded if folded.isascii() else unicodedata.normalize("NFKC", folded)).split())


def exact(value: object) -> str:
    """As `normal`, but letters stay apart that only fold alike: ``weiß.de`` and ``weiss.de`` are two hosts, of two owners."""
    text = value if value.__class__ is str else str(value)
    if text.isascii():
        return normal(text)
    text = INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    # One by one: a sigma at the end of a word is another letter, too.
    return " ".join(unicodedata.normalize("NFKC", "".join(map(str.lower, text))).split())


def readable(text: str) -> str:
    """A text as its reader takes it in: nothing invisible, digits of every script as ours, and addresses that were spelt out
    (``evil[.]com``, ``evil dot com``, ``hxxp://``) put together."""
    if not text.isascii():
        text = ascii_digits(INVISIBLE.sub("", unicodedata.normalize("NFKC", text.translate(_STOPS))))
    else:
        text = _visible(text)
    if any(bracket in text for bracket in _BRACKETS):
        text = _DOT.sub(".", _AT.sub("@", text))
    if any(slashes in text for slashes in _SLASHES):
        text = _HXXP.sub(r"http\1://", text)
    lower = text.lower()
    if any(dot in lower for dot in _SPOKEN_DOTS):
        text = _SPOKEN_DOT.sub(".", text)
    return _SPOKEN_AT.sub("@", text) if any(at in lower for at in _SPOKEN_ATS) else text


def _visible(text: str) -> str:
    """Text in ASCII without what is invisible: hardly any holds something else than what it shows."""
    return INVISIBLE.sub("", text) if text.encode().translate(None, _SHOWN) else text


def ascii_digits(text: str) -> str:
    """Digits of every script (``٤``, ``४``) as ``0`` to ``9``."""
    return text if text.isascii() else "".join(str(unicodedata.digit(c)) if c.isdecimal() else c for c in text)


def link_key(link: str) -> str:
    """Where a link leads: host and path without scheme, ``www.``, default port, user name and escapes that change nothing.

    Compared whole: a known host with another path is another place, as anybody who can add a redirect knows.
    """
    text = exact(link).rstrip(".,;:!?/").replace("\\", "/")
    text = _SCHEME.sub("", text)
    host, slash, rest = text.partition("/")
    if "?" in host:
        host, _, query = host.partition("?")
        slash, rest = "/", f"?{query}"
    host = unquote(host).rpartition("@")[2].removesuffix(":443").removesuffix(":80").rstrip(".").removeprefix("www.")
    host = ".".join(map(_without_punycode, host.split("."))) if "xn--" in host else host
    path = unquote(rest).rstrip("/")
    return f"{host}{slash}{path}" if path else host


def _without_punycode(label: str) -> str:
    try:
        return label.encode("ascii").decode("idna") if label.startswith("xn--") else label
    except UnicodeError:
        return label


def contacts(text: str) -> list[str]:
    """E-mail addresses, phone numbers, bank details and card numbers."""
    addresses = EMAIL.findall(text) if "@" in text else []
    if _DIGIT.search(text) is None:
        return addresses
    found = [*addresses, *(ibans := IBAN.findall(text)), *PHONE.findall(text), *_ACCOUNT.findall(text)]
    # In lower case it pays out all the same; what is in upper case was found.
    found += [i for i in IBAN.findall(text.upper()) if i not in ibans and any(c.isdigit() for c in i[4:])]
    return found + [card for card in _CARD.findall(text) if _luhn(card)]


def contact_key(contact: str) -> str:
    """An address or number without what is only its spelling. In an e-mail address a tag is part of who it is."""
    return exact(contact) if "@" in contact else re.sub(r"[^a-z0-9+]", "", normal(contact))


def _luhn(card: str) -> bool:
    digits = [int(c) for c in card if c.isdigit()][::-1]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return len(digits) >= 13 and (sum(digits[::2]) + sum(doubled)) % 10 == 0


class Amount(NamedTuple):
    """An amount of money: as written, and in minor units of its currency. None where it cannot be read with certainty."""

    written: str
    minor: int | None
    #: its code, a sign that several share (``$``), or "" where that is not known
    currency: str


def amounts(text: str) -> list[Amount]:
    """Every amount of money in a text, each once."""
    in_words = _IN_WORDS.findall(text) if any(coin in text.lower() for coin in _COINS) else []
    spelt = [Amount(words, None, "") for words in in_words]
    if _DIGIT.search(text) is None:
        return spelt
    before = [*_BEFORE.findall(text), *_ATTACHED.findall(text)]
    found = [_amount(number, times, money) for money, number, times in before]
    found += [_amount(number, times, money) for number, times, money in _AFTER.findall(text)]
    return list(dict.fromkeys(found)) + spelt


def same_currency(one: str, other: str) -> bool:
    """Whether two amounts may be of one currency. What is not known may be any."""
    if not one or not other or one == other:
        return True
    return other in _SHARED.get(one, ()) or one in _SHARED.get(other, ())


def _amount(number: str, times: str, money: str) -> Amount:
    currency = SIGNED.get(money.casefold(), money.upper())
    minor = minor_units(number)
    if minor is not None and times:
        minor *= 1_000 if times.casefold() in _THOUSANDS else 1_000_000
    if minor is not None:
        # Read as hundredths: what is then left over is a coin that this currency does not have.
        minor, rest = divmod(minor * 10 ** decimals(currency), 100)
        minor = None if rest else minor
    return Amount(number, minor, currency)


def minor_units(text: str) -> int | None:
    """``"1.234,50"``, ``"1,234.50"``, ``"40"`` in minor units; None where the text is no amount."""
    digits = re.sub(r"[\s'\u2019]", "", ascii_digits(text))
    match = re.fullmatch(r"(\d{1,3}(?:[.,]\d{3})+|\d{1,12})(?:[.,](\d{1,2}))?", digits)
    if match is None:
        return None
    return int(re.sub(r"[.,]", "", match.group(1))) * 100 + int((match.group(2) or "0").ljust(2, "0"))


def numbers(text: str) -> Iterator[int]:
    """Every number in a text, as minor units and as main units of money."""
    for number in _ANY_NUMBER.findall(text):
        if number.isdigit():
            yield int(number)
        if (minor := minor_units(number)) is not None:
            yield minor

"""Numbers that are somebody's: payment cards, national ids without letters, telephone numbers. `finding` calls `of_cluster`.

A cluster is a run of digits with the separators that people put between them. It may hold more than one number ("card …
valid until …"), so what is judged are runs of its groups. Check digits decide where there are any; where a kind has none, or a
weak one, how the number is written and the words before it decide. What an order, a parcel or a moment is called stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from integrations.models.redaction import checks

CARD: Final = "card"
NATIONAL_ID: Final = "national_id"
PHONE: Final = "phone"

_BETWEEN: Final = r"[ \u00a0\u00ad\u2000-\u2015\u202f\u2060\u2212\ufeff./()\-]"
#: seven digits or more; possessive, so that each sign is looked at a bounded number of times
CLUSTER: Final = re.compile(rf"\d(?<!\d\d)(?:{_BETWEEN}{{0,3}}\d){{6,}}+")
_GROUP: Final = re.compile(r"\d+")
_MOST_GROUPS: Final = 8
#: so far back a word still speaks of the number
LOOK_BACK: Final = 32
_WORD: Final = re.compile(r"[^\W\d_]+|#")
_WORDS: Final = re.compile(
    r"(?P<phone>phone|tel$|telef|tele?ph|t[ée]l[ée]|mobil|m[óo]vil|cell|call$|ring$|fax|whatsapp|sms$|handy|rufnummer|anruf|portable"
    r"|.*(?:phone|handy|telefon|电话|手机|電話|携帯)|телефон|тел$)"
    r"|(?P<card>card|karte|kreditkarte|visa|master|amex|maestro|carte|tarjeta|carta$|pan$)"
    r"|(?P<ident>ssn|social$|bsn|burgerservice|sofi|aadha?ar|uidai|आधार|personn|cpr|pesel|cpf|steuer|idnr|f[øo]dsels|sécurité|nir$"
    r"|national$|insurance$|tax|tin$|itin)"
    r"|(?P<other>order|bestell|commande|pedido|ordine|track|sendung|parcel|shipment|paket|colis|invoice|rechnung|facture|factura"
    r"|fattura|ref|ticket|case$|sku$|item|article|artikel|isbn|ean$|gtin|serial|imei|transaction|txn|charge|auftrag|version"
    r"|timestamp|epoch|unix|#)",
    re.IGNORECASE,
)
_CARD_SHAPES: Final = frozenset(
    {(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 4, 2), (4, 4, 4, 1), (6, 13)}
)


@dataclass(frozen=True, slots=True)
class Number:
    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True)
class _Run:
    """Some neighbouring groups of a cluster."""

    digits: str
    shape: tuple[int, ...]
    seps: frozenset[str]
    #: what the words before it speak of: phone, card, ident, other, or nothing
    about: str
    plus: bool
    alone: bool


def of_cluster(text: str, begin: int, end: int, floor: int) -> Iterator[Number]:
    """The numbers in ``text[begin:end]``, a match of `CLUSTER`. `floor` is where the text around it begins."""
    groups = [match.span() for match in _GROUP.finditer(text, begin, end)]
    about = _about(text[max(floor, begin - LOOK_BACK) : begin])
    plus = "+" in text[max(floor, begin - 2) : begin]
    before, after = text[begin - 1 : begin] if begin > floor else "", text[end : end + 1]
    if (_glued(before) and about not in ("card", "phone", "ident")) or (_glued(after) and len(groups) == 1):
        return
    ascii_only = text.isascii() or text[begin:end].isascii()
    plain = [text[start:stop] if ascii_only else _as_ascii(text[start:stop]) for start, stop in groups]
    at = 0
    while at < len(groups):
        found = _longest(text, groups, plain, at, about, plus and at == 0)
        if found is None:
            at += 1
            continue
        upto, kind = found
        start = groups[at][0]
        if kind == PHONE and at == 0:
            start = _with_prefix(text, start, floor)
        yield Number(start, groups[upto - 1][1], kind)
        at = upto


def whole(digits: str) -> str | None:
    """What a whole number without any text around it is: only cards are known by themselves."""
    return CARD if 14 <= len(digits) <= 19 and checks.card(digits) else None


def _longest(
    text: str, groups: list[tuple[int, int]], plain: list[str], at: int, about: str, plus: bool
) -> tuple[int, str] | None:
    """The groups from `at` on that make a number: where they end, and its kind. Cards first, then ids, then the longest
    telephone number."""
    phone = 0
    digits = ""
    seps: set[str] = set()
    shape: list[int] = []
    every = len(groups) if len(groups) - at <= 19 else at + _MOST_GROUPS
    for upto in range(at + 1, min(len(groups), every) + 1):
        digits += plain[upto - 1]
        shape.append(len(plain[upto - 1]))
        if upto - 1 > at:
            seps.add(text[groups[upto - 2][1] : groups[upto - 1][0]])
        size = len(digits)
        if size > 19:
            break
        if size < 7:
            continue
        run = _Run(digits, tuple(shape), frozenset(seps), about, plus, at == 0 and upto == len(groups))
        if size >= 13 and _is_card(run, first=at == 0):
            return upto, CARD
        if not plus and 9 <= size <= 15 and _is_national_id(run):
            return upto, NATIONAL_ID
        if at == 0 and len(shape) <= _MOST_GROUPS and _is_phone(run):
            phone = upto
    return (phone, PHONE) if phone else None


def _is_card(run: _Run, *, first: bool) -> bool:
    if len(run.shape) > 1 and not run.alone and (run.shape not in _CARD_SHAPES or not (first or len(run.seps) == 1)):
        return False
    if len(run.digits) == 13 and run.about != "card" and len(run.shape) == 1:
        # Thirteen digits are an article's number (EAN) far oftener than a card's.
        return False
    return checks.card(run.digits)


def _is_national_id(run: _Run) -> bool:
    """Each country's way to write it, then its check."""
    if run.about == "other" and len(run.shape) == 1:
        return False
    return any(
        _fits(run, shapes, hint) and check(run.digits) for shapes, hint, check in _BY_SIZE.get(len(run.digits), ())
    )


def _fits(run: _Run, shapes: tuple[tuple[int, ...], ...], bare: bool) -> bool:
    if run.shape in shapes:
        return len({sep.strip() for sep in run.seps}) <= 2
    if run.about == "ident":
        return True
    return bare and len(run.shape) == 1


Check = Callable[[str], bool]
#: by the number of digits: how it is written in groups, whether it is also known without, its check
_BY_SIZE: Final[dict[int, tuple[tuple[tuple[tuple[int, ...], ...], bool, Check], ...]]] = {
    9: ((((3, 2, 4),), False, checks.ssn), (((4, 2, 3),), False, checks.bsn)),
    10: ((((6, 4),), False, checks.personnummer), (((6, 4),), False, checks.cpr)),
    11: (
        (((2, 3, 3, 3),), True, checks.steuer_id),
        (((6, 5),), True, checks.fodselsnummer),
        ((), True, checks.pesel),
        (((3, 3, 3, 2),), True, checks.cpf),
    ),
    12: ((((4, 4, 4),), False, checks.aadhaar), (((8, 4),), False, checks.personnummer)),
    15: ((((1, 2, 2, 2, 3, 3, 2), (13, 2), (1, 2, 2, 2, 3, 5)), True, checks.nir),),
}


def _is_phone(run: _Run) -> bool:
    digits, size, shape = run.digits, len(run.digits), run.shape
    if run.plus:
        return 8 <= size <= 15 and checks.calling_code(digits)
    if run.about == "phone":
        return size <= 15 and not _is_date(run)
    if run.about == "other" or _is_date(run):
        return False
    if digits.startswith("00"):
        return 11 <= size <= 17 and digits[2] != "0" and checks.calling_code(digits[2:])
    if digits[0] == "0":
        if len(shape) == 1:
            return 10 <= size <= 12
        return 9 <= size <= 12 and shape[0] >= 2 and (run.seps != {"."} or len(shape) > 2)
    american = shape[1:] if shape[0] == 1 and digits[0] == "1" else shape
    rest = digits[-10:]
    return american == (3, 3, 4) and rest[0] > "1" and rest[3] > "1"


def _is_date(run: _Run) -> bool:
    """A day, perhaps with what follows it: 2026-11-20 08, 01.12.2026 14."""
    first = run.shape[:3]
    if first == (4, 2, 2):
        return "1900" <= run.digits[:4] <= "2199" and "01" <= run.digits[4:6] <= "12"
    if first == (2, 2, 4):
        return run.digits[:2] <= "31" and run.digits[2:4] <= "31" and "1900" <= run.digits[4:8] <= "2199"
    return run.shape[0] == 8 and run.digits[:2] in ("19", "20") and "01" <= run.digits[4:6] <= "12"


def _with_prefix(text: str, start: int, floor: int) -> int:
    """Where the number begins with its plus sign or its first bracket."""
    while start > floor and text[start - 1] in "+(":
        start -= 1
    return start


def _about(before: str) -> str:
    """What the nearest word before a number speaks of."""
    for word in reversed(_WORD.findall(before)):
        about = _of_word(word)
        if about:
            return about
    return ""


@lru_cache(maxsize=4096)
def _of_word(word: str) -> str:
    match = _WORDS.match(word)
    return (match.lastgroup or "") if match else ""


def _glued(sign: str) -> bool:
    """A letter or an underscore beside it: the digits are part of a name. Other scripts write without spaces."""
    return sign == "_" or (sign.isascii() and sign.isalpha())


def _as_ascii(digits: str) -> str:
    return "".join(str(int(digit)) for digit in digits)

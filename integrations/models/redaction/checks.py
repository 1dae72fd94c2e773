"""Check digits: whether a number can be what it looks like. Pure arithmetic on ASCII text; `numbers` and `lettered` ask.

Without them every order number of the right length would be taken for somebody's. Each function gets its value without
separators and says yes or no; none raises for text of the right alphabet.
"""

from __future__ import annotations

from datetime import date
from typing import Final

_IBAN_LENGTHS: Final = {
    country: int(length)
    for length, countries in {
        "15": "NO",
        "16": "BE",
        "18": "DK FI FO GL NL SD",
        "19": "MK SI",
        "20": "AT BA EE KZ LT LU MN XK",
        "21": "CH HR LI LV",
        "22": "BG BH CR DE GB GE IE ME RS VA",
        "23": "AE GI IL IQ OM SO TL",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG",
        "25": "LY PT ST",
        "26": "IS TR",
        "27": "BI DJ FR GR IT MC MR SM",
        "28": "AL AZ BY CY DO GT HU LB NI PL SV",
        "29": "BR EG PS QA UA",
        "30": "JO KW MU YE",
        "31": "MT SC",
        "32": "LC",
        "33": "RU",
    }.items()
    for country in countries.split()
}
#: by their first two digits; 1 and 7 stand alone
_CALLING_CODES: Final = frozenset(
    [
        "20",
        "21",
        "22",
        "23",
        "24",
        "25",
        "26",
        "27",
        "29",
        "30",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "37",
        "38",
        "39",
        "40",
        "41",
        "42",
        "43",
        "44",
        "45",
        "46",
        "47",
        "48",
        "49",
        "50",
        "51",
        "52",
        "53",
        "54",
        "55",
        "56",
        "57",
        "58",
        "59",
        "60",
        "61",
        "62",
        "63",
        "64",
        "65",
        "66",
        "67",
        "68",
        "69",
        "80",
        "81",
        "82",
        "84",
        "85",
        "86",
        "87",
        "88",
        "90",
        "91",
        "92",
        "93",
        "94",
        "95",
        "96",
        "97",
        "98",
        "99",
    ]
)
_DNI_LETTERS: Final = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU_SIGNS: Final = "0123456789ABCDEFHJKLMNPRSTUVWXY"
#: Codice fiscale: what a character counts at an odd place; at an even one digits and letters count as they stand.
_CF_ODD: Final = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_VERHOEFF_D: Final = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
_VERHOEFF_P: Final = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 5, 7, 6, 2, 8, 3, 0, 9, 4),
    (5, 8, 0, 3, 7, 9, 6, 1, 4, 2),
    (8, 9, 1, 6, 0, 4, 3, 5, 2, 7),
    (9, 4, 5, 3, 1, 2, 6, 8, 7, 0),
    (4, 2, 8, 6, 5, 7, 3, 9, 0, 1),
    (2, 7, 9, 3, 8, 0, 6, 4, 1, 5),
    (7, 0, 4, 6, 9, 1, 3, 2, 5, 8),
)


def luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        if place % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def card(digits: str) -> bool:
    """A number that a card scheme gives out: its beginning, its length, and Luhn."""
    size = len(digits)
    two, three, four = int(digits[:2]), int(digits[:3]), int(digits[:4])
    if size == 16:
        known = (
            digits[0] == "4"
            or 51 <= two <= 55
            or 2221 <= four <= 2720
            or 2200 <= four <= 2204
            or four == 9792
            or two in (60, 62, 64, 65, 81, 82, 56, 57, 58, 50, 63, 67, 36, 38, 39)
            or 3528 <= four <= 3589
        )
    elif size == 15:
        known = two in (34, 37)
    elif size == 14:
        known = 300 <= three <= 305 or three == 309 or two in (36, 38, 39)
    elif size == 13:
        known = digits[0] == "4"
    else:
        known = 17 <= size <= 19 and (digits[0] == "4" or two in (50, 56, 57, 58, 60, 62, 63, 64, 65, 67))
    return known and luhn(digits)


def iban_length(country: str) -> int:
    """How long an IBAN of this country is; 0 where there are none."""
    return _IBAN_LENGTHS.get(country, 0)


def iban(text: str) -> bool:
    """Mod 97, letters as numbers from 10 on."""
    return int("".join(str(int(sign, 36)) for sign in text[4:] + text[:4])) % 97 == 1


def ssn(digits: str) -> bool:
    """US: no check digit, but areas, groups and serials that are never given out."""
    return digits[:3] not in ("000", "666") and digits[3:5] != "00" and digits[5:] != "0000"


def steuer_id(digits: str) -> bool:
    """Germany: of the first ten digits one is there twice or three times, the others once; then ISO 7064 mod 11, 10."""
    counts = sorted(digits[:10].count(digit) for digit in set(digits[:10]))
    if digits[0] == "0" or counts[-1] not in (2, 3) or (len(counts) > 1 and counts[-2] != 1):
        return False
    product = 10
    for digit in digits[:10]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def nir(text: str) -> bool:
    """France: sex, year, month, place, key. Corsica's departments 2A and 2B count as 19 and 18."""
    month = int(text[3:5])
    if text[0] not in "123478" or not (1 <= month <= 12 or 20 <= month <= 42 or month >= 50):
        return False
    return 97 - int(text[:13].upper().replace("2A", "19").replace("2B", "18")) % 97 == int(text[13:])


def dni(text: str) -> bool:
    """Spain: eight digits, or X, Y, Z and seven, with the letter that mod 23 gives."""
    number = text[:-1].upper().translate(str.maketrans("XYZ", "012"))
    return _DNI_LETTERS[int(number) % 23] == text[-1].upper()


def codice_fiscale(text: str) -> bool:
    total = 0
    for place, sign in enumerate(text[:15].upper()):
        value = int(sign) if sign.isdigit() else ord(sign) - 65
        total += value if place % 2 else _CF_ODD[value]
    return chr(65 + total % 26) == text[15].upper()


def bsn(digits: str) -> bool:
    """Netherlands: the eleven test."""
    weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
    return int(digits) > 0 and _weighed(digits, weights) % 11 == 0


def personnummer(digits: str) -> bool:
    """Sweden: a birthday (or one with 60 added to the day), then Luhn over ten digits."""
    ten = digits[-10:]
    return _day(ten[4:6], ten[2:4], ten[:2], added=60) and luhn(ten)


def cpr(digits: str) -> bool:
    """Denmark: a birthday and the old check by 11, which numbers given out since 2007 need not meet."""
    return cpr_day(digits) and _weighed(digits, (4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def cpr_day(digits: str) -> bool:
    return _day(digits[:2], digits[2:4], digits[4:6])


def fodselsnummer(digits: str) -> bool:
    """Norway: a birthday (40 added to the day or the month for some) and two checks by 11."""
    month = int(digits[2:4])
    if not _day(digits[:2], f"{month - 40 if month > 40 else month:02}", digits[4:6], added=40):
        return False
    first = _weighed(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1))
    second = _weighed(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1))
    return first % 11 == 0 and second % 11 == 0


def henkilotunnus(text: str) -> bool:
    """Finland: a birthday, a sign for the century, a number, and what mod 31 gives."""
    signs = text.upper()
    if not _day(signs[:2], signs[2:4], signs[4:6]):
        return False
    return _HETU_SIGNS[int(signs[:6] + signs[7:10]) % 31] == signs[10]


def pesel(digits: str) -> bool:
    """Poland: a birthday whose month tells the century, and a weighed sum."""
    month = int(digits[2:4]) % 20
    if not _day(digits[4:6], f"{month:02}", digits[:2]):
        return False
    return _weighed(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def cpf(digits: str) -> bool:
    """Brazil: two checks by 11; eleven times the same digit meets them and is nobody's."""
    if len(set(digits)) == 1:
        return False
    first = _weighed(digits, range(10, 1, -1)) * 10 % 11 % 10
    second = _weighed(digits, range(11, 1, -1)) * 10 % 11 % 10
    return (first, second) == (int(digits[9]), int(digits[10]))


def aadhaar(digits: str) -> bool:
    """India: Verhoeff, and no 0 or 1 at the beginning."""
    if digits[0] in "01" or len(set(digits)) == 1:
        return False
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = _VERHOEFF_D[check][_VERHOEFF_P[place % 8][int(digit)]]
    return check == 0


def calling_code(digits: str) -> bool:
    """Whether an international number can begin so (ITU E.164)."""
    return digits[0] in "17" or digits[:2] in _CALLING_CODES


def _weighed(digits: str, weights: tuple[int, ...] | range) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def _day(day: str, month: str, year: str, *, added: int = 0) -> bool:
    """Whether there is such a day in either century."""
    number = int(day) - added if added and int(day) > added else int(day)
    try:
        # 2000 was a leap year and 1900 was not: the 29th of February of a year 00 is let through.
        date(2000 + int(year), int(month), number)
    except ValueError:
        return False
    return True

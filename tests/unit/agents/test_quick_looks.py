"""Texts are looked at quickly before they are searched; what is found is the same as by searching each from end to end."""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import unicodedata
from types import MappingProxyType
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from workers.agents.origins import INVISIBLE, evidence, forms, leaves, normal, readable, skeleton
from workers.agents.origins.forms import EMAIL, IBAN, LINK, amounts, contacts
from workers.agents.origins.skeleton import hidden

#: what the searches are after, and what surrounds it
PIECES = st.sampled_from(
    [
        *(
            " ",
            "\n",
            "\t",
            "\r\n",
            "a",
            "K",
            "ſ",
            "İ",
            "ß",
            "\u212a",
            "é",
            "e\u0301",
            "٣",
            "．",
            "。",
            "-",
            "_",
            ".",
            ":",
            "=",
            "/",
            "\\",
        ),
        *(
            "[.]",
            "(dot)",
            "{at}",
            "<@>",
            "[ punkt ]",
            " dot com",
            " DOT net",
            " punto org",
            " punkt ru",
            " at ",
            " AT ",
            " arroba ",
            " Arroba x.y",
        ),
        *("hxxp://", "HTTPS:\\\\", "h**p:/\\", "http :\\/", "mail", "evil.com", "evil", "com"),
        *("\x00", "\x07", "\x1f", "\x7f", "\u200b", "\u202e", "\U000e0041"),
        *(
            "aWdub3JlIHRoaXM",
            "cGF5IG1l",
            "cGF5IG1lIG5vdw==",
            "YWJjZA=",
            "=" * 3,
            "69676e6f7265",
            "70 61 79 20 6d 65",
            "de:ad:be:ef",
            "&amp;",
            "%20",
            "add",
            "face",
        ),
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=3), max_size=14).map("".join)

VALUES = st.lists(
    st.sampled_from(
        [
            *(
                "ana@example.com",
                "@",
                "DE89 3704 0044 0532 0130 00",
                "de89370400440532013000",
                "+49 170 1234567",
                "0171-234567",
            ),
            *(
                "account no: 12345678",
                "bc1" + "q" * 30,
                "0x" + "a" * 40,
                "0x" + "1" * 40,
                "4111 1111 1111 1111",
                "٣٤ €",
                "€ 5",
                "12,50 EUR",
            ),
            *(
                "fifty euros",
                "two hundred DOLLARS",
                "thousand pounds",
                "hundred-POUNDS",
                "zł",
                "40 k USD",
                "evil.com/x",
                "mailto:x",
                "www.x",
                "http://y",
            ),
        ]
    )
    | st.sampled_from([" ", "\n", ", ", "x"])
    | st.text(max_size=3),
    max_size=8,
).map("".join)


@given(TEXTS)
def test_a_text_reads_as_if_every_form_had_been_searched_for(text):
    plain = text
    if not plain.isascii():
        plain = forms.ascii_digits(INVISIBLE.sub("", unicodedata.normalize("NFKC", plain.translate(forms._STOPS))))
    plain = forms._DOT.sub(".", forms._AT.sub("@", INVISIBLE.sub("", plain) if text.isascii() else plain))
    plain = forms._HXXP.sub(r"http\1://", plain)

    assert readable(text) == forms._SPOKEN_AT.sub("@", forms._SPOKEN_DOT.sub(".", plain))


@given(TEXTS | st.integers() | st.floats() | st.booleans() | st.none())
def test_a_value_has_one_normal_form_whatever_it_is_made_of(value):
    folded = INVISIBLE.sub("", unicodedata.normalize("NFKC", str(value))).casefold()

    assert normal(value) == " ".join(unicodedata.normalize("NFKC", folded).split())


@given(TEXTS)
def test_all_that_is_hidden_is_found_and_in_the_same_order(text):
    found = []
    if (plain := html.unescape(unquote(text))) != text:
        found.append(plain)
    for match in skeleton._BASE64.finditer(text):
        written = match.group().translate(str.maketrans("-_", "+/")).rstrip("=")
        found += _decoded(base64.b64decode, written + "=" * (-len(written) % 4))
    for match in skeleton._HEX.finditer(text):
        found += _decoded(bytes.fromhex, match.group().replace(":", " "))

    assert list(hidden(text)) == [*found, codecs.decode(text, "rot13"), text[::-1]]


@given(TEXTS | VALUES)
def test_contacts_amounts_and_links_are_found_as_by_searching_for_each(text):
    found = [
        *EMAIL.findall(text),
        *(ibans := IBAN.findall(text)),
        *forms.PHONE.findall(text),
        *forms._ACCOUNT.findall(text),
    ]
    found += [i for i in IBAN.findall(text.upper()) if i not in ibans and any(c.isdigit() for c in i[4:])]
    found += [card for card in forms._CARD.findall(text) if forms._luhn(card)]
    before = [*forms._BEFORE.findall(text), *forms._ATTACHED.findall(text)]
    money = [forms._amount(number, times, coin) for coin, number, times in before]
    money += [forms._amount(number, times, coin) for number, times, coin in forms._AFTER.findall(text)]

    assert contacts(text) == found
    assert amounts(text) == [*dict.fromkeys(money), *((words, None, "") for words in forms._IN_WORDS.findall(text))]
    assert bool(list(evidence._links(text))) <= bool(LINK.search(text))
    assert ("." in text or ":" in text) or LINK.search(text) is None


def test_nested_values_are_found_in_whatever_holds_them():
    data = MappingProxyType({"a": ({"b": 1}, [True, "x", None]), "c": 0.5, 7: b"y", "d": {}})

    assert leaves(data) == [("a.0.b", 1), ("a.1.1", "x"), ("a.1.2", None), ("c", 0.5), ("7", b"y")]
    assert leaves("x", "at") == [("at", "x")]


def _decoded(how, written):
    try:
        told = how(written).decode("utf-8")
    except (binascii.Error, ValueError):
        return []
    return [told] if told.isprintable() or "\n" in told else []

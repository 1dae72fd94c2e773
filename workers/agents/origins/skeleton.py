"""What a text looks like, and what is hidden in it: the loose half of matching.

Two texts with one skeleton can be taken for one another by a reader. That is reason enough to call a value a stranger's, and
never reason to call it a record's: a look-alike of a record is the very thing to be found out. Called by `evidence`, only
for values that no record holds.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
import string
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from workers.agents.origins.forms import INVISIBLE, ascii_digits

_TABLE = Path(__file__).with_name("confusables.txt")
_BASE64 = re.compile(r"(?<![\w+/=-])[\w+/-]{8,8000}={0,2}(?![\w+/=-])")
_HEX = re.compile(r"(?<!\w)(?:[0-9a-fA-F]{2}[ :]?){6,4000}(?!\w)")
_TURNED = str.maketrans("-_", "+/")
# In ASCII, what base64 cannot be made of is space, and what hexadecimal cannot be made of a full stop.
_RUNS = bytes(code if chr(code).isalnum() or chr(code) in "_+/=-" else 0x20 for code in range(128)).ljust(256)
_PAIRS = bytes(0x30 if chr(code) in string.hexdigits else 0x2E for code in range(128)).ljust(256)
_SHORTEST = 8
_SIX_PAIRS = b"0" * 12
_SEPARATORS = re.compile(r"[\W_]+")
#: of one text; a page that somebody else wrote must not cost us seconds
_MOST = 60_000


@cache
def _table() -> dict[int, str]:
    made = {ord("0"): "o", ord("1"): "l", ord("i"): "l", ord("|"): "l"}
    for line in _TABLE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            like, *taken = line.split(" ")
            made |= {int(code, 16): like for code in taken}
    return made


def skeleton(text: str) -> str:
    """Case, form, accents and look-alikes made the same. Not for showing."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = ascii_digits(INVISIBLE.sub("", text)).casefold()
        text = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return text.casefold().translate(_table())


def compact(text: str) -> str:
    """A skeleton without anything between its letters and digits."""
    if text.isascii():
        # As bytes: most texts are plain, and each is looked at in several readings.
        table, apart = _ascii()
        return text.lower().encode().translate(table, apart).decode()
    return _SEPARATORS.sub("", skeleton(text))


@cache
def _ascii() -> tuple[bytes, bytes]:
    """The table for ASCII alone, where every look-alike is one character; and what is left out beforehand."""
    plain = [chr(code) for code in range(128)]
    apart = "".join(char for char in plain if _SEPARATORS.sub("", skeleton(char)) == "")
    return "".join(_table().get(ord(char), char) for char in plain).encode().ljust(256, b"\0"), apart.encode()


def hidden(text: str) -> Iterator[str]:
    """What is written in a text in ways that a machine reads at once: escapes, base64, hexadecimal, turned letters, reversed."""
    text = text[:_MOST]
    if (plain := html.unescape(unquote(text))) != text:
        yield plain
    for run in _in_base64(text):
        written = run.translate(_TURNED).rstrip("=")
        yield from _decoded(base64.b64decode, written + "=" * (-len(written) % 4))
    if not text.isascii() or _SIX_PAIRS in text.encode().translate(_PAIRS, b" :"):
        for match in _HEX.finditer(text):
            yield from _decoded(bytes.fromhex, match.group().replace(":", " "))
    yield codecs.decode(text, "rot13")
    yield text[::-1]


def _in_base64(text: str) -> list[str]:
    """What may be base64, as `_BASE64` finds it: words from end to end."""
    if not text.isascii():
        return _BASE64.findall(text)
    runs = text.encode().translate(_RUNS).decode().split()
    return [run for run in runs if len(run) >= _SHORTEST and _BASE64.fullmatch(run)]


def _decoded(how: Callable[[str], bytes], written: str) -> Iterator[str]:
    try:
        told = how(written).decode("utf-8")
    except (binascii.Error, ValueError):
        return
    if told.isprintable() or "\n" in told:
        yield told


def assembled(value: str, text: str) -> bool:
    """Whether a value can be put together from pieces of a text, both as `compact` gives them."""
    at = 0
    while at < len(value):
        end = at + 1
        while end < len(value) and value[at : end + 1] in text:
            end += 1
        # One letter of any text is in any other: a piece must be longer, but for what is left at the end.
        if end - at < min(3, len(value) - at) or value[at:end] not in text:
            return False
        at = end
    return bool(value)

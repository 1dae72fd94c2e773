"""Risk flags of a text: threats, duties, danger, and instructions that somebody tries to give to the model.

The local model uses it for its triage; agents may set its flags beside any other model's. Words come from `lexicon.yaml`,
structure (invisible characters, hidden markup, encoded text, forged roles) from here. A flag raises the care that a case gets
and never lowers it, so a wrong flag costs a look and a missed one is not the only guard. Never raises, whatever the text.
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
from pathlib import Path
from typing import Final

import yaml

from integrations.models.phrases import compile_phrases, fold

FLAGS: Final = ("legal_threat", "chargeback_threat", "personal_data", "safety", "abuse", "press", "injection")
MAX_CHARS: Final = 20_000
_LEXICON: Final = Path(__file__).with_name("lexicon.yaml")

#: One zero-width space is a careless editor; text reversed, or several in one message, is not. The joiner U+200D is no sign:
#: every second emoji holds one, as do Persian and Hindi words.
_REVERSED = re.compile("[\u202d\u202e\u2066\u2067\u2068]")
_HIDDEN_CHARS = re.compile("[\u200b\u2060-\u2064\u180e]")
#: Letters as tags: invisible ASCII. The flags of England, Scotland and Wales end so too, after a black flag.
_TAGS = re.compile("(?<!\U0001f3f4)(?<![\U000e0000-\U000e007f])[\U000e0020-\U000e007f]{2,}")
_HIDDEN_MARKUP = re.compile(
    r"<!--(?!\[if).{3,2000}?-->|(?:display\s{0,3}:\s{0,3}none|visibility\s{0,3}:\s{0,3}hidden|font-size\s{0,3}:\s{0,3}0|opacity\s{0,3}:\s{0,3}0(?![.\d])"
    r"|color\s{0,3}:\s{0,3}(?:white|#fff(?:fff)?|transparent)\b)|<[a-z]{1,20}[^<>]{0,200}\shidden\b",
    re.IGNORECASE | re.DOTALL,
)
#: the words of styles in it; looking for words first is ten times as fast
_STYLES: Final = ("display", "visibility", "font-size", "opacity", "color")
#: letters beyond ASCII that are ours to a pattern that leaves their case out of account
_LIKE_OURS: Final = str.maketrans({"\u0130": "i", "\u0131": "i", "\u017f": "s", "\u212a": "k"})
#: what a role begins with, or is; looking for these first is ten times as fast, too
_MARKED: Final = ("<", "[")
_ROLES: Final = ("system", "assistant", "developer", "instruction")
_ROLE = re.compile(
    r"<\|[a-z_]{2,20}\|>|\[/?(?:INST|SYS|SYSTEM)\]|<<SYS>>|</?(?:system|assistant|instructions?|untrusted|tool_use|function_calls?)\b[^<>]{0,80}>"
    r"|^\s{0,8}(?:#{1,4}\s{0,2})?(?:\*\*)?(?:system|assistant|developer|instructions?)(?:\*\*)?\s{0,3}:",
    re.IGNORECASE | re.MULTILINE,
)
_BASE64 = re.compile(r"(?<![\w+/=])[A-Za-z0-9+/]{40,4000}={0,2}(?![\w+/=])")
_SHORTEST: Final = 40
_PAYING_BACK: Final = ("refund", "reimburs", "erstatt", "rembours", "reembols", "rimbors")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?:\s?[A-Z0-9]{4}){3,7}(?:\s?[A-Z0-9]{1,4})?(?!\w)")


def risk_flags(text: str) -> list[str]:
    """The flags that `text` raises, in the order of `FLAGS`."""
    text = text[:MAX_CHARS]
    words = fold(text)
    return [
        flag
        for flag in FLAGS
        if _patterns()[flag].search(words) is not None or (flag == "injection" and _has_hidden_instruction(text))
    ]


def suspects_injection(text: str) -> bool:
    """Whether a text seems to give instructions to whoever processes it: the flag `injection` by itself."""
    text = text[:MAX_CHARS]
    return _patterns()["injection"].search(fold(text)) is not None or _has_hidden_instruction(text)


@functools.cache
def _patterns() -> dict[str, re.Pattern[str]]:
    lexicon = yaml.safe_load(_LEXICON.read_text(encoding="utf-8"))
    return {flag: compile_phrases(lexicon[flag]) for flag in FLAGS}


def _has_hidden_instruction(text: str) -> bool:
    lower = _lower(text)
    return (
        (_may_hold_role(lower) and _ROLE.search(text) is not None)
        or (_may_hold_markup(lower) and _HIDDEN_MARKUP.search(text) is not None)
        or (not text.isascii() and _has_hidden_characters(text))
        or (
            max(map(len, text.split()), default=0) >= _SHORTEST
            and any(_is_encoded_text(match.group()) for match in _BASE64.finditer(text))
        )
        or (any(word in lower for word in _PAYING_BACK) and _IBAN.search(text) is not None)
    )


def _may_hold_role(lower: str) -> bool:
    if any(mark in lower for mark in _MARKED):
        return True
    return ":" in lower and any(role in lower for role in _ROLES)


def _may_hold_markup(lower: str) -> bool:
    return "<" in lower or any(word in lower for word in _STYLES)


def _lower(text: str) -> str:
    """Letters as a pattern takes them that leaves their case out of account."""
    return text.lower() if text.isascii() else text.translate(_LIKE_OURS).lower()


def _has_hidden_characters(text: str) -> bool:
    return _REVERSED.search(text) is not None or _TAGS.search(text) is not None or len(_HIDDEN_CHARS.findall(text)) >= 2


def _is_encoded_text(blob: str) -> bool:
    """Whether base64 decodes to readable words. Pictures and signatures decode to bytes of every value."""
    try:
        decoded = base64.b64decode(blob + "=" * (-len(blob) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    readable = sum(32 <= byte < 127 or byte in b"\n\r\t" for byte in decoded)
    return readable >= 0.95 * len(decoded) and b" " in decoded

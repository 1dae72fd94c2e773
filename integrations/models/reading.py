"""What the local model reads of an event: its words in one piece, without the mail that a reply drags behind it.

`local` calls it. Labels and language come from what the sender wrote now; values and risk flags from everything, because a
quoted part can hide an instruction as well as any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

LONGEST_SUMMARY: Final = 140
#: keys of an event's data that say in words what it is about, beside title and text
_WORDS: Final = ("keyword",)

#: Where mail programs begin the message that is answered: a line of their own in each language.
_QUOTE_BEGINS = re.compile(
    r"^(?:On .{4,160} wrote|Am .{4,160} schrieb.{0,120}|Le .{4,160} a écrit|El .{4,160} escribió|Il .{4,160} ha scritto"
    r"|Op .{4,160} schreef.{0,120}|Em .{4,160} escreveu)\s?:\s*$"
    r"|^-{2,}\s?(?:Original Message|Forwarded message|Ursprüngliche Nachricht|Message d'origine|Mensaje original)\s?-{2,}"
    r"|^(?:From|Von|De|Da|Van): .{3,160}$(?=\s*(?:Sent|Gesendet|Envoyé|Enviado|Inviato|Verzonden|Date|Datum|To|An|À|Para|A|Aan)\s?:)",
    re.MULTILINE | re.IGNORECASE,
)
#: A greeting alone: the word and at most two more ("Hello there", "Dear Mr Smith").
_GREETING = re.compile(
    r"(?:hi|hello|hey|dear|to whom it may concern|good (?:morning|afternoon|evening)|hallo|guten (?:tag|morgen|abend)|liebe[sr]?"
    r"|sehr geehrte (?:damen und herren|frau|herr)|bonjour|bonsoir|madame|hola|buen[oa]s|estimad[oa]s?|buongiorno|salve|gentile"
    r"|goede\w+|beste|geachte|olá|bom dia)(?:[ ,]+[\w.]+){0,2}\W*",
    re.IGNORECASE,
)


def whole_text(event: Mapping[str, Any]) -> str:
    """Everything that an event says in words: title, text, the rules that fired, the keyword that is asked for."""
    parts = [
        str(event.get("title") or ""),
        str(event.get("text") or ""),
        *(str(event.get(key) or "") for key in _WORDS),
    ]
    rules = event.get("rules")
    if isinstance(rules, list | tuple) and rules:
        parts.append(f"Rules: {', '.join(map(str, rules))}")
    return "\n".join(part.strip() for part in parts if part.strip())


def without_quotes(text: str) -> str:
    """The text without the earlier messages quoted in it. What is nothing but quotes stays whole."""
    begins = _QUOTE_BEGINS.search(text)
    own = text if begins is None else text[: begins.start()]
    own = "\n".join(line for line in own.splitlines() if not line.lstrip().startswith(">")).strip()
    return own or text


def summary(event: Mapping[str, Any]) -> str:
    """The first sentence that says something, or as much of it as fits in a line."""
    text = without_quotes(str(event.get("text") or ""))
    for sentence in re.split(r"(?<=[.!?])\s|\n+", text):
        plain = " ".join(sentence.split()).strip(" ,;:-")
        if any(char.isalnum() for char in plain) and _GREETING.fullmatch(plain) is None:
            break
    else:
        plain = " ".join(str(event.get("title") or "").split())
    return plain if len(plain) <= LONGEST_SUMMARY else plain[: LONGEST_SUMMARY - 1].rstrip() + "…"

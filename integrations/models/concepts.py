"""What a text is about in the terms of a domain: the concepts whose words it holds, in any of several languages.

Features of the local model's heads, beside the words themselves. Knowledge written down by people, so it is in a file that
people can read (`concepts.yaml`), and it needs no example in each language.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Final

import yaml

from integrations.models.flags import risk_flags
from integrations.models.phrases import compile_phrases, fold

MAX_CHARS: Final = 4_000
_FILE: Final = Path(__file__).with_name("concepts.yaml")
_SHOUTED = re.compile(r"(?<![^\W\d_])[A-Z]{3,}(?: [A-Z]{2,}){2,}")


def concepts(domain: str, text: str) -> list[str]:
    """The concepts of `domain` in `text`, with its risk flags and how it is punctuated."""
    known = _known().get(domain)
    if known is None:
        return []
    text = text[:MAX_CHARS]
    words = fold(text)
    found = [name for name, pattern in known.items() if pattern.search(words) is not None]
    found += [f"flag {flag}" for flag in risk_flags(text)]
    if "?" in text:
        found.append("asks")
    if "!!" in text or text.count("!") > 2:
        found.append("exclaims")
    if _SHOUTED.search(text) is not None:
        found.append("shouts")
    return found


@functools.cache
def _known() -> dict[str, dict[str, re.Pattern[str]]]:
    loaded = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return {
        domain: {name: compile_phrases([phrases]) for name, phrases in named.items()}
        for domain, named in loaded.items()
    }

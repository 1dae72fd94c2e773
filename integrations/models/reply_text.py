"""An answer's text into the output type: as it is where the provider keeps to the schema, else the JSON object found in it.

`conversation` calls it. Models without structured output wrap their answer in fences, explanations and thoughts; reading
past them saves asking again. What is found must fit the type like anything else.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from pydantic import ValidationError

from integrations.models.base import T
from integrations.models.unbroken import unbroken, unbroken_in

#: So many places in a text are looked at; one that opens more braces than that is no answer.
_MOST_STARTS: Final = 50

_THOUGHTS: Final = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
#: as JSON writes it
_NUL: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_DECODER: Final = json.JSONDecoder()


def read(output: type[T], text: str) -> T:
    """Raise pydantic's `ValidationError` where nothing in `text` fits."""
    text = unbroken(text)
    if "\\u0000" in text:
        text = _NUL.sub(r"\1\\ufffd", text)
    try:
        return output.model_validate_json(text)
    except ValidationError:
        inside = _objects(text)
        if not inside:
            raise
        # The last one: what comes before it may be an example, a plan or a quotation.
        return output.model_validate(inside[-1])


def _objects(text: str) -> list[Any]:
    """The JSON objects that stand in a text side by side; none where the whole text is one JSON value."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        pass
    else:
        return []
    text = _THOUGHTS.sub("", text)
    found, at = [], 0
    for _ in range(_MOST_STARTS):
        at = text.find("{", at)
        if at < 0:
            break
        try:
            value, end = _DECODER.raw_decode(text, at)
            found.append(unbroken_in(value))
        except (ValueError, RecursionError):
            at += 1
        else:
            at = end
    return found

"""Text that services take and databases keep. A NUL and half a surrogate pair are in JSON all the same, where somebody cut a text
in two or a model was told to write them; here they become the sign that stands for none.

Answers of models go through this as they are read, and what outsiders wrote where it is put before a model.
"""

from __future__ import annotations

import re
from typing import Any, Final

#: what is nested deeper is nothing that anybody asked for, and more than JSON's own writer may take
MOST_DEEP: Final = 64

_STRANGE: Final = re.compile("[\x00\ud800-\udfff]")
_NONE: Final = "\N{REPLACEMENT CHARACTER}"


def unbroken(text: str) -> str:
    """The text with pairs put together that came in halves, and a sign for none instead of what is none."""
    if _STRANGE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", _NONE)


def unbroken_in(value: Any, depth: int = 0) -> Any:
    """The same for all texts of plain JSON, names of fields among them. Raise `ValueError` for what is nested too deeply."""
    if isinstance(value, str):
        return unbroken(value)
    if not isinstance(value, dict | list):
        return value
    if depth >= MOST_DEEP:
        raise ValueError(f"nested more than {MOST_DEEP} deep")
    if isinstance(value, list):
        return [unbroken_in(item, depth + 1) for item in value]
    return {unbroken(str(key)): unbroken_in(item, depth + 1) for key, item in value.items()}

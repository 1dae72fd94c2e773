"""Examples without their people: what names a customer is masked before it is kept, for it will be shown to other cases.

Called when an example is made. Known values (the customer's record, ids of the case) go first, then whatever looks like an
address, a number of an order, a card or a phone. It is no anonymisation: an example is erased with its customer as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MASK = "[…]"
#: what of a record names somebody
_NAMING = re.compile(
    r"name|email|phone|address|street|iban|customer_id|ip$|device|fingerprint|last4|birth", re.IGNORECASE
)
#: what names a thing of the firm's own
_OURS = re.compile(r"^(shop|house|product|team|store|brand|file|field)_?name$|^items$|^title$", re.IGNORECASE)
_PATTERNS = (
    re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"),
    re.compile(r"(?:https?://|www\.)\S+"),
    re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,4})?\b"),
    re.compile(r"\+?\d(?:[ /()-]{0,2}\d){6,}"),
    re.compile(r"\b[A-Za-z]{1,8}[-_]?\d{3,}[\w-]*\b|#\s?\d{3,}\b|\b\d{5,}\b"),
)
_SHORTEST = 3


def known_values(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """What must not be kept of these records: names (and their parts), addresses, ids. The longest first."""
    found: set[str] = set()
    for record in records:
        for name, value in _texts(record):
            if _NAMING.search(name) and not _OURS.search(name):
                found.add(value)
                if "name" in name.casefold():
                    found |= set(value.split())
    return sorted((value for value in found if len(value) >= _SHORTEST), key=len, reverse=True)


def mask(value: Any, known: Iterable[str]) -> Any:
    """The same with names and numbers masked, through lists and mappings. Numbers as such stay."""
    if isinstance(value, str):
        for secret in known:
            value = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, value, flags=re.IGNORECASE)
        for pattern in _PATTERNS:
            value = pattern.sub(MASK, value)
        return value
    if isinstance(value, Mapping):
        return {key: mask(item, known) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [mask(item, known) for item in value]
    return value


def _texts(data: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(data, str):
        yield name, data.strip()
    elif isinstance(data, Mapping):
        for key, item in data.items():
            yield from _texts(item, str(key))
    elif isinstance(data, list | tuple):
        for item in data:
            yield from _texts(item, name)

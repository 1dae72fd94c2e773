"""The digest of a decision record that the audit log keeps, so that a record changed afterwards no longer fits.

Made by whoever writes a judgement down, and made again by whoever reaches it once more. It covers the record's values as a
reader has them and no bytes of a column: the same on every database, and in whatever form the store keeps them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

#: hex digits that are kept: enough, as another record that fits would have to be one that people take for this one
DIGITS = 16


def digest_of(record: Mapping[str, Any]) -> str:
    """Of a record's JSON values. Raise `TypeError` for what is no JSON."""
    text = _ENCODER.encode(record)
    if "e+" in text or "-0.0" in text:
        # Rare, and most of these are addresses; but a number may be among them.
        text = _ENCODER.encode(_evened(record))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def _mapping(value: object) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), check_circular=False, default=_mapping)


def _evened(value: Any) -> Any:
    """Numbers as a database gives them back that keeps no exponents and no sign of nothing, as PostgreSQL's ``jsonb``."""
    if isinstance(value, float):
        if abs(value) >= 1e16:
            return int(Decimal(repr(value)))
        return value or 0.0
    if isinstance(value, Mapping):
        return {key: _evened(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_evened(held) for held in value]
    return value

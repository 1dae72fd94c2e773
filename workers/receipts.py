"""What a system told of what it did, as it is kept with the action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from math import isfinite
from typing import Any

from integrations.base import Receipt
from integrations.errors import legible
from workers.store.action_rows import short_receipt

_NAMES = tuple(field.name for field in fields(Receipt))


def checked_receipt(told: object) -> Receipt:
    """Raise TypeError for anything else: neither that it was done nor that it was not can be read out of it."""
    if not isinstance(told, Receipt):
        raise TypeError(f"a {type(told).__name__} where a Receipt was due")
    return told


def as_json(receipt: Receipt) -> dict[str, Any]:
    """What both databases can keep, whatever a system says: what is done must not go round because of how it was told."""
    return short_receipt({name: _storable(getattr(receipt, name)) for name in _NAMES})


def _storable(told: Any) -> Any:
    match told:
        case str():
            return legible(told)
        case bool() | int() | None:
            return told
        case Mapping():
            return {legible(str(name)): _storable(value) for name, value in told.items()}
        case list() | tuple():
            return [_storable(value) for value in told]
        case float() if isfinite(told):
            return told
        case _:
            return legible(str(told))

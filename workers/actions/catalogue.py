"""The catalogue: every action kind by name. A new kind is one entry in its domain's file, listed here by its tuple."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from workers.actions import content, governing, support, transactions
from workers.actions.base import ActionKind


def _by_name(*groups: tuple[ActionKind, ...]) -> Mapping[str, ActionKind]:
    kinds: dict[str, ActionKind] = {}
    for kind in (kind for group in groups for kind in group):
        if kind.name in kinds:
            raise ValueError(f"two action kinds are called {kind.name!r}")
        kinds[kind.name] = kind
    for kind in kinds.values():
        if kind.undo is not None and kind.undo not in kinds:
            raise ValueError(f"{kind.name!r} would be taken back by {kind.undo!r}, which there is not")
    return MappingProxyType(kinds)


CATALOGUE = _by_name(support.KINDS, transactions.KINDS, content.KINDS, governing.KINDS)

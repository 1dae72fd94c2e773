"""Cooling off: how long an approved action waits before it is carried out, during which a person can still stop it.

Asked wherever an action becomes approved or is let go on (`drafting`, the inbox, `settlement`), so that no way round leads to
an earlier moment. Nothing here waits: `wake_at` is the one timer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from workers.actions.catalogue import CATALOGUE


class Approved(Protocol):
    """What is asked of an action's row."""

    @property
    def kind(self) -> str: ...
    @property
    def verdict(self) -> Mapping[str, Any]: ...
    @property
    def decided_at(self) -> datetime | None: ...


def pause(kind: str, verdict: Mapping[str, Any]) -> timedelta:
    """How long after the last yes: what the policy obliges to, or what the kind itself asks for, whichever is longer."""
    known = CATALOGUE.get(kind)
    obliged = (int(o["minutes"]) for o in verdict.get("obligations", ()) if o["kind"] == "delay")
    return max(known.hold if known is not None else timedelta(0), timedelta(minutes=max(obliged, default=0)))


def earliest(action: Approved, now: datetime) -> datetime:
    """When an approved action may be carried out: at once, or when its time of cooling off is over."""
    decided = action.decided_at
    return now if decided is None else max(now, decided + pause(action.kind, action.verdict))

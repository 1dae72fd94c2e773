"""Judged actions within their limits: what rules allow is reserved, and a verdict that could not have it is made stricter.

Called with the transaction that stores the actions, by the pipeline for what an agent proposes and by `drafting` for what is
judged anew. An action that no limit is about comes back as it is, without a statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from policies.types import DecisionRecord
from workers.actions.base import ActionKind
from workers.judgement import Judged, seal
from workers.limits.reserving import fitting, holdings, reserve, reserves, rooms
from workers.store.database import Tx
from workers.store.spending import Used

__all__ = ["Judgement", "as_it_fits", "holdings", "reserves", "rooms", "within_limits"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """One revision of an action as it was judged, with all that its digest is made of."""

    action_id: str
    judged: Judged
    kind: ActionKind
    arguments: Mapping[str, Any]
    target: str
    target_version: str
    revision: int


def within_limits(tx: Tx, made: Sequence[Judgement], *, now: datetime, once: bool) -> list[Judged]:
    """Reserve for each in order, and seal anew what came of it. `once`: nothing else is reserved in this transaction."""
    records = reserve(tx, [(one.action_id, one.judged.record) for one in made], now=now, once=once)
    tightened = []
    for one, record in zip(made, records, strict=True):
        if record is one.judged.record:
            tightened.append(one.judged)
            continue
        tightened.append(_sealed(one, record))
    return tightened


def as_it_fits(made: Judgement, used: Used) -> Judged | None:
    """The judgement as `within_limits` gives it where all is to be had when so much is used up; else None."""
    record = fitting(made.judged.record, used)
    return None if record is None else _sealed(made, record)


def _sealed(one: Judgement, record: DecisionRecord) -> Judged:
    before = one.judged.record
    if record.verdict is before.verdict and record.uses is before.uses:
        # What the digest is made of is as it was.
        return replace(one.judged, record=record)
    return seal(
        record,
        one.judged.origins,
        kind=one.kind,
        arguments=one.arguments,
        target=one.target,
        target_version=one.target_version,
        revision=one.revision,
        changed=one.judged.changed,
    )

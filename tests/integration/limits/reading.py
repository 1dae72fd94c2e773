"""What rows of holds say, read by hand: one of those that lead, and one for each that rides along."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from workers.store.database import Tx
from workers.store.limit_tables import limit_counters, limit_holds


@dataclass(frozen=True)
class Read:
    counter: int
    limit_ref: str | None
    minor: int
    at: datetime
    leaves_at: datetime
    action_id: str


def read(tx: Tx) -> list[Read]:
    refs = {row.counter: row.limit_ref for row in tx.execute(select(limit_counters)).all()}
    found = []
    for row in tx.execute(select(limit_holds)).all():
        more = list(row.more or ())
        parts = [(row.counter, row.minor, row.leaves_at)]
        while more:
            counter, minor, until, *more = more
            parts.append((counter, minor, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=until)))
        found += [Read(of, refs.get(of), minor, row.at, leaves, row.action_id) for of, minor, leaves in parts]
    return sorted(found, key=lambda one: (one.counter, one.action_id))


def come_to(tx: Tx) -> dict[int, tuple[int, int]]:
    """How many holds each counter has, and what they come to."""
    sums: dict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for one in read(tx):
        times, minor = sums[one.counter]
        sums[one.counter] = (times + 1, minor + one.minor)
    return dict(sums)


def agree(tx: Tx) -> bool:
    """Each counter's row says what its holds come to."""
    said = {row.counter: (row.times, row.minor) for row in tx.execute(select(limit_counters)).all()}
    return {counter: sums for counter, sums in said.items() if sums[0]} == come_to(tx)
